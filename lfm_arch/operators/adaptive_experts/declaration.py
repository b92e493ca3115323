"""Mixture of adaptive experts, low-rank: adaptive linear maps, all of which answer, weighted by the features.

    g   = softmax(R c + b_g)                              the weight of each expert
    s_e = S_e c + b_e
    y_t = sum over e of  g_e (W_e x_t + U_e (s_e * V_e x_t))

The gate is dense: every expert works on every token, so no token is dropped and no load has to be balanced. For experts
that rest, see `moe`.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Role
from lfm_arch.operators.condition import Conditioned, OwnCondition, TakenCondition

if TYPE_CHECKING:
    from lfm_arch.operators.adaptive_experts.module import AdaptiveExpertsModule


class _AdaptiveExperts(Conditioned):
    """What the operator declares wherever its features come from."""

    num_experts: Annotated[int, Field(ge=2)]
    rank: Annotated[int, Field(ge=1)]
    """Directions in which the features move the weight of one expert."""

    roles: ClassVar[tuple[Role, ...]] = ("channel",)

    def cost(self, width: int, work: Workload) -> Cost:
        size, vectors, ranks = self.source.size, self.source.vectors(work), self.num_experts * self.rank
        weights = self.num_experts * width * width + 2 * width * ranks
        generator = size * self.num_experts + size * ranks
        params = weights + generator + self.num_experts + ranks
        return self.source.cost(width, work) + Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions + 2 * generator * vectors,
            touched_params=params,
            # a weighted copy of the token for each expert, the product with s, the sum of the two maps
            activations=(2 * self.num_experts * width + 3 * ranks + 3 * width) * work.positions
            + 3 * (self.num_experts + ranks) * vectors,
            kernels=10,
        )

    def build(self, width: int) -> "AdaptiveExpertsModule":
        from lfm_arch.operators.adaptive_experts.module import AdaptiveExpertsModule

        return AdaptiveExpertsModule(width, self.num_experts, self.rank, self.source.size, self.source.build(width))


class AdaptiveExperts(_AdaptiveExperts, OwnCondition):
    """`{type: adaptive_experts, num_experts: 4, rank: 64, condition: {type: running_mean, size: 64}}`."""

    type: Literal["adaptive_experts"] = "adaptive_experts"

    def _reading(self, **fields: Any) -> "SharedAdaptiveExperts":
        return SharedAdaptiveExperts(**fields)


class SharedAdaptiveExperts(_AdaptiveExperts, TakenCondition):
    """A mixture of adaptive experts with the features of an earlier layer."""

    type: Literal["shared_adaptive_experts"] = "shared_adaptive_experts"
