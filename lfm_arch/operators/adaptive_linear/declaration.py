"""Adaptive linear map, low-rank: a linear channel mixer whose weights features of the input move.

    s   = S c + b_s                      `rank` numbers from the features c
    y_t = W x_t + U (s * V x_t)          the weight is W + U diag(s) V: linear given the features, not in the input

Only the diagonal is generated, so the generator costs `condition.size * rank` numbers where a whole matrix would cost
`condition.size * width * width`; this is the form that scales.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Role
from lfm_arch.operators.condition import Conditioned, OwnCondition, TakenCondition

if TYPE_CHECKING:
    from lfm_arch.operators.adaptive_linear.module import AdaptiveLinearModule


class _AdaptiveLinear(Conditioned):
    """What the operator declares wherever its features come from."""

    rank: Annotated[int, Field(ge=1)]
    """Directions in which the features move the weight."""
    bias: bool = False

    roles: ClassVar[tuple[Role, ...]] = ("channel",)

    def cost(self, width: int, work: Workload) -> Cost:
        size, vectors = self.source.size, self.source.vectors(work)
        weights = width * width + 2 * width * self.rank
        params = weights + size * self.rank + self.rank + self.bias * width
        return self.source.cost(width, work) + Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions + 2 * size * self.rank * vectors,
            touched_params=params,
            # the product with s, and the sum of the two maps
            activations=(2 * self.rank + 3 * width) * work.positions + self.rank * vectors,
            kernels=6,
        )

    def build(self, width: int) -> "AdaptiveLinearModule":
        from lfm_arch.operators.adaptive_linear.module import AdaptiveLinearModule

        return AdaptiveLinearModule(width, self.rank, self.source.size, self.source.build(width), bias=self.bias)


class AdaptiveLinear(_AdaptiveLinear, OwnCondition):
    """`{type: adaptive_linear, rank: 64, condition: {type: token, size: 64}}`."""

    type: Literal["adaptive_linear"] = "adaptive_linear"

    def _reading(self, **fields: Any) -> "SharedAdaptiveLinear":
        return SharedAdaptiveLinear(**fields)


class SharedAdaptiveLinear(_AdaptiveLinear, TakenCondition):
    """An adaptive linear map with the features of an earlier layer, but its own way of using them."""

    type: Literal["shared_adaptive_linear"] = "shared_adaptive_linear"
