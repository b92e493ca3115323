"""The running full adaptive linear map. Axes: B batch, T tokens, D width, C features."""

from torch import Tensor

from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.generated import GeneratedLinear


class FullAdaptiveLinearModule(OperatorModule):
    """The running `FullAdaptiveLinear`."""

    writes = ("linear",)

    def __init__(self, width: int, size: int, *, bias: bool) -> None:
        super().__init__()
        self.linear = GeneratedLinear(width, width, size, bias=bias)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None, *, condition: Tensor) -> Tensor:
        """Transform every token of a sequence by the weight that the features `[B, C]` of the sequence make."""
        del context, state
        return self.linear(x_BTD, condition)
