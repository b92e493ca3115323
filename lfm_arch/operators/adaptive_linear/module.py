"""The running low-rank adaptive linear map. Axes: B batch, T tokens, D width, R rank, C features."""

from torch import Tensor, nn

from lfm_arch.parts.condition import ConditionedModule, ConditionModule
from lfm_arch.parts.context import Context, State


class AdaptiveLinearModule(ConditionedModule):
    """The running `AdaptiveLinear` or `SharedAdaptiveLinear`."""

    writes = ("base_proj", "up_proj")

    def __init__(self, width: int, rank: int, size: int, condition: ConditionModule | None, *, bias: bool) -> None:
        super().__init__(condition)
        self.base_proj = nn.Linear(width, width, bias=bias)
        self.down_proj = nn.Linear(width, rank, bias=False)
        self.scale_proj = nn.Linear(size, rank)
        self.up_proj = nn.Linear(rank, width, bias=False)
        # the directions are in use from the start, whatever the features say
        nn.init.ones_(self.scale_proj.bias)

    def forward(
        self, x_BTD: Tensor, context: Context, state: State | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Transform every token on its own, by the weight that its features make."""
        scale_BTR = self.scale_proj(self.features(condition, x_BTD, context, state))
        return self.base_proj(x_BTD) + self.up_proj(scale_BTR * self.down_proj(x_BTD))
