"""Gated channel mixers of which every position visits a few: only those that are chosen are computed.

Visits are sorted by expert, so that each expert sees one contiguous run of rows. Torch multiplies all runs in one
kernel in bfloat16; for other formats, and rows that the kernel refuses, an operation of ours goes run by run. It is
registered with torch, because the number of rows in a run is data, which no compiled graph could loop over.

Axes: P positions, C chosen experts of a position, V = P * C visits, E experts, F hidden width, D width.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lfm_arch.parts.reference import using_reference

_ALIGNMENT_BYTES = 16
"""What the grouped kernel asks of rows."""


def visit(
    x_PD: Tensor,
    weights_PC: Tensor,
    chosen_PC: Tensor,
    gate_up_EFD: Tensor,
    down_EDF: Tensor,
    activation: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return the weighted sum of what the chosen experts make of every position.

    Args:
        x_PD: positions.
        weights_PC: how much each visit counts.
        chosen_PC: which expert each visit is to.
        gate_up_EFD: gate and up matrices of every expert, one above the other, `[E, 2 F, D]`.
        down_EDF: their down matrices, `[E, D, F]`.
        activation: of the gate.
    """
    P, C = chosen_PC.shape
    expert_V, order_V = chosen_PC.flatten().sort(stable=True)
    ends_E = torch.searchsorted(expert_V, torch.arange(len(down_EDF), device=x_PD.device), right=True)
    rows_VD = x_PD[order_V // C]
    gate_VF, up_VF = _multiply(rows_VD, gate_up_EFD, ends_E).chunk(2, dim=-1)
    y_VD = _multiply(activation(gate_VF) * up_VF, down_EDF, ends_E)
    # back in the order of positions, the sum over visits is the same on every device and for every batch
    y_PCD = torch.empty_like(y_VD).index_copy(0, order_V, y_VD).view(P, C, -1)
    return (y_PCD * weights_PC[..., None]).sum(dim=1)


def _multiply(x_VI: Tensor, weight_EOI: Tensor, ends_E: Tensor) -> Tensor:
    """Multiply each run of rows by its expert's matrix."""
    if using_reference():
        return _one_by_one(x_VI, weight_EOI, ends_E)
    if _grouped_works(x_VI, weight_EOI):
        return F.grouped_mm(x_VI, weight_EOI.transpose(1, 2), offs=ends_E.to(torch.int32))
    return multiply_runs(x_VI, weight_EOI, ends_E)


def _grouped_works(x_VI: Tensor, weight_EOI: Tensor) -> bool:
    sizes = x_VI.shape[-1], weight_EOI.shape[1]
    aligned = all(size * x_VI.element_size() % _ALIGNMENT_BYTES == 0 for size in sizes)
    return aligned and x_VI.dtype == torch.bfloat16 and hasattr(F, "grouped_mm")


def _runs(ends_E: Tensor) -> Iterator[tuple[int, slice]]:
    """Yield the experts that are visited, and their rows."""
    start = 0
    for expert, end in enumerate(ends_E.tolist()):
        if end > start:
            yield expert, slice(start, end)
        start = end


def _one_by_one(x_VI: Tensor, weight_EOI: Tensor, ends_E: Tensor) -> Tensor:
    return torch.cat([F.linear(x_VI[rows], weight_EOI[expert]) for expert, rows in _runs(ends_E)])


@torch.library.custom_op("lfm_arch::multiply_runs", mutates_args=())
def multiply_runs(x_VI: Tensor, weight_EOI: Tensor, ends_E: Tensor) -> Tensor:
    """Multiply rows up to `ends_E[0]` by the first matrix, up to `ends_E[1]` by the second, and so on."""
    y_VO = x_VI.new_empty(x_VI.shape[0], weight_EOI.shape[1])
    for expert, rows in _runs(ends_E):
        torch.mm(x_VI[rows], weight_EOI[expert].t(), out=y_VO[rows])
    return y_VO


@torch.library.custom_op("lfm_arch::sum_outer_runs", mutates_args=())
def sum_outer_runs(y_VO: Tensor, x_VI: Tensor, ends_E: Tensor) -> Tensor:
    """Sum the outer products of the rows of each run: the gradient of `multiply_runs` for its matrices."""
    sum_EOI = x_VI.new_zeros(ends_E.shape[0], y_VO.shape[1], x_VI.shape[1])
    for expert, rows in _runs(ends_E):
        torch.mm(y_VO[rows].t(), x_VI[rows], out=sum_EOI[expert])
    return sum_EOI


@multiply_runs.register_fake
def _(x_VI: Tensor, weight_EOI: Tensor, ends_E: Tensor) -> Tensor:
    del ends_E
    return x_VI.new_empty(x_VI.shape[0], weight_EOI.shape[1])


@sum_outer_runs.register_fake
def _(y_VO: Tensor, x_VI: Tensor, ends_E: Tensor) -> Tensor:
    return x_VI.new_empty(ends_E.shape[0], y_VO.shape[1], x_VI.shape[1])


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_VO: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    x_VI, weight_EOI, ends_E = ctx.saved_tensors
    needs_x, needs_weight, _ = ctx.needs_input_grad
    grad_x = multiply_runs(grad_VO, weight_EOI.transpose(1, 2), ends_E) if needs_x else None
    grad_weight = sum_outer_runs(grad_VO, x_VI, ends_E) if needs_weight else None
    return grad_x, grad_weight, None


multiply_runs.register_autograd(_backward, setup_context=_keep)
