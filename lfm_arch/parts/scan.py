"""Linear recurrence over tokens with a matrix as its memory: what linear attention and state space layers share.

    S_t = diag(a_t) S_(t-1) + k_t v_t^T          the memory, one matrix a head
    y_t = S_t^T q_t                              what a query reads

`a_t` lies in (0, 1] and is given as a logarithm, one for every row of the memory or one for all of them. The plain
form goes token by token. The fast form cuts the tokens into chunks: inside a chunk every query meets every key at once,
as in attention, and only the memory between chunks is carried one after the other.

    y_i = sum over j <= i in the chunk of  (q_i . exp(g_i - g_j) k_j) v_j  +  (exp(g_i) q_i) . S before the chunk
    S after the chunk = exp(g_C) S before + sum over j of  (exp(g_C - g_j) k_j) v_j^T
    with g_i the sum of log a over the chunk up to i

Source: Yang et al., arXiv:2312.06635; Dao and Gu, arXiv:2405.21060. All of it is float32.
Axes: B batch, T tokens, N heads, K rows of the memory, H its columns, M chunks, C tokens of a chunk.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lfm_arch.parts.reference import using_reference

CHUNK = 32
SLOWEST_LOG = -5.0
"""Where the logarithm of a row's own decay is cut off: over half a chunk, exp() of the sum is a float32. A row that
keeps less than 1 % of itself is forgotten with or without the cut."""


def scan(
    q_BTNK: Tensor, k_BTNK: Tensor, v_BTNH: Tensor, log_decay_BTNK: Tensor, memory_BNKH: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the recurrence.

    Args:
        q_BTNK: queries.
        k_BTNK: keys; zero where nothing is to be written.
        v_BTNH: values.
        log_decay_BTNK: at most 0; the last axis is K, or 1 for one decay for the whole head.
        memory_BNKH: what is remembered from before; None for nothing.

    Returns:
        What the queries read, `[B, T, N, H]` in the format of `v_BTNH`, and the memory after the last token, float32.
    """
    q, k, v, log_decay = (each.float().transpose(1, 2) for each in (q_BTNK, k_BTNK, v_BTNH, log_decay_BTNK))
    if log_decay.shape[-1] > 1:
        log_decay = log_decay.clamp(min=SLOWEST_LOG)
    memory = q.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1]) if memory_BNKH is None else memory_BNKH
    one_by_one = using_reference() or q.shape[2] == 1
    y_BNTH, memory = (_token_by_token if one_by_one else _by_chunks)(q, k, v, log_decay, memory)
    return y_BNTH.transpose(1, 2).to(v_BTNH.dtype), memory


