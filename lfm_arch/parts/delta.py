"""The gated delta rule: a memory that first looks up what a key is bound to, and then writes only the difference.

    S'  = a_t S_(t-1)                               what is left of the memory
    S_t = S' + k_t beta_t (v_t - S'^T k_t)^T        the memory, one matrix a head
    y_t = S_t^T q_t                                 what a query reads

The decay `a_t` lies in (0, 1] and is given as a logarithm. `delta_heads`: one for the whole head, and heads may share
queries and keys. `delta_rows`: one for every row of the memory. Keys have length 1 (`unit`) and `beta` lies in [0, 2],
so that the memory cannot grow by being rewritten. The plain form goes token by token. The fast form solves a triangular
system for all the differences w of a chunk at once, each of which sees those before it:

    (1 + diag(beta) L) W = diag(beta) (V - (exp(g) K) S)        L_ij = k_i . exp(g_i - g_j) k_j for j < i
    Y = (exp(g) Q) S + P W                                      P_ij = q_i . exp(g_i - g_j) k_j for j <= i
    S after the chunk = exp(g_C) S + (exp(g_C - g) K)^T W       g_i the sum of log a over the chunk up to i

Source: Yang et al., arXiv:2406.06484 and arXiv:2412.06464; Kimi Team, arXiv:2510.26692. All of it is float32.
Axes: B batch, T tokens, N heads, G groups of heads, K rows of the memory, H its columns, M chunks, C tokens of a chunk,
P pieces of a chunk, X any.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lfm_arch.parts.carry_delta import carry_delta
from lfm_arch.parts.chunk import cut, joined
from lfm_arch.parts.reference import using_reference

CHUNK, PIECE = 64, 16
SLOWEST_LOG = -10.0
"""Where the logarithm of a row's own decay is cut off: over half a piece, exp() of the sum is a float32. A row that
keeps less than 1/20000 of itself is forgotten with or without the cut."""


def unit(x: Tensor, eps: float = 1e-6) -> Tensor:
    """Return vectors of length 1 along the last axis, in float32; `eps` is added to the squared length."""
    x = x.float()
    return x * (x.square().sum(-1, keepdim=True) + eps).rsqrt()


def delta_rows(
    q_BTNK: Tensor,
    k_BTNK: Tensor,
    v_BTNH: Tensor,
    log_decay_BTNK: Tensor,
    beta_BTN: Tensor,
    memory_BNKH: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run the rule with a decay for every row of the memory.

    Args:
        q_BTNK: queries.
        k_BTNK: keys, of length 1.
        v_BTNH: values.
        log_decay_BTNK: at most 0.
        beta_BTN: how much of the difference is written; zero where nothing is to be written.
        memory_BNKH: what is remembered from before, float32; None for nothing.

    Returns:
        What the queries read, `[B, T, N, H]` in the format of `v_BTNH`, and the memory after the last token, float32.
    """
    q, k, v, log_decay, beta = (each.float() for each in (q_BTNK, k_BTNK, v_BTNH, log_decay_BTNK, beta_BTN))
    log_decay = log_decay.clamp(min=SLOWEST_LOG)
    memory = _empty(k, v) if memory_BNKH is None else memory_BNKH
    if using_reference() or q.shape[1] == 1:
        y_BTNH, after_BNKH = _token_by_token(q, k, v, log_decay, beta, memory)
        return y_BTNH.to(v_BTNH.dtype), after_BNKH
    q, k, v, log_decay, beta = _all_cut(q, k, v, log_decay, beta[..., None])
    g_BNMCK = log_decay.cumsum(dim=3)
    seen_BNMCC, known_BNMCC = _decayed_products(torch.stack([q, k]), k, g_BNMCK)
    y_BTNH, after_BNKH = _by_chunks(q, k, v, g_BNMCK, beta, seen_BNMCC, known_BNMCC, memory, v_BTNH.shape[1])
    return y_BTNH.to(v_BTNH.dtype), after_BNKH


