"""The memory of a recurrence, carried from chunk to chunk.

    S_(m+1) = kept_m * S_m + written_m

Registered with torch as one operation, so that a compiled graph holds one node and not as many as there are chunks.

Axes: B batch, N heads, M chunks, K rows of the memory, H its columns; `kept` has 1 where it is the same for all.
"""

from typing import Any

import torch
from torch import Tensor


def carry(kept_BNMKH: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> tuple[Tensor, Tensor]:
    """Carry the memory through all chunks.

    Args:
        kept_BNMKH: what each chunk keeps of the memory before it.
        written_BNMKH: what it adds.
        memory_BNKH: the memory before the first chunk.

    Returns:
        The memory before every chunk, `[B, N, M, K, H]`, and after the last.
    """
    all_BNMKH = carry_all(kept_BNMKH, written_BNMKH, memory_BNKH)
    return all_BNMKH[:, :, :-1], all_BNMKH[:, :, -1]


@torch.library.custom_op("lfm_arch::carry_all", mutates_args=())
def carry_all(kept_BNMKH: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> Tensor:
    """Return the memory before every chunk and after the last, `[B, N, M + 1, K, H]`."""
    B, N, M, K, H = written_BNMKH.shape
    all_BNMKH = written_BNMKH.new_empty(B, N, M + 1, K, H)
    all_BNMKH[:, :, 0] = memory_BNKH
    for m in range(M):
        torch.addcmul(written_BNMKH[:, :, m], kept_BNMKH[:, :, m], all_BNMKH[:, :, m], out=all_BNMKH[:, :, m + 1])
    return all_BNMKH


@torch.library.custom_op("lfm_arch::carry_back", mutates_args=())
def carry_back(kept_BNMKH: Tensor, grad_BNMKH: Tensor) -> Tensor:
    """Return the gradient of the memory before every chunk and after the last, all later uses included."""
    back_BNMKH = grad_BNMKH.clone()
    for m in range(grad_BNMKH.shape[2] - 2, -1, -1):
        back_BNMKH[:, :, m].addcmul_(kept_BNMKH[:, :, m], back_BNMKH[:, :, m + 1])
    return back_BNMKH


@carry_all.register_fake
def _(kept_BNMKH: Tensor, written_BNMKH: Tensor, memory_BNKH: Tensor) -> Tensor:
    del kept_BNMKH, memory_BNKH
    B, N, M, K, H = written_BNMKH.shape
    return written_BNMKH.new_empty(B, N, M + 1, K, H)


@carry_back.register_fake
def _(kept_BNMKH: Tensor, grad_BNMKH: Tensor) -> Tensor:
    del kept_BNMKH
    return torch.empty_like(grad_BNMKH)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0], output)


def _backward(ctx: Any, grad_BNMKH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    kept_BNMKH, all_BNMKH = ctx.saved_tensors
    back_BNMKH = carry_back(kept_BNMKH, grad_BNMKH)
    grad_written, grad_memory = back_BNMKH[:, :, 1:], back_BNMKH[:, :, 0]
    grad_kept = (grad_written * all_BNMKH[:, :, :-1]).sum_to_size(kept_BNMKH.shape)
    return grad_kept, grad_written, grad_memory


carry_all.register_autograd(_backward, setup_context=_keep)
