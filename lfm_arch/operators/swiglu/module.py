"""The running gated channel mixers. Axes: B batch, T tokens, D width."""

from torch import Tensor, nn

from lfm_arch.parts.activation import ACTIVATIONS
from lfm_arch.parts.context import Context, OperatorModule, State


class GatedMLPModule(OperatorModule):
    """The running `SwiGLU` or `GeGLU`."""

    writes = ("down_proj",)

    def __init__(self, width: int, intermediate_size: int, *, activation: str, bias: bool) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.gate_proj = nn.Linear(width, intermediate_size, bias=bias)
        self.up_proj = nn.Linear(width, intermediate_size, bias=bias)
        self.down_proj = nn.Linear(intermediate_size, width, bias=bias)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Transform every token on its own."""
        del context, state
        return self.down_proj(self.activation(self.gate_proj(x_BTD)) * self.up_proj(x_BTD))