def delta_heads(
    q_BTGK: Tensor,
    k_BTGK: Tensor,
    v_BTNH: Tensor,
    log_decay_BTN: Tensor,
    beta_BTN: Tensor,
    memory_BNKH: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run the rule with one decay for each head; neighbouring heads share the queries and keys of their group.

    Arguments and results as in `delta_rows`.
    """
    q, k, v, log_decay, beta = (each.float() for each in (q_BTGK, k_BTGK, v_BTNH, log_decay_BTN, beta_BTN))
    heads = v.shape[2] // q.shape[2]
    if using_reference() or q.shape[1] == 1:
        q, k = (each.repeat_interleave(heads, dim=2) for each in (q, k))
        memory = _empty(k, v) if memory_BNKH is None else memory_BNKH
        y_BTNH, after_BNKH = _token_by_token(q, k, v, log_decay[..., None], beta, memory)
        return y_BTNH.to(v_BTNH.dtype), after_BNKH
    q, k, v, log_decay, beta = _all_cut(q, k, v, log_decay[..., None], beta[..., None])
    keys_BGMKC = k.transpose(-1, -2)
    seen, known = ((each @ keys_BGMKC).repeat_interleave(heads, dim=1) for each in (q, k))
    q, k = (each.repeat_interleave(heads, dim=1) for each in (q, k))
    g_BNMC1 = log_decay.cumsum(dim=3)
    # between a query and a later key there would be growth: cut off, and taken out with the products
    decay_BNMCC = (g_BNMC1 - g_BNMC1.transpose(-1, -2)).clamp(max=0.0).exp()
    seen_BNMCC, known_BNMCC = ((each * decay_BNMCC).tril() for each in (seen, known))
    memory = v.new_zeros(*v.shape[:2], k.shape[-1], v.shape[-1]) if memory_BNKH is None else memory_BNKH
    y_BTNH, after_BNKH = _by_chunks(q, k, v, g_BNMC1, beta, seen_BNMCC, known_BNMCC, memory, v_BTNH.shape[1])
    return y_BTNH.to(v_BTNH.dtype), after_BNKH


def _empty(k_BTNK: Tensor, v_BTNH: Tensor) -> Tensor:
    return v_BTNH.new_zeros(v_BTNH.shape[0], v_BTNH.shape[2], k_BTNK.shape[-1], v_BTNH.shape[-1])


def _token_by_token(
    q_BTNK: Tensor, k_BTNK: Tensor, v_BTNH: Tensor, log_decay_BTNK: Tensor, beta_BTN: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    decay_BTNK = log_decay_BTNK.exp()
    read = []
    for t in range(q_BTNK.shape[1]):
        left_BNKH = decay_BTNK[:, t, :, :, None] * memory_BNKH
        known_BN1H = k_BTNK[:, t, :, None, :] @ left_BNKH
        new_BN1H = beta_BTN[:, t, :, None, None] * (v_BTNH[:, t, :, None, :] - known_BN1H)
        memory_BNKH = left_BNKH + k_BTNK[:, t, :, :, None] @ new_BN1H
        read.append(q_BTNK[:, t, :, None, :] @ memory_BNKH)
    return torch.cat(read, dim=2).transpose(1, 2), memory_BNKH


def _all_cut(*given: Tensor) -> tuple[Tensor, ...]:
    return tuple(cut(each.transpose(1, 2), CHUNK) for each in given)


def _by_chunks(
    q_BNMCK: Tensor,
    k_BNMCK: Tensor,
    v_BNMCH: Tensor,
    g_BNMCK: Tensor,
    beta_BNMC1: Tensor,
    seen_BNMCC: Tensor,
    known_BNMCC: Tensor,
    memory_BNKH: Tensor,
    tokens: int,
) -> tuple[Tensor, Tensor]:
    """Run all chunks; `seen` are the products P, `known` those of keys with keys, whose diagonal is not looked at."""
    H = v_BNMCH.shape[-1]
    kept_BNMCK = g_BNMCK.exp()
    asked_BNMCX = beta_BNMC1 * torch.cat([v_BNMCH, kept_BNMCK * k_BNMCK], dim=-1)
    solved_BNMCX = torch.linalg.solve_triangular(beta_BNMC1 * known_BNMCC, asked_BNMCX, upper=False, unitriangular=True)
    new_BNMCH, old_BNMCK = solved_BNMCX[..., :H], solved_BNMCX[..., H:]
    total_BNM1K = g_BNMCK[:, :, :, -1:]
    before_BNMKH, after_BNKH, written_BNMCH = carry_delta(
        total_BNM1K.exp().transpose(-1, -2),
        k_BNMCK * (total_BNM1K - g_BNMCK).exp(),
        new_BNMCH,
        old_BNMCK,
        memory_BNKH,
    )
    y_BNMCH = (q_BNMCK * kept_BNMCK) @ before_BNMKH + seen_BNMCC @ written_BNMCH
    return joined(y_BNMCH, tokens).transpose(1, 2), after_BNKH


def _decayed_products(x_BNMCK: Tensor, k_BNMCK: Tensor, g_BNMCK: Tensor) -> Tensor:
    """Return `x_i . exp(g_i - g_j) k_j` for j <= i, zero elsewhere; `x` may have axes before the others.

    Every factor is an exp() of a sum over few tokens. A piece of the chunk meets itself measured from its own middle,
    where neither factor leaves float32, and meets what is before it measured from its start, where neither exceeds 1.
    """
    C = g_BNMCK.shape[-2]
    pieces = C // PIECE
    x, k, g = (each.unflatten(-2, (pieces, PIECE)) for each in (x_BNMCK, k_BNMCK, g_BNMCK))
    from_middle_BNMPCK = g - g[..., PIECE // 2 - 1 : PIECE // 2, :]
    own = ((x * from_middle_BNMPCK.exp()) @ (k * (-from_middle_BNMPCK).exp()).transpose(-1, -2)).tril()
    rows = []
    for piece in range(pieces):
        start = piece * PIECE
        parts = [own[..., piece, :, :]]
        if piece:
            before_BNM1K = g_BNMCK[..., start - 1 : start, :]
            x_since = x[..., piece, :, :] * (g[..., piece, :, :] - before_BNM1K).exp()
            k_until = k_BNMCK[..., :start, :] * (before_BNM1K - g_BNMCK[..., :start, :]).exp()
            parts.insert(0, x_since @ k_until.transpose(-1, -2))
        rows.append(F.pad(torch.cat(parts, dim=-1), (0, C - start - PIECE)))
    return torch.cat(rows, dim=-2)
