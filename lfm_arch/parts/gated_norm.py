"""Root-mean-square norm together with an output gate. Axes: ... any, X numbers that are normalised."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Order = Literal["gate_first", "norm_first"]
_GATES: dict[str, Callable[[Tensor], Tensor]] = {"silu": F.silu, "sigmoid": torch.sigmoid}


class GatedNorm(nn.Module):
    """`norm(y * gate)` or `norm(y) * gate`, over each of `num_groups` equal parts; float32 inside."""

    def __init__(
        self,
        size: int,
        eps: float,
        *,
        order: Order = "norm_first",
        gate: Literal["silu", "sigmoid"] = "silu",
        num_groups: int = 1,
    ) -> None:
        super().__init__()
        self.eps, self.order, self.gate, self.num_groups = eps, order, gate, num_groups
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, y_X: Tensor, gate_X: Tensor) -> Tensor:
        opened_X, y = _GATES[self.gate](gate_X.float()), y_X.float()
        if self.order == "gate_first":
            y = y * opened_X
        groups = y.unflatten(-1, (self.num_groups, -1))
        y = F.rms_norm(groups, groups.shape[-1:], eps=self.eps).flatten(-2) * self.weight.float()
        if self.order == "norm_first":
            y = y * opened_X
        return y.to(gate_X.dtype)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, {self.order}, {self.gate}, num_groups={self.num_groups}, eps={self.eps}"
