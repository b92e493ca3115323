"""The attention core: every query mixes the values of the keys it sees.

    y_t = sum over visible s of  softmax_s(scale q_t . k_s)  v_s

`num_heads / num_kv_heads` neighbouring query heads share one key/value head.

Axes: B batch, T new tokens, S seen positions (the last one is the last new token), N heads, G key/value heads,
H head_dim.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lfm_arch.parts.context import Context
from lfm_arch.parts.reference import using_reference

_SMALLEST_BLOCK = 64


def attend(
    q_BNTH: Tensor,
    k_BGSH: Tensor,
    v_BGSH: Tensor,
    context: Context,
    *,
    scale: float,
    window_size: int | None = None,
    causal: bool = True,
) -> Tensor:
    """Return the mixed values, `[B, N, T, H]`.

    Args:
        q_BNTH: queries of the new tokens.
        k_BGSH: keys of the last S positions; for a single token in any order, if there is no padding.
        v_BGSH: their values.
        context: says which positions are padding.
        scale: factor on the scores.
        window_size: positions a token sees at most, itself included.
        causal: whether later positions are hidden.
    """
    T, S = q_BNTH.shape[2], k_BGSH.shape[2]
    if using_reference():
        return _plain(q_BNTH, k_BGSH, v_BGSH, visible(S, context, window_size, causal=causal), scale)
    if T == 1:
        return _one_token(q_BNTH, k_BGSH, v_BGSH, context, scale)
    if context.mask_BS is None and not causal:
        return _fused(q_BNTH, k_BGSH, v_BGSH, None, scale)
    within = window_size is None
    # a compiled graph serves any number of tokens: it asks no question about it, and has no loop over it
    if window_size is not None and not torch.compiler.is_compiling():
        if window_size < T:
            return _by_blocks(q_BNTH, k_BGSH, v_BGSH, context, window_size, scale)
        within = window_size >= S
    if context.mask_BS is None and within and T == S:
        return _fused(q_BNTH, k_BGSH, v_BGSH, None, scale, is_causal=True)
    return _fused(q_BNTH, k_BGSH, v_BGSH, visible(S, context, window_size, causal=causal), scale)


def visible(seen: int, context: Context, window_size: int | None, *, causal: bool) -> Tensor:
    """Say which of the last `seen` positions each new token sees, `[B or 1, 1, T, S]`.

    Made once a pass, over all positions; layers that see fewer take the last columns. Padding is seen by nobody but
    itself: a softmax over nothing would be no number.
    """
    all_B1TS = context.once(
        ("visible", window_size, causal),
        lambda: _visible(context, context.positions_BT.shape[1], slice(None), window_size, causal=causal),
    )
    return all_B1TS[..., -seen:]


def _visible(context: Context, tokens: int, keys: slice, window_size: int | None, *, causal: bool) -> Tensor:
    """Say who sees whom if the last of `keys` is the last of `tokens`."""
    s = torch.arange(context.past + context.positions_BT.shape[1], device=context.positions_BT.device)[keys]
    t = s[-tokens:, None]
    seen_TS = s <= t if causal else torch.ones_like(s <= t)
    if window_size is not None:
        seen_TS = seen_TS & (s > t - window_size)
    seen_B1TS = seen_TS[None, None]
    if context.mask_BS is not None:
        seen_B1TS = (seen_B1TS & context.mask_BS[:, None, None, keys].bool()) | (s == t)
    return seen_B1TS


def _plain(q_BNTH: Tensor, k_BGSH: Tensor, v_BGSH: Tensor, seen_B1TS: Tensor, scale: float) -> Tensor:
    repeats = q_BNTH.shape[1] // k_BGSH.shape[1]
    k_BNSH, v_BNSH = (each.repeat_interleave(repeats, dim=1) for each in (k_BGSH, v_BGSH))
    scores_BNTS = (q_BNTH @ k_BNSH.transpose(-1, -2)).float() * scale
    weights_BNTS = scores_BNTS.masked_fill(~seen_B1TS, -torch.inf).softmax(dim=-1)
    return weights_BNTS.to(v_BNSH.dtype) @ v_BNSH


def _fused(
    q_BNTH: Tensor, k_BGSH: Tensor, v_BGSH: Tensor, seen_B1TS: Tensor | None, scale: float, *, is_causal: bool = False
) -> Tensor:
    grouped = q_BNTH.shape[1] != k_BGSH.shape[1]
    return F.scaled_dot_product_attention(
        q_BNTH, k_BGSH, v_BGSH, attn_mask=seen_B1TS, is_causal=is_causal, scale=scale, enable_gqa=grouped
    )


def _one_token(q_BNTH: Tensor, k_BGSH: Tensor, v_BGSH: Tensor, context: Context, scale: float) -> Tensor:
    """Let the query heads of a group stand where tokens do, so that keys and values are read once a group."""
    B, N, _, H = q_BNTH.shape
    S = k_BGSH.shape[2]
    seen = None if context.mask_BS is None else visible(S, context, None, causal=True)
    y_BGRH = _fused(q_BNTH.reshape(B, k_BGSH.shape[1], -1, H), k_BGSH, v_BGSH, seen, scale)
    return y_BGRH.reshape(B, N, 1, H)


def _by_blocks(
    q_BNTH: Tensor, k_BGSH: Tensor, v_BGSH: Tensor, context: Context, window_size: int, scale: float
) -> Tensor:
    """Attend block by block, each only to the positions that some token of it sees: linear in T, not quadratic."""
    T, S = q_BNTH.shape[2], k_BGSH.shape[2]
    block = max(_SMALLEST_BLOCK, window_size // 2)
    mixed = []
    for start in range(0, T, block):
        stop = min(start + block, T)
        keys = slice(max(0, S - T + start - window_size + 1), S - T + stop)
        seen = _block_visible(stop - start, keys, S, context, window_size)
        mixed.append(_fused(q_BNTH[:, :, start:stop], k_BGSH[:, :, keys], v_BGSH[:, :, keys], seen, scale))
    return torch.cat(mixed, dim=2)


def _block_visible(tokens: int, keys: slice, seen: int, context: Context, window_size: int) -> Tensor:
    """Count `keys` from the first of `seen` positions; without padding all blocks of one shape see alike."""
    first = context.past + context.positions_BT.shape[1] - seen
    keys = slice(first + keys.start, first + keys.stop)
    place = keys.stop if context.mask_BS is not None else None
    key = ("visible", tokens, keys.stop - keys.start, window_size, "block", place)
    return context.once(key, lambda: _visible(context, tokens, keys, window_size, causal=True))
