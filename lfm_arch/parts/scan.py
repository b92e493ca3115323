"""Linear recurrence over tokens with a matrix as its memory: what linear attention and state space layers share.

    S_t = a_t S_(t-1) + k_t v_t^T          the memory, one matrix a head
    y_t = S_t^T q_t                        what a query reads

The decay `a_t` lies in (0, 1] and is given as a logarithm. `scan_rows`: one for every row of the memory. `scan_heads`:
one for the whole head, and heads may share queries and keys. The plain form goes token by token. The fast forms cut the
tokens into chunks: inside a chunk every query meets every key at once, as in attention, and only the memory between
chunks is carried one after the other.

    y_i = sum over j <= i in the chunk of  (q_i . exp(g_i - g_j) k_j) v_j  +  (exp(g_i) q_i) . S before the chunk
    S after the chunk = exp(g_C) S before + sum over j of  (exp(g_C - g_j) k_j) v_j^T
    with g_i the sum of log a over the chunk up to i

Source: Yang et al., arXiv:2312.06635; Dao and Gu, arXiv:2405.21060. All of it is float32.
Axes: B batch, T tokens, N heads, G groups of heads, R heads of a group, K rows of the memory, H its columns, M chunks,
C tokens of a chunk, X any.
"""

import torch
from torch import Tensor

from lfm_arch.parts.carry import carry
from lfm_arch.parts.chunk import cut, exporting, joined
from lfm_arch.parts.reference import using_reference

CHUNK = 32
SLOWEST_LOG = -5.0
"""Where the logarithm of a row's own decay is cut off: over half a chunk, exp() of the sum is a float32. A row that
keeps less than 1 % of itself is forgotten with or without the cut."""


