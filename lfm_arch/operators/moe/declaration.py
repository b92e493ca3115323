"""Mixture of experts: a router sends every token to a few of many gated channel mixers.

    s    = router(W_r x)                         softmax over the experts, or a sigmoid each
    top  = the experts_per_token largest of s + b       b, the selection bias, chooses but does not weigh
    w    = s[top] / sum s[top] * scale           the division where normalize_weights
    y    = sum over e in top of  w_e expert_e(x)  +  shared experts, which every token visits

Sources: Shazeer et al., arXiv:1701.06538; the selection bias, Wang et al., arXiv:2408.15664; shared experts, Dai et
al., arXiv:2401.06066. Weights as in Hugging Face `Lfm2MoeSparseMoeBlock`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.moe.module import MoEModule

Positive = Annotated[int, Field(ge=1)]


class MoE(Operator):
    """`{type: moe, num_experts: 32, experts_per_token: 4, intermediate_size: 1792, router: sigmoid}`."""

    type: Literal["moe"] = "moe"
    num_experts: Annotated[int, Field(ge=2)]
    experts_per_token: Positive
    intermediate_size: Positive
    """Hidden width of one expert."""
    expert: Literal["swiglu", "geglu"] = "swiglu"
    """What an expert is."""
    router: Literal["softmax", "sigmoid"] = "softmax"
    """Score of an expert: a share of one, or a number of its own."""
    selection_bias: bool = False
    """A buffer added to the scores when experts are chosen, for load balancing without a loss; not a parameter."""
    normalize_weights: bool = True
    """Whether the weights of the chosen experts are made to sum to one."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the weights (`routed_scaling_factor`)."""
    num_shared_experts: Annotated[int, Field(ge=0)] = 0
    """Experts that every token visits besides the chosen ones."""
    shared_intermediate_size: Positive | None = None
    """Hidden width of one shared expert; null for `intermediate_size`."""

    roles: ClassVar[tuple[Role, ...]] = ("channel",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        "lfm2_moe": {
            "router": "feed_forward.gate",
            "selection_bias": "feed_forward.expert_bias",
            "gate_up_proj": "feed_forward.experts.gate_up_proj",
            "down_proj": "feed_forward.experts.down_proj",
        },
        "deepseek_v3": {
            "router": "mlp.gate",
            "selection_bias": "mlp.gate.e_score_correction_bias",
            "gate_up_proj": "mlp.experts.gate_up_proj",
            "down_proj": "mlp.experts.down_proj",
            "shared_gate_proj": "mlp.shared_experts.gate_proj",
            "shared_up_proj": "mlp.shared_experts.up_proj",
            "shared_down_proj": "mlp.shared_experts.down_proj",
        },
    } | {
        family: {
            "router": "mlp.gate",
            "gate_up_proj": "mlp.experts.gate_up_proj",
            "down_proj": "mlp.experts.down_proj",
        }
        for family in ("mixtral", "qwen3_moe")
    }

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.experts_per_token > self.num_experts:
            raise refuse(
                "E234",
                "experts_per_token",
                f"experts_per_token={self.experts_per_token} of num_experts={self.num_experts}",
                because="a token visits different experts",
                help=f"use at most {self.num_experts}",
            )
        if self.shared_intermediate_size is not None and not self.num_shared_experts:
            raise refuse(
                "E233",
                "shared_intermediate_size",
                f"shared_intermediate_size={self.shared_intermediate_size} without num_shared_experts",
                because="a setting that nothing reads is a mistake",
                help="write num_shared_experts: 1, or leave out shared_intermediate_size",
            )
        return self

    @property
    def shared_width(self) -> int:
        """Hidden width of all shared experts together."""
        return self.num_shared_experts * (self.shared_intermediate_size or self.intermediate_size)

    def distinct_experts(self, positions: int) -> float:
        """Expected number of experts that at least one of `positions` tokens visits, if all are equally likely."""
        return self.num_experts * (1 - (1 - self.experts_per_token / self.num_experts) ** positions)

    def cost(self, width: int, work: Workload) -> Cost:
        expert = 3 * width * self.intermediate_size
        always = width * self.num_experts + 3 * width * self.shared_width
        touched_experts = self.distinct_experts(work.positions) * expert
        active = always + self.experts_per_token * expert
        hidden = self.experts_per_token * self.intermediate_size + self.shared_width
        return Cost(
            params=always + self.num_experts * expert,
            active_params=active,
            matmul_flops=2 * active * work.positions,
            touched_params=always + touched_experts,
            touched_expert_params=touched_experts,
            expert_flops=2 * self.experts_per_token * expert * work.positions,
            # scores, tokens gathered for and summed from the experts, and the gated hidden layers
            activations=(2 * self.num_experts + 4 * self.experts_per_token * width + 5 * hidden) * work.positions,
            kernels=9 + 5 * (self.shared_width > 0),
        )

    def build(self, width: int) -> "MoEModule":
        from lfm_arch.operators.moe.module import MoEModule

        return MoEModule(self, width)
