"""Adaptive linear map, full: every sequence gets a weight matrix of its own.

    y_t = (W + G c) x_t + b              G c is a whole matrix, generated from the sequence's features c

The generator holds `condition.size * width * width` numbers: for small widths, or to compare the low-rank form with.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Role
from lfm_arch.operators.condition import SampleCondition

if TYPE_CHECKING:
    from lfm_arch.operators.full_adaptive_linear.module import FullAdaptiveLinearModule


class FullAdaptiveLinear(SampleCondition):
    """`{type: full_adaptive_linear, condition: {type: featurizer, name: pooled, size: 128}}`."""

    type: Literal["full_adaptive_linear"] = "full_adaptive_linear"
    bias: bool = False

    roles: ClassVar[tuple[Role, ...]] = ("channel",)

    def cost(self, width: int, work: Workload) -> Cost:
        matrix = width * width
        params = matrix + self.condition.size * matrix + self.bias * width
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * self.condition.size * matrix * work.batch,
            mixing_flops=2 * matrix * work.positions,
            touched_params=params,
            # W is added to what is generated, and the sum is read by the product
            activations=3 * matrix * work.batch + 2 * width * work.positions,
            kernels=3 + self.bias,
        )

    def build(self, width: int) -> "FullAdaptiveLinearModule":
        from lfm_arch.operators.full_adaptive_linear.module import FullAdaptiveLinearModule

        return FullAdaptiveLinearModule(width, self.condition.size, bias=self.bias)