def scan_rows(
    q_BTNK: Tensor, k_BTNK: Tensor, v_BTNH: Tensor, log_decay_BTNK: Tensor, memory_BNKH: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the recurrence with a decay for every row of the memory.

    Args:
        q_BTNK: queries.
        k_BTNK: keys; zero where nothing is to be written.
        v_BTNH: values.
        log_decay_BTNK: at most 0.
        memory_BNKH: what is remembered from before, float32; None for nothing.

    Returns:
        What the queries read, `[B, T, N, H]` in the format of `v_BTNH`, and the memory after the last token, float32.
    """
    q, k, v, log_decay = (each.float() for each in (q_BTNK, k_BTNK, v_BTNH, log_decay_BTNK))
    log_decay = log_decay.clamp(min=SLOWEST_LOG)
    if memory_BNKH is None:
        memory_BNKH = _empty(k, v)
    if using_reference() or q.shape[1] == 1:
        y_BTNH, after_BNKH = _token_by_token(q, k, v, log_decay, memory_BNKH)
    else:
        y_BTNH, after_BNKH = _rows_by_chunks(q, k, v, log_decay, memory_BNKH)
    return y_BTNH.to(v_BTNH.dtype), after_BNKH


def scan_heads(
    q_BTGK: Tensor, k_BTGK: Tensor, v_BTNH: Tensor, log_decay_BTN: Tensor, memory_BNKH: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the recurrence with one decay for each head; neighbouring heads share the queries and keys of their group.

    Arguments and results as in `scan_rows`.
    """
    q, k, v, log_decay = (each.float() for each in (q_BTGK, k_BTGK, v_BTNH, log_decay_BTN))
    heads = v.shape[2] // q.shape[2]
    if using_reference() or q.shape[1] == 1:
        q, k = (each.repeat_interleave(heads, dim=2) for each in (q, k))
        memory = _empty(k, v) if memory_BNKH is None else memory_BNKH
        y_BTNH, after_BNKH = _token_by_token(q, k, v, log_decay[..., None], memory)
    else:
        if exporting():
            # torch cannot prove for an open number of tokens that heads of several groups stand apart
            q, k = (each.repeat_interleave(heads, dim=2) for each in (q, k))
        memory = _empty(k, v) if memory_BNKH is None else memory_BNKH
        y_BTNH, after_BNKH = _heads_by_chunks(q, k, v, log_decay, memory)
    return y_BTNH.to(v_BTNH.dtype), after_BNKH


def _empty(k_BTNK: Tensor, v_BTNH: Tensor) -> Tensor:
    return v_BTNH.new_zeros(v_BTNH.shape[0], v_BTNH.shape[2], k_BTNK.shape[-1], v_BTNH.shape[-1])


def _token_by_token(
    q_BTNK: Tensor, k_BTNK: Tensor, v_BTNH: Tensor, log_decay_BTNK: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    decay_BTNK = log_decay_BTNK.exp()
    read = []
    for t in range(q_BTNK.shape[1]):
        written_BNKH = k_BTNK[:, t, :, :, None] @ v_BTNH[:, t, :, None, :]
        memory_BNKH = torch.addcmul(written_BNKH, decay_BTNK[:, t, :, :, None], memory_BNKH)
        read.append(q_BTNK[:, t, :, None, :] @ memory_BNKH)
    return torch.cat(read, dim=2).transpose(1, 2), memory_BNKH


def _rows_by_chunks(
    q_BTNK: Tensor, k_BTNK: Tensor, v_BTNH: Tensor, log_decay_BTNK: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    q, k, v, log_decay = (cut(each.transpose(1, 2), CHUNK) for each in (q_BTNK, k_BTNK, v_BTNH, log_decay_BTNK))
    g_BNMCK = log_decay.cumsum(dim=3)
    total_BNM1K = g_BNMCK[:, :, :, -1:]
    written_BNMKH = (k * (total_BNM1K - g_BNMCK).exp()).transpose(-1, -2) @ v
    before_BNMKH, after_BNKH = carry(total_BNM1K.exp().transpose(-1, -2), written_BNMKH, memory_BNKH)
    # measured from the middle of the chunk, neither factor leaves the range of float32
    from_middle_BNMCK = g_BNMCK - g_BNMCK[:, :, :, CHUNK // 2 - 1 : CHUNK // 2]
    scores_BNMCC = (q * from_middle_BNMCK.exp()) @ (k * (-from_middle_BNMCK).exp()).transpose(-1, -2)
    y_BNMCH = scores_BNMCC.tril() @ v + (q * g_BNMCK.exp()) @ before_BNMKH
    return joined(y_BNMCH, q_BTNK.shape[1]).transpose(1, 2), after_BNKH


def _heads_by_chunks(
    q_BTGK: Tensor, k_BTGK: Tensor, v_BTNH: Tensor, log_decay_BTN: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    """Let the heads of a group stand side by side, where the columns of its memory are: fewer and larger products."""
    tokens, G, (N, H) = q_BTGK.shape[1], q_BTGK.shape[2], v_BTNH.shape[2:]
    q, k, v, g = (cut(each.transpose(1, 2), CHUNK) for each in (q_BTGK, k_BTGK, v_BTNH, log_decay_BTN[..., None]))
    g_BNMC1 = g.cumsum(dim=3)
    total_BNM11 = g_BNMC1[:, :, :, -1:]

    late_BGMCX = _side_by_side(v * (total_BNM11 - g_BNMC1).exp(), G)
    kept_BGM1X = _side_by_side(total_BNM11.exp().expand(-1, -1, -1, -1, H), G)
    memory_BGKX = _side_by_side(memory_BNKH[:, :, None], G).squeeze(2)
    before_BGMKX, after_BGKX = carry(kept_BGM1X, k.transpose(-1, -2) @ late_BGMCX, memory_BGKX)
    read_BNMCH = _apart(q @ before_BGMKX, N) * g_BNMC1.exp()

    # between a query and a later key there would be growth: cut off, and taken out with the scores
    decay_BNMCC = (g_BNMC1 - g_BNMC1.transpose(-1, -2)).clamp(max=0.0).exp()
    scores_BG1MCC = (q @ k.transpose(-1, -2)).tril()[:, :, None]
    met_BNMCH = (decay_BNMCC.unflatten(1, (G, -1)) * scores_BG1MCC).flatten(1, 2) @ v
    y_BNTH = joined(met_BNMCH + read_BNMCH, tokens)
    return y_BNTH.transpose(1, 2), _apart(after_BGKX[:, :, None], N).squeeze(2)


def _side_by_side(x_BNMKH: Tensor, groups: int) -> Tensor:
    return x_BNMKH.unflatten(1, (groups, -1)).movedim(2, 4).flatten(4)


def _apart(x_BGMKX: Tensor, heads: int) -> Tensor:
    """Undo `_side_by_side`."""
    return x_BGMKX.unflatten(-1, (heads // x_BGMKX.shape[1], -1)).movedim(4, 2).flatten(1, 2)
