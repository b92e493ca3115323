"""The running short convolution. Axes: B batch, T tokens, D width, K kernel size."""

from torch import Tensor, nn

from lfm_arch.parts.causal_conv import causal_conv
from lfm_arch.parts.context import Context, OperatorModule, State


class ShortConvModule(OperatorModule):
    """The running `ShortConv`."""

    writes = ("out_proj",)

    def __init__(self, width: int, kernel_size: int, *, bias: bool) -> None:
        super().__init__()
        self.in_proj = nn.Linear(width, 3 * width, bias=bias)
        self.conv = nn.Conv1d(width, width, kernel_size, groups=width, bias=bias)
        self.out_proj = nn.Linear(width, width, bias=bias)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T; position t depends on positions t-K+1 ... t only."""
        gate_BTD, out_gate_BTD, u_BTD = self.in_proj(x_BTD).chunk(3, dim=-1)
        gated_BTD = gate_BTD * u_BTD
        if context.new_mask_BT is not None:
            # here and not at the input, where a bias would still let padding into the filter
            gated_BTD = gated_BTD * context.new_mask_BT[..., None].to(gated_BTD.dtype)
        mixed_BTD = causal_conv(gated_BTD, self.conv.weight, self.conv.bias, state, "window")
        return self.out_proj(out_gate_BTD * mixed_BTD)
