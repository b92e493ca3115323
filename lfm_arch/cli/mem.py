"""`lfm-arch mem`: bytes by part, at the end of the prompt and at the end of everything."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lfm_arch.cli.cost import parse_bytes
from lfm_arch.cli.estimate_view import shown
from lfm_arch.cli.output import console

_PARTS = {
    "weights": "weights",
    "cache": "key/value cache",
    "state": "fixed state",
    "activations": "activations",
    "runtime": "the runtime itself",
}

EPILOG = """\b
Examples:
  lfm-arch mem specs/lfm2-1.2b.yaml --context 32k --batch 8
  lfm-arch mem specs/lfm2-8b-a1b.yaml --context 8k --weights q8_0 --cache q8_0 --memory 12GB
  lfm-arch mem specs/lfm2-2.6b.yaml --context 128k --engine vllm --json
  lfm-arch mem model/config.json --context 32k
"""


@click.command(epilog=EPILOG)
@click.argument("spec", type=click.Path(exists=True))
@click.option("--context", default="4k", show_default=True, metavar="TOKENS", help="Prompt and generated tokens, 32k.")
@click.option("--generate", default=256, show_default=True, help="How many of them are generated.")
@click.option("--batch", default=1, show_default=True, help="Sequences side by side.")
@click.option("--weights", default="q4_0", show_default=True, metavar="FORMAT", help="Format of the weights.")
@click.option("--cache", default="f16", show_default=True, metavar="FORMAT", help="Format of the key/value cache.")
@click.option("--engine", default="llama.cpp", show_default=True, help="Runtime: its pages, pieces and own memory.")
@click.option("--memory", metavar="SIZE", help="What the device has, as 8GB: says how long a context fits.")
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change a value of the spec.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in bytes.")
def mem(
    spec: str,
    context: str,
    generate: int,
    batch: int,
    weights: str,
    cache: str,
    engine: str,
    memory: str | None,
    sets: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
) -> None:
    """Count the memory of SPEC, a spec file or a Hugging Face config.json, in a context."""
    from lfm_arch.hardware.formats import weight_format
    from lfm_arch.hardware.memory import longest_context, measure_memory
    from lfm_arch.hardware.runtime import load_engine
    from lfm_arch.hardware.scenario import Scenario
    from lfm_arch.hardware.work import measure_work

    graph = _graph(spec, sets)
    tokens = _tokens(context)
    if tokens <= generate:
        raise click.BadParameter(
            f"{tokens:,} tokens leave no prompt before {generate:,} generated", param_hint="--context"
        )
    known = load_engine(engine)
    scenario = Scenario(tokens - generate, generate, batch, weight_format(weights).name, cache)
    work = measure_work(graph, scenario)
    ends = {
        "prompt": measure_memory(graph, work, replace(scenario, generate=1), known, at=scenario.prompt),
        "end": measure_memory(graph, work, scenario, known),
    }
    limit = None if memory is None else parse_bytes(memory)
    longest = None if limit is None else longest_context(graph, scenario, known, limit)
    if as_json:
        data: dict[str, Any] = {when: {**held.parts(), "total": held.total} for when, held in ends.items()}
        data |= {"spec": graph.name, "context": tokens, "batch": batch, "weights": scenario.weights, "cache": cache}
        data |= {"engine": known.name, "page_tokens": known.cache_page, "longest_context": longest}
        click.echo(json.dumps(data, indent=2))
        return
    out = console()
    out.print(Text.assemble((graph.name, "bold"), f"  {tokens:,} tokens · batch {batch} · {known.title}"))
    out.print(_table(ends, scenario))
    if known.cache_page:
        out.print(Text(f"the cache grows in pages of {known.cache_page} tokens", "dim"))
    if known.base is None:
        out.print(Text("the runtime's own memory is unknown: the totals are at least that", "dim"))
    if limit is not None:
        told = "nothing fits" if not longest else f"up to {longest:,} tokens fit"
        out.print(Text.assemble(("· ", "cyan"), f"{told} in {shown(float(limit), 'B')}"))


def _graph(path: str, sets: tuple[str, ...]) -> Any:
    from lfm_arch.graph.compile import compile_graph

    source = Path(path)
    if source.suffix == ".json" or (source.is_dir() and (source / "config.json").is_file()):
        from lfm_arch.export.configuration import import_config

        if sets:
            raise click.BadParameter("a config.json is read as it is", param_hint="--set")
        return compile_graph(import_config(source).spec)
    from lfm_arch.spec.model import load_spec

    return compile_graph(load_spec(path, sets))


def _tokens(text: str) -> int:
    factors = {"k": 1024, "m": 1024**2}
    plain = text.strip().lower().replace("_", "").replace(",", "")
    factor = factors.get(plain[-1:], 1)
    digits = plain[:-1] if factor > 1 else plain
    if not digits.isdigit() or not int(digits):
        raise click.BadParameter(f"{text!r} is no number of tokens; write it as 32768 or 32k", param_hint="--context")
    return int(digits) * factor


def _table(ends: dict[str, Any], scenario: Any) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("memory", header_style="bold cyan", no_wrap=True)
    table.add_column(f"after {scenario.prompt:,}", justify="right", header_style="dim", no_wrap=True)
    table.add_column(f"after {scenario.context:,}", justify="right", header_style="dim", no_wrap=True)
    table.add_column("", style="cyan", no_wrap=True)
    parts = {when: held.parts() for when, held in ends.items()}
    for name, words in _PARTS.items():
        value = parts["end"][name]
        bar = "▇" * round(20 * (value or 0.0) / ends["end"].total)
        table.add_row(words, shown(parts["prompt"][name], "B"), shown(value, "B"), bar)
    totals = [shown(held.total, "B") for held in ends.values()]
    table.add_row(Text("in total", "bold"), Text(totals[0], "bold"), Text(totals[1], "bold"), "")
    return Padding(table, (1, 0, 0, 0), expand=False)
