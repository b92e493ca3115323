"""Gated channel mixers of which every position visits a few: only those that are chosen are computed.

Visits are sorted by expert, so that each expert sees one contiguous run of rows; runs are multiplied by one grouped
kernel where torch has one for the format and the sizes, else one by one.

Axes: P positions, C chosen experts of a position, V = P * C visits, E experts, F hidden width, D width.
"""

from collections.abc import Callable

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
    gate_VF, up_VF = _multiply(rows_VD, gate_up_EFD, expert_V, ends_E).chunk(2, dim=-1)
    y_VD = _multiply(activation(gate_VF) * up_VF, down_EDF, expert_V, ends_E)
    # back in the order of positions, the sum over visits is the same on every device and for every batch
    y_PCD = torch.empty_like(y_VD).index_copy(0, order_V, y_VD).view(P, C, -1)
    return (y_PCD * weights_PC[..., None]).sum(dim=1)


def _multiply(x_VI: Tensor, weight_EOI: Tensor, expert_V: Tensor, ends_E: Tensor) -> Tensor:
    """Multiply each run of rows by its expert's matrix."""
    if using_reference():
        return _one_by_one(x_VI, weight_EOI, ends_E)
    if _grouped_works(x_VI, weight_EOI):
        return F.grouped_mm(x_VI, weight_EOI.transpose(1, 2), offs=ends_E.to(torch.int32))
    if torch.compiler.is_compiling():
        return _gathered(x_VI, weight_EOI, expert_V)
    return _one_by_one(x_VI, weight_EOI, ends_E)


def _grouped_works(x_VI: Tensor, weight_EOI: Tensor) -> bool:
    sizes = x_VI.shape[-1], weight_EOI.shape[1]
    return hasattr(F, "grouped_mm") and all(size * x_VI.element_size() % _ALIGNMENT_BYTES == 0 for size in sizes)


def _one_by_one(x_VI: Tensor, weight_EOI: Tensor, ends_E: Tensor) -> Tensor:
    runs, start = [], 0
    for expert, end in enumerate(ends_E.tolist()):
        if end > start:
            runs.append(F.linear(x_VI[start:end], weight_EOI[expert]))
        start = end
    return torch.cat(runs)


def _gathered(x_VI: Tensor, weight_EOI: Tensor, expert_V: Tensor) -> Tensor:
    """Copy every visit's matrix: for sizes that the grouped kernel refuses, where a graph allows no loop over runs."""
    return torch.bmm(weight_EOI[expert_V], x_VI[..., None]).squeeze(-1)
