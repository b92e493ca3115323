"""What the printed `forward` of a lowered model calls between its modules.

Axes: B batch, T new tokens, S past and new tokens, D width, N vectors of another stream.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.parts.context import Context, ModelState, State


def given(module: nn.Module, *raw: Any, **ports: Any) -> Any:
    """Featurize an input that may be left out: None stays None."""
    if any(value is None for value in raw) or any(ports[port] is None for port in ports if port != "mask_BT"):
        return None
    return module(*raw, **ports)


def part_of_mask(mask_BS: Tensor | None, state: ModelState | None, before: tuple[Any, ...], stream_BTD: Any) -> Any:
    """Cut the columns of one stream out of the mask: the new positions behind the streams `before` it."""
    if mask_BS is None or stream_BTD is None:
        return None
    start = (0 if state is None else state.length) + sum(each.shape[1] for each in before if each is not None)
    return mask_BS[:, start : start + stream_BTD.shape[1]].bool()


def prefix(*streams: Tensor | None) -> Tensor | None:
    """Concatenate the streams that were given along T."""
    present = [stream for stream in streams if stream is not None]
    return torch.cat(present, dim=1) if len(present) > 1 else present[0] if present else None


def interleave(
    text_BTD: Tensor | None, ids_BT: Tensor | None, placeholders: Mapping[str, int], **others: Tensor | None
) -> Tensor | None:
    """Put each stream's vectors where the text has that stream's placeholder token, in order."""
    if text_BTD is None or ids_BT is None:
        return None
    for name, vectors_BND in others.items():
        if vectors_BND is None:
            continue
        here_BT = ids_BT == placeholders[name]
        if not torch.compiler.is_compiling():
            counts = here_BT.sum(-1).tolist()
            if any(count != vectors_BND.shape[1] for count in counts):
                raise BuildError(
                    Diagnostic(
                        "E804",
                        f"{name!r} gives {vectors_BND.shape[1]} vectors a sequence, the text has {counts} places",
                        because=f"every token {placeholders[name]} is replaced by one vector of {name!r}",
                        help=f"repeat token {placeholders[name]} once for each vector",
                    )
                )
        text_BTD = text_BTD.masked_scatter(here_BT[..., None], vectors_BND.to(text_BTD.dtype))
    return text_BTD


def hold(feature: Any, name: str, state: ModelState | None) -> Any:
    """Keep a feature vector of the first pass over a state: what conditions a prompt conditions all that follows it.

    Raises:
        BuildError: E801, nothing was given now or before.
    """
    if state is not None:
        kept = state.slots.setdefault(name, {})
        if "feature" in kept:
            return kept["feature"]
        if feature is not None:
            kept["feature"] = feature
    if feature is None:
        raise _nothing_given(f"nothing was given for {name!r}, which operators are conditioned on")
    return feature


def begin(
    stream_BTD: Tensor | None,
    mask_BS: Tensor | None,
    state: ModelState | None,
    observed: dict[str, list[Tensor]] | None,
) -> Context:
    """Start a pass over the positions of `stream_BTD`, behind those that `state` holds.

    Raises:
        BuildError: E801, there is no stream; E802, the mask does not cover it; E803, the state has no room.
    """
    if stream_BTD is None:
        raise _nothing_given("no input was given that makes a stream")
    tokens, past = stream_BTD.shape[1], 0 if state is None else state.length
    if state is not None and past + tokens > state.capacity:
        raise BuildError(
            Diagnostic(
                "E803",
                f"{past} positions and {tokens} new ones do not fit a state of capacity {state.capacity}",
                because="the cache is allocated once",
                help=f"make the state with capacity={past + tokens} or more",
            )
        )
    if mask_BS is not None:
        if mask_BS.shape[-1] != past + tokens:
            raise BuildError(
                Diagnostic(
                    "E802",
                    f"the mask has {mask_BS.shape[-1]} columns for {past} earlier and {tokens} new positions",
                    because="a mask covers every position that the pass can see",
                    help=f"give it {past + tokens} columns",
                )
            )
        mask_BS = mask_BS.bool()
    context = Context.begin(tokens, past=past, mask_BS=mask_BS, device=stream_BTD.device)
    context.observed = observed
    return context


def slots_of(state: ModelState | None) -> Mapping[str, State]:
    """Return every layer's slots; nothing without a state, so that every layer finds None."""
    return {} if state is None else state.slots


def last(x_BTD: Tensor, keep: int | None) -> Tensor:
    """Cut the stream to its last `keep` positions; all of it for None."""
    return x_BTD if keep is None else x_BTD[:, max(0, x_BTD.shape[1] - keep) :]


def finish(output: Any, context: Context, state: ModelState | None) -> Any:
    """Count the pass's positions into the state and hand the output on."""
    if state is not None:
        state.length += context.positions_BT.shape[1]
    return output


def _nothing_given(message: str) -> BuildError:
    return BuildError(
        Diagnostic(
            "E801",
            message,
            because="a pass needs a stream, and the features that its operators read",
            help="pass the inputs by name: the placeholders of `print(model.code)`",
        )
    )