def _token_by_token(
    q_BNTK: Tensor, k_BNTK: Tensor, v_BNTH: Tensor, log_decay_BNTK: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    decay_BNTK = log_decay_BNTK.exp()
    read = []
    for t in range(q_BNTK.shape[2]):
        written_BNKH = k_BNTK[:, :, t, :, None] @ v_BNTH[:, :, t, None, :]
        memory_BNKH = decay_BNTK[:, :, t, :, None] * memory_BNKH + written_BNKH
        read.append(q_BNTK[:, :, t, None, :] @ memory_BNKH)
    return torch.cat(read, dim=2), memory_BNKH


def _by_chunks(
    q_BNTK: Tensor, k_BNTK: Tensor, v_BNTH: Tensor, log_decay_BNTK: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    tokens = q_BNTK.shape[2]
    # two chunks at least in a compiled graph, which would otherwise serve no more tokens than one holds
    chunks = (tokens + CHUNK - 1) // CHUNK + torch.compiler.is_compiling()
    q, k, v, log_decay = (_cut(each, chunks) for each in (q_BNTK, k_BNTK, v_BNTH, log_decay_BNTK))
    g_BNMCK = log_decay.cumsum(dim=3)
    total_BNM1K = g_BNMCK[:, :, :, -1:]
    written_BNMKH = (k * (total_BNM1K - g_BNMCK).exp()).transpose(-1, -2) @ v
    kept_BNMK = total_BNM1K.squeeze(3).exp()
    before_BNMKH, memory_BNKH = carry(kept_BNMK, written_BNMKH, memory_BNKH)
    y_BNMCH = _scores(q, k, g_BNMCK) @ v + (q * g_BNMCK.exp()) @ before_BNMKH
    return F.pad(y_BNMCH.flatten(2, 3), (0, 0, 0, tokens - chunks * CHUNK)), memory_BNKH


def _cut(x_BNTX: Tensor, chunks: int) -> Tensor:
    """Cut into chunks; what is missing in the last one writes nothing and keeps everything."""
    padded_BNTX = F.pad(x_BNTX, (0, 0, 0, chunks * CHUNK - x_BNTX.shape[2]))
    # not a reshape: for a number of tokens that is open, torch would ask whether chunks divide it
    return padded_BNTX.unfold(2, CHUNK, CHUNK).transpose(-1, -2)


def _scores(q_BNMCK: Tensor, k_BNMCK: Tensor, g_BNMCK: Tensor) -> Tensor:
    """Let every query of a chunk meet the keys up to its own, decayed over what lies between them."""
    earlier = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=q_BNMCK.device).tril()
    if g_BNMCK.shape[-1] == 1:
        between = (g_BNMCK - g_BNMCK.transpose(-1, -2)).masked_fill(~earlier, -torch.inf)
        return (q_BNMCK @ k_BNMCK.transpose(-1, -2)) * between.exp()
    # measured from the middle of the chunk, neither factor leaves the range of float32
    g_BNMCK = g_BNMCK - g_BNMCK[:, :, :, CHUNK // 2 - 1 : CHUNK // 2]
    scores_BNMCC = (q_BNMCK * g_BNMCK.exp()) @ (k_BNMCK * (-g_BNMCK).exp()).transpose(-1, -2)
    return scores_BNMCC.masked_fill(~earlier, 0.0)


def carry(kept_BNMK: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> tuple[Tensor, Tensor]:
    """Carry the memory from chunk to chunk.

    Args:
        kept_BNMK: what each chunk keeps of the memory before it, last axis K or 1.
        written_BNMKH: what it adds.
        memory_BNKH: the memory before the first chunk.

    Returns:
        The memory before every chunk, `[B, N, M, K, H]`, and after the last.
    """
    all_BNMKH = carry_all(kept_BNMK, written_BNMKH, memory_BNKH)
    return all_BNMKH[:, :, :-1], all_BNMKH[:, :, -1]


@torch.library.custom_op("lfm_arch::carry_all", mutates_args=())
def carry_all(kept_BNMK: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> Tensor:
    """Return the memory before every chunk and after the last, `[B, N, M + 1, K, H]`.

    Registered with torch, so that a compiled graph holds one node and not as many as there are chunks.
    """
    B, N, M, K, H = written_BNMKH.shape
    all_BNMKH = written_BNMKH.new_empty(B, N, M + 1, K, H)
    all_BNMKH[:, :, 0] = memory_BNKH
    for m in range(M):
        kept = kept_BNMK[:, :, m, :, None]
        torch.addcmul(written_BNMKH[:, :, m], kept, all_BNMKH[:, :, m], out=all_BNMKH[:, :, m + 1])
    return all_BNMKH


@torch.library.custom_op("lfm_arch::carry_back", mutates_args=())
def carry_back(kept_BNMK: Tensor, grad_BNMKH: Tensor) -> Tensor:
    """Return the gradient with respect to the memory before every chunk and after the last, all later uses included."""
    back_BNMKH = grad_BNMKH.clone()
    for m in range(grad_BNMKH.shape[2] - 2, -1, -1):
        back_BNMKH[:, :, m].addcmul_(kept_BNMK[:, :, m, :, None], back_BNMKH[:, :, m + 1])
    return back_BNMKH


@carry_all.register_fake
def _(kept_BNMK: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> Tensor:
    del kept_BNMK, memory_BNKH
    B, N, M, K, H = written_BNMKH.shape
    return written_BNMKH.new_empty(B, N, M + 1, K, H)


@carry_back.register_fake
def _(kept_BNMK: Tensor, grad_BNMKH: Tensor) -> Tensor:
    del kept_BNMK
    return torch.empty_like(grad_BNMKH)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0], output)


def _backward(ctx: Any, grad_BNMKH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    kept_BNMK, all_BNMKH = ctx.saved_tensors
    back_BNMKH = carry_back(kept_BNMK, grad_BNMKH)
    grad_written, grad_memory = back_BNMKH[:, :, 1:], back_BNMKH[:, :, 0]
    grad_kept = (grad_written * all_BNMKH[:, :, :-1]).sum(dim=-1)
    if kept_BNMK.shape[-1] == 1:
        grad_kept = grad_kept.sum(dim=-1, keepdim=True)
    return grad_kept, grad_written, grad_memory


carry_all.register_autograd(_backward, setup_context=_keep)
