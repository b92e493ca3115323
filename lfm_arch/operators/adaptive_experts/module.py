"""The running mixture of low-rank adaptive experts. Axes: B batch, T tokens, D width, E experts, R rank, C features."""

from torch import Tensor, nn

from lfm_arch.parts.condition import ConditionedModule, ConditionModule
from lfm_arch.parts.context import Context, State


class AdaptiveExpertsModule(ConditionedModule):
    """The running `AdaptiveExperts` or `SharedAdaptiveExperts`; the experts lie side by side in each matrix."""

    writes = ("base_proj", "up_proj")

    def __init__(self, width: int, num_experts: int, rank: int, size: int, condition: ConditionModule | None) -> None:
        super().__init__(condition)
        self.by_expert = (num_experts, rank)
        ranks = num_experts * rank
        self.gate_proj = nn.Linear(size, num_experts)
        self.base_proj = nn.Linear(num_experts * width, width, bias=False)
        self.down_proj = nn.Linear(width, ranks, bias=False)
        self.scale_proj = nn.Linear(size, ranks)
        self.up_proj = nn.Linear(ranks, width, bias=False)
        nn.init.ones_(self.scale_proj.bias)

    def forward(
        self, x_BTD: Tensor, context: Context, state: State | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Transform every token by all experts, weighted by its features."""
        features_BTC = self.features(condition, x_BTD, context, state)
        gate_BTE1 = self.gate_proj(features_BTC).softmax(-1)[..., None]
        scale_BTER = self.scale_proj(features_BTC).unflatten(-1, self.by_expert)
        # weighting what goes in lets one product sum over the experts
        hidden_BTER = gate_BTE1 * scale_BTER * self.down_proj(x_BTD).unflatten(-1, self.by_expert)
        weighted_BTED = gate_BTE1 * x_BTD[..., None, :]
        return self.base_proj(weighted_BTED.flatten(-2)) + self.up_proj(hidden_BTER.flatten(-2))
