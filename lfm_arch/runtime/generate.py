"""Generate tokens: one prefill, then one position at a time. Axes: B batch, T prompt positions, V vocabulary."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.lower.initial import derive
from lfm_arch.lower.model import Model
from lfm_arch.runtime.state import new_state

Prompt = Sequence[int] | Sequence[Sequence[int]] | Tensor
"""Token ids of one sequence, or of several, which may differ in length."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen from the scores."""

    temperature: float = 0.0
    """Divides the scores; 0 takes the best token, always."""
    top_k: int | None = None
    """Keep this many of the best tokens."""
    top_p: float | None = None
    """Keep the best tokens that together have this probability."""
    seed: int = 0
    """Row i of a batch draws from a stream of its own, made of the seed and i."""


def generate(
    model: Model,
    ids: Prompt,
    *,
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop_ids: Iterable[int] = (),
    **inputs: Tensor,
) -> list[list[int]]:
    """Return the new tokens of every sequence, without the stop token that ended it.

    Args:
        model: a causal language model.
        ids: the prompts.
        max_new_tokens: at most so many for each.
        sampling: how to choose; the best token by default.
        stop_ids: tokens that end a sequence.
        inputs: other inputs of the model, as `image`; given to the first pass.
    """
    stops = frozenset(stop_ids)
    made: list[list[int]] = [[] for _ in _rows(ids)]
    ended: set[int] = set()
    for tokens in stream(model, ids, max_new_tokens=max_new_tokens, sampling=sampling, stop_ids=stops, **inputs):
        for row, token in enumerate(tokens):
            if token in stops:
                ended.add(row)
            if row not in ended:
                made[row].append(token)
    return made


@torch.inference_mode()
def stream(
    model: Model,
    ids: Prompt,
    *,
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop_ids: Iterable[int] = (),
    **inputs: Tensor,
) -> Iterator[list[int]]:
    """Yield one token of every sequence at a time, until all have ended.

    Args:
        model: as for `generate`.
        ids: as for `generate`.
        max_new_tokens: as for `generate`.
        sampling: as for `generate`.
        stop_ids: as for `generate`; a sequence that has ended repeats its stop token.
        inputs: as for `generate`.

    Raises:
        BuildError: E820, the model has no language model head or a layer sees the future; E821, a prompt is empty or
            has an id outside the
            vocabulary, or prompts behind a picture differ in length.
    """
    sampling, stops = sampling or Sampling(), frozenset(stop_ids)
    _refuse_unless_language_model(model)
    device = next(model.parameters()).device
    ids_BT, mask_BT = left_padded(_checked(model, _rows(ids)), device)
    B, T = ids_BT.shape
    before, behind = _positions_around_text(model, inputs)
    prompt = before + T + behind
    mask_BS = None
    if mask_BT is not None:
        _refuse_padding_behind(before)
        mask_BS = torch.ones(B, prompt + max_new_tokens, dtype=torch.bool, device=device)
        mask_BS[:, :T] = mask_BT
    state = new_state(model, batch=B, capacity=prompt + max_new_tokens)
    generators = [torch.Generator().manual_seed(derive(sampling.seed, "row", row)) for row in range(B)]
    ended: dict[int, int] = {}
    for made in range(max_new_tokens):
        output = model(
            **{model.facts.text_input: ids_BT},
            **(inputs if made == 0 else {}),
            mask=None if mask_BS is None else mask_BS[:, : prompt + made],
            state=state,
            keep=1,
        )
        scores_BV = (output[model.facts.text_output] if isinstance(output, dict) else output)[:, -1]
        tokens = choose(scores_BV, sampling, generators)
        tokens = [ended.get(row, token) for row, token in enumerate(tokens)]
        yield tokens
        ended.update((row, token) for row, token in enumerate(tokens) if token in stops)
        if len(ended) == B:
            return
        ids_BT = torch.tensor(tokens, device=device)[:, None]


