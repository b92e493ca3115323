"""Mixture of adaptive experts, full: every sequence gets one weight matrix, mixed from generated ones.

g   = softmax(R c + b_g)                              the weight of each expert, one set for a sequence
y_t = (sum over e of  g_e (W_e + G_e c)) x_t          experts are linear: mixing them is mixing their weights
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Role
from lfm_arch.operators.condition import SampleCondition

if TYPE_CHECKING:
    from lfm_arch.operators.full_adaptive_experts.module import FullAdaptiveExpertsModule


class FullAdaptiveExperts(SampleCondition):
    """`{type: full_adaptive_experts, num_experts: 4, condition: {type: featurizer, name: pooled, size: 128}}`."""

    type: Literal["full_adaptive_experts"] = "full_adaptive_experts"
    num_experts: Annotated[int, Field(ge=2)]
    bias: bool = False
    """A bias for each expert, mixed like the weights."""

    roles: ClassVar[tuple[Role, ...]] = ("channel",)

    def cost(self, width: int, work: Workload) -> Cost:
        size, matrix = self.condition.size, width * width
        gate = size * self.num_experts
        # W_e and G_e are mixed by 1 + size coefficients for each expert
        mixed = self.num_experts * (1 + size) * matrix + self.bias * self.num_experts * width
        params = gate + self.num_experts + mixed
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * (gate + mixed) * work.batch,
            mixing_flops=2 * matrix * work.positions,
            touched_params=params,
            activations=4 * matrix * work.batch + 2 * width * work.positions + 2 * self.num_experts * size * work.batch,
            kernels=7 + 2 * self.bias,
        )

    def build(self, width: int) -> "FullAdaptiveExpertsModule":
        from lfm_arch.operators.full_adaptive_experts.module import FullAdaptiveExpertsModule

        return FullAdaptiveExpertsModule(width, self.condition.size, self.num_experts, bias=self.bias)
