"""`lfm-arch run`: generate with a built model."""

import json as json_text
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lfm_arch.runtime.generate import Sampling

EPILOG = """\b
Examples:
  lfm-arch run runs/lfm2-350m --text "The capital of France is"
  lfm-arch run runs/lfm2-350m --tokens 1,42,7 --max-new-tokens 8 --json
  lfm-arch run runs/lfm2-350m --text "Once" --temperature 0.7 --top-p 0.9 --seed 3
"""


def _ids(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[int] | None:
    if value is None:
        return None
    try:
        return [int(each) for each in value.replace(",", " ").split()]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of token ids; write 1,42,7") from error


@click.command(epilog=EPILOG)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--text", help="The prompt. Without a tokenizer.json in the directory its bytes are the tokens.")
@click.option("--tokens", callback=_ids, metavar="IDS", help="The prompt as token ids, 1,42,7.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--temperature", type=click.FloatRange(min=0), default=0.0, show_default=True, help="0: best token.")
@click.option("--top-k", type=click.IntRange(min=1), help="Draw from this many of the best tokens.")
@click.option("--top-p", type=click.FloatRange(min=0, min_open=True, max=1), help="Draw from the best tokens that"
              " together have this probability.")  # fmt: skip
@click.option("--seed", default=0, show_default=True)
@click.option("--stop", callback=_ids, metavar="IDS", help="Token ids that end the text.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print ids, text and times as JSON.")
def run(
    *,
    directory: Path,
    text: str | None,
    tokens: list[int] | None,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    stop: list[int] | None,
    device: str,
    as_json: bool,
) -> None:
    """Generate text or tokens with the model that `lfm-arch build` wrote to DIRECTORY."""
    if (text is None) == (tokens is None):
        raise click.UsageError("give the prompt as --text or as --tokens")
    from lfm_arch.runtime.card import read_card
    from lfm_arch.runtime.generate import Sampling

    card = read_card(directory)
    sampling = Sampling(temperature, top_k, top_p, seed)
    made = _generate(directory, text, tokens, max_new_tokens, sampling, stop or [], device, live=not as_json)
    made["weights"] = card["weights"]
    if as_json:
        click.echo(json_text.dumps(made, indent=1))
        return
    rate = made["decode_tokens_per_s"]
    speed = f", {rate:.1f} tokens/s after it" if rate else ""
    note = f"{len(made['prompt_ids'])} prompt tokens in {made['prefill_s']:.2f} s{speed}"
    click.echo(click.style(note, dim=True), err=True)
    if card["weights"] == "random":
        note = f"the weights are random (seed {card['seed']}), so this means nothing"
        click.echo(click.style(note, fg="yellow"), err=True)


def _generate(
    directory: Path,
    text: str | None,
    tokens: list[int] | None,
    max_new_tokens: int,
    sampling: "Sampling",
    stop: list[int],
    device: str,
    *,
    live: bool,
) -> dict[str, Any]:
    """Generate, printing text as it comes when `live`."""
    from lfm_arch.runtime.checkpoint import load
    from lfm_arch.runtime.generate import stream
    from lfm_arch.runtime.vocabulary import vocabulary

    model = load(directory, device=device)
    words = vocabulary(directory, model.facts.vocab_size) if text is not None else None
    prompt = words.encode(text) if words is not None and text is not None else list(tokens or [])
    ids: list[int] = []
    shown = ""
    began = time.perf_counter()
    first = began
    for (token,) in stream(model, prompt, max_new_tokens=max_new_tokens, sampling=sampling, stop_ids=stop):
        if not ids:
            first = time.perf_counter()
        if token in stop:
            break
        ids.append(token)
        if live:
            now = words.decode(ids) if words is not None else " ".join(map(str, ids))
            # half of a character of several bytes waits for the other half
            if not now.endswith("\N{REPLACEMENT CHARACTER}"):
                click.echo(now[len(shown) :], nl=False)
                shown = now
    ended = time.perf_counter()
    made = words.decode(ids) if words is not None else None
    if live:
        rest = made if made is not None else " ".join(map(str, ids))
        click.echo(rest[len(shown) :])
    return {
        "prompt_ids": prompt,
        "ids": ids,
        "text": made,
        "tokenizer": words.name if words is not None else None,
        "prefill_s": first - began,
        "decode_tokens_per_s": (len(ids) - 1) / (ended - first) if len(ids) > 1 else None,
    }
