"""The memory of a delta rule, carried from chunk to chunk.

    W_m     = new_m - old_m S_m                    what chunk m writes: new_m, less what the memory knows of it already
    S_(m+1) = kept_m * S_m + late_m^T W_m

As `carry`, but what is written depends on the memory. Registered with torch as one operation, so that a compiled graph
holds one node and not as many as there are chunks.

Axes: B batch, N heads, M chunks, C tokens of a chunk, K rows of the memory, H its columns; `kept` has 1 row where all
rows keep the same.
"""

from typing import Any

import torch
from torch import Tensor


def carry_delta(
    kept_BNMK1: Tensor, late_BNMCK: Tensor, new_BNMCH: Tensor, old_BNMCK: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Carry the memory through all chunks.

    Args:
        kept_BNMK1: what each chunk keeps of the memory before it.
        late_BNMCK: where each token writes, decayed to the end of its chunk.
        new_BNMCH: what each token would write into an empty memory.
        old_BNMCK: where the memory is asked what it knows of that.
        memory_BNKH: the memory before the first chunk.

    Returns:
        The memory before every chunk, `[B, N, M, K, H]`, and after the last; and what is written, `[B, N, M, C, H]`.
    """
    all_BNMKH, written_BNMCH = deltas(kept_BNMK1, late_BNMCK, new_BNMCH, old_BNMCK, memory_BNKH)
    return all_BNMKH[:, :, :-1], all_BNMKH[:, :, -1], written_BNMCH


@torch.library.custom_op("lfm_arch::deltas", mutates_args=())
def deltas(
    kept_BNMK1: Tensor, late_BNMCK: Tensor, new_BNMCH: Tensor, old_BNMCK: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the memory before every chunk and after the last, `[B, N, M + 1, K, H]`, and what is written."""
    B, N, M, C, H = new_BNMCH.shape
    all_BNMKH = new_BNMCH.new_empty(B, N, M + 1, *memory_BNKH.shape[-2:])
    written_BNMCH = new_BNMCH.new_empty(B, N, M, C, H)
    all_BNMKH[:, :, 0] = memory_BNKH
    for m in range(M):
        memory_BNKH = all_BNMKH[:, :, m]
        written_BNCH = new_BNMCH[:, :, m] - old_BNMCK[:, :, m] @ memory_BNKH
        added_BNKH = late_BNMCK[:, :, m].transpose(-1, -2) @ written_BNCH
        torch.addcmul(added_BNKH, kept_BNMK1[:, :, m], memory_BNKH, out=all_BNMKH[:, :, m + 1])
        written_BNMCH[:, :, m] = written_BNCH
    return all_BNMKH, written_BNMCH


@torch.library.custom_op("lfm_arch::deltas_back", mutates_args=())
def deltas_back(
    kept_BNMK1: Tensor, late_BNMCK: Tensor, old_BNMCK: Tensor, grad_all_BNMKH: Tensor, grad_written_BNMCH: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the memory before every chunk and after the last, and of what is written."""
    all_BNMKH = grad_all_BNMKH.contiguous().clone()
    written_BNMCH = grad_written_BNMCH.contiguous().clone()
    for m in range(written_BNMCH.shape[2] - 1, -1, -1):
        later_BNKH = all_BNMKH[:, :, m + 1]
        written_BNMCH[:, :, m] += late_BNMCK[:, :, m] @ later_BNKH
        all_BNMKH[:, :, m] += kept_BNMK1[:, :, m] * later_BNKH
        all_BNMKH[:, :, m] -= old_BNMCK[:, :, m].transpose(-1, -2) @ written_BNMCH[:, :, m]
    return all_BNMKH, written_BNMCH


@deltas.register_fake
def _(
    kept_BNMK1: Tensor, late_BNMCK: Tensor, new_BNMCH: Tensor, old_BNMCK: Tensor, memory_BNKH: Tensor
) -> tuple[Tensor, Tensor]:
    del kept_BNMK1, late_BNMCK, old_BNMCK
    B, N, M, C, H = new_BNMCH.shape
    all_BNMKH = new_BNMCH.new_empty(B, N, M + 1, *memory_BNKH.shape[-2:])
    return all_BNMKH, new_BNMCH.new_empty(B, N, M, C, H)


@deltas_back.register_fake
def _(
    kept_BNMK1: Tensor, late_BNMCK: Tensor, old_BNMCK: Tensor, grad_all_BNMKH: Tensor, grad_written_BNMCH: Tensor
) -> tuple[Tensor, Tensor]:
    del kept_BNMK1, late_BNMCK, old_BNMCK
    all_BNMKH = grad_all_BNMKH.new_empty(grad_all_BNMKH.shape)
    return all_BNMKH, grad_written_BNMCH.new_empty(grad_written_BNMCH.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    kept_BNMK1, late_BNMCK, _, old_BNMCK, _ = inputs
    ctx.save_for_backward(kept_BNMK1, late_BNMCK, old_BNMCK, *output)


def _backward(ctx: Any, grad_all_BNMKH: Tensor, grad_written_BNMCH: Tensor) -> tuple[Tensor, ...]:
    kept_BNMK1, late_BNMCK, old_BNMCK, all_BNMKH, written_BNMCH = ctx.saved_tensors
    back_BNMKH, grad_new = deltas_back(kept_BNMK1, late_BNMCK, old_BNMCK, grad_all_BNMKH, grad_written_BNMCH)
    before_BNMKH, later_BNMKH = all_BNMKH[:, :, :-1], back_BNMKH[:, :, 1:]
    grad_kept = (later_BNMKH * before_BNMKH).sum_to_size(kept_BNMK1.shape)
    grad_late = written_BNMCH @ later_BNMKH.transpose(-1, -2)
    grad_old = -(grad_new @ before_BNMKH.transpose(-1, -2))
    return grad_kept, grad_late, grad_new, grad_old, back_BNMKH[:, :, 0]


deltas.register_autograd(_backward, setup_context=_keep)
