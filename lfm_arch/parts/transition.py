"""The memory of a recurrence, carried from chunk to chunk by a matrix.

    S_(m+1) = P_m S_m + written_m

As `carry`, but what a chunk does to the memory mixes its rows. Registered with torch as one operation, so that a
compiled graph holds one node and not as many as there are chunks.

Axes: B batch, N heads, M chunks, K rows of the memory, H its columns.
"""

from typing import Any

import torch
from torch import Tensor


def carry_by_matrix(P_BNMKK: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> tuple[Tensor, Tensor]:
    """Carry the memory through all chunks.

    Args:
        P_BNMKK: what each chunk does to the memory before it.
        written_BNMKH: what it adds.
        memory_BNKH: the memory before the first chunk.

    Returns:
        The memory before every chunk, `[B, N, M, K, H]`, and after the last.
    """
    all_BNMKH = transit_all(P_BNMKK, written_BNMKH, memory_BNKH)
    return all_BNMKH[:, :, :-1], all_BNMKH[:, :, -1]


@torch.library.custom_op("lfm_arch::transit_all", mutates_args=())
def transit_all(P_BNMKK: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> Tensor:
    """Return the memory before every chunk and after the last, `[B, N, M + 1, K, H]`."""
    B, N, M, K, H = written_BNMKH.shape
    all_BNMKH = written_BNMKH.new_empty(B, N, M + 1, K, H)
    all_BNMKH[:, :, 0] = memory_BNKH
    for m in range(M):
        torch.add(P_BNMKK[:, :, m] @ all_BNMKH[:, :, m], written_BNMKH[:, :, m], out=all_BNMKH[:, :, m + 1])
    return all_BNMKH


@torch.library.custom_op("lfm_arch::transit_back", mutates_args=())
def transit_back(P_BNMKK: Tensor, grad_BNMKH: Tensor) -> Tensor:
    """Return the gradient of the memory before every chunk and after the last, all later uses included."""
    back_BNMKH = grad_BNMKH.clone()
    for m in range(grad_BNMKH.shape[2] - 2, -1, -1):
        back_BNMKH[:, :, m] += P_BNMKK[:, :, m].transpose(-1, -2) @ back_BNMKH[:, :, m + 1]
    return back_BNMKH


@transit_all.register_fake
def _(P_BNMKK: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> Tensor:
    del P_BNMKK, memory_BNKH
    B, N, M, K, H = written_BNMKH.shape
    return written_BNMKH.new_empty(B, N, M + 1, K, H)


@transit_back.register_fake
def _(P_BNMKK: Tensor, grad_BNMKH: Tensor) -> Tensor:
    del P_BNMKK
    return torch.empty_like(grad_BNMKH)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0], output)


def _backward(ctx: Any, grad_BNMKH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    P_BNMKK, all_BNMKH = ctx.saved_tensors
    back_BNMKH = transit_back(P_BNMKK, grad_BNMKH)
    grad_written, grad_memory = back_BNMKH[:, :, 1:], back_BNMKH[:, :, 0]
    return grad_written @ all_BNMKH[:, :, :-1].transpose(-1, -2), grad_written, grad_memory


transit_all.register_autograd(_backward, setup_context=_keep)
