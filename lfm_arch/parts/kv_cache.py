"""Keys or values of earlier tokens, kept in a slot that grows with the context or holds a window of it.

A slot holds position p at index p as long as there is room, and at p modulo its length once a window has filled it.

Axes: B batch, G key/value heads, T new tokens, S positions, H head_dim.
"""

import torch
from torch import Tensor


def extend(slot_BGSH: Tensor, new_BGTH: Tensor, past: int) -> Tensor:
    """Write new positions behind the `past` ones and return all of them, in order, without a copy."""
    end = past + new_BGTH.shape[2]
    assert end <= slot_BGSH.shape[2], f"the slot has room for {slot_BGSH.shape[2]} positions, {end} are needed"
    slot_BGSH[:, :, past:end] = new_BGTH
    return slot_BGSH[:, :, :end]


def slide(slot_BGSH: Tensor, new_BGTH: Tensor, past: int, *, ordered: bool) -> Tensor:
    """Write new positions over the oldest of a window; return what it held before, then the new ones.

    Args:
        slot_BGSH: the window without the token itself, or all of the context if that is shorter.
        new_BGTH: the new positions.
        past: positions seen before them.
        ordered: whether the old positions must come in order. One token that sees all of them does not care, and
            saves a copy.
    """
    size, tokens = slot_BGSH.shape[2], new_BGTH.shape[2]
    if past + tokens <= size:
        return extend(slot_BGSH, new_BGTH, past)
    old_BGSH = slot_BGSH[:, :, : min(past, size)]
    if ordered and past > size:
        old_BGSH = old_BGSH.roll(-(past % size), dims=2)
    seen_BGSH = torch.cat([old_BGSH, new_BGTH], dim=2) if past else new_BGTH
    if tokens == 1:
        slot_BGSH[:, :, past % size] = new_BGTH[:, :, 0]
    elif tokens < size:
        slot_BGSH.index_copy_(2, (past + torch.arange(tokens, device=new_BGTH.device)) % size, new_BGTH)
    else:
        slot_BGSH.copy_(new_BGTH[:, :, tokens - size :].roll((past + tokens) % size, dims=2))
    return seen_BGSH