def choose(scores_BV: Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> list[int]:
    """Choose a token for every row of scores."""
    if sampling.temperature == 0:
        return scores_BV.argmax(-1).tolist()
    # on the CPU in float32, so that a seed means the same tokens whatever the device and number format
    scaled_BV = scores_BV.float().cpu() / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < scaled_BV.shape[-1]:
        least_B1 = scaled_BV.topk(sampling.top_k).values[:, -1:]
        scaled_BV = scaled_BV.masked_fill(scaled_BV < least_B1, -torch.inf)
    chances_BV = scaled_BV.softmax(-1)
    if sampling.top_p is not None:
        sorted_BV, order_BV = chances_BV.sort(descending=True)
        # the token that crosses the line stays
        beyond_BV = sorted_BV.cumsum(-1) - sorted_BV >= sampling.top_p
        chances_BV = chances_BV.masked_fill(beyond_BV.gather(-1, order_BV.argsort(-1)), 0.0)
    return [
        int(torch.multinomial(row_V, 1, generator=generator))
        for row_V, generator in zip(chances_BV, generators, strict=True)
    ]


def left_padded(rows: Sequence[Sequence[int]], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor | None]:
    """Return ids that end in the same column, and the mask of real tokens; no mask when nothing is padded."""
    longest = max(map(len, rows))
    ids_BT = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=device)
    if all(len(row) == longest for row in rows):
        return ids_BT, None
    mask = [[False] * (longest - len(row)) + [True] * len(row) for row in rows]
    return ids_BT, torch.tensor(mask, device=device)


def _rows(ids: Prompt) -> list[list[int]]:
    plain = ids.tolist() if isinstance(ids, Tensor) else ids
    single = [each for each in plain if isinstance(each, int)]
    if single or not len(plain):
        return [single]
    return [list(each) for each in plain if not isinstance(each, int)]


def _positions_around_text(model: Model, inputs: Mapping[str, Tensor]) -> tuple[int, int]:
    """Count the positions that other streams put before and behind the text of a prompt.

    Their featurizers run on the meta device for it: shapes without work.
    """
    counts = [0, 0]
    streams = model.facts.prefix
    for name in inputs.keys() & set(streams):
        featurizer = deepcopy(model.get_submodule(name)).to("meta")
        behind = streams.index(name) > streams.index(model.facts.text_input)
        counts[behind] += featurizer(inputs[name].to("meta")).shape[1]
    return counts[0], counts[1]


def _refuse_padding_behind(positions: int) -> None:
    if positions:
        raise BuildError(
            Diagnostic(
                "E821",
                "prompts of different lengths behind another stream",
                because="shorter ones would be padded in the middle, which a convolution notices",
                help="give prompts of one length, or one at a time",
            )
        )


def _refuse_unless_language_model(model: Model) -> None:
    facts = model.facts
    if not facts.text_input or not facts.text_output:
        raise BuildError(
            Diagnostic(
                "E820",
                f"{facts.name!r} cannot generate: it has no language model head over a text input",
                because="generating feeds the scored tokens back in",
                help="give the spec a token_embedding and an lm_head of the same vocabulary",
            )
        )
    if not facts.causal:
        raise BuildError(
            Diagnostic(
                "E820",
                f"{facts.name!r} cannot generate: one of its layers sees later tokens",
                because="what has been computed would change with every new token",
                help="use causal operators",
            )
        )


def _checked(model: Model, rows: list[list[int]]) -> list[list[int]]:
    vocab_size = model.facts.vocab_size
    wrong = [token for row in rows for token in row if not 0 <= token < (vocab_size or token + 1)]
    if wrong or not all(rows):
        raise BuildError(
            Diagnostic(
                "E821",
                f"token {wrong[0]} is outside the vocabulary" if wrong else "a prompt without tokens",
                because=f"ids run from 0 to {(vocab_size or 0) - 1}, and the first new token needs one before it",
                help="check the tokenizer",
            )
        )
    return rows
