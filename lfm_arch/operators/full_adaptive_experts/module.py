"""The running mixture of full adaptive experts. Axes: B batch, T tokens, D width, C features."""

from torch import Tensor

from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.generated import GeneratedExperts


class FullAdaptiveExpertsModule(OperatorModule):
    """The running `FullAdaptiveExperts`."""

    writes = ("experts",)

    def __init__(self, width: int, size: int, num_experts: int, *, bias: bool) -> None:
        super().__init__()
        self.experts = GeneratedExperts(width, width, size, num_experts, bias=bias)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None, *, condition: Tensor) -> Tensor:
        """Transform every token of a sequence by the mixture that the features `[B, C]` of the sequence choose."""
        del context, state
        return self.experts(x_BTD, condition)
