"""Norms, as a block or the end of the stack declares them: `norm: {type: rms_norm, eps: 1.0e-5}`."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Part

if TYPE_CHECKING:
    from torch import nn


class RMSNorm(Part):
    """Root-mean-square norm with a learned scale (Zhang and Sennrich, arXiv:1910.07467)."""

    type: Literal["rms_norm"] = "rms_norm"
    eps: Annotated[float, Field(gt=0, lt=1)]

    def params(self, width: int) -> int:
        return width

    def cost(self, width: int, work: Workload) -> Cost:
        return _norm_cost(self.params(width), width, work)

    def build(self, width: int) -> "nn.Module":
        from lfm_arch.parts.norm import RMSNormModule

        return RMSNormModule(width, self.eps)


class LayerNorm(Part):
    """Mean and variance norm with a learned scale and, unless `bias: false`, a learned shift."""

    type: Literal["layer_norm"] = "layer_norm"
    eps: Annotated[float, Field(gt=0, lt=1)]
    bias: bool = True

    def params(self, width: int) -> int:
        return width * (1 + self.bias)

    def cost(self, width: int, work: Workload) -> Cost:
        return _norm_cost(self.params(width), width, work)

    def build(self, width: int) -> "nn.Module":
        from torch.nn import LayerNorm as Module

        return Module(width, eps=self.eps, bias=self.bias)


def _norm_cost(params: int, width: int, work: Workload) -> Cost:
    return Cost(
        params=params,
        active_params=params,
        touched_params=params,
        activations=2 * width * work.positions,
        kernels=1,
    )


Norm = RMSNorm | LayerNorm
AnyNorm = Annotated[Norm, Field(discriminator="type")]
Placement = Literal["pre", "post", "sandwich", "parallel"]
"""Where a layer normalises.

`pre`: x + f(norm(x)).  `post`: norm(x + f(x)).  `sandwich`: x + norm(f(norm(x))).
`parallel`: x + mixer(n) + channel(n) with one n = norm(x).
"""


def norms_per_layer(placement: Placement, *, channel: bool) -> int:
    """Count the norms that one layer holds."""
    if placement == "parallel":
        return 1
    return (1 + channel) * (2 if placement == "sandwich" else 1)
