"""Double-gated short convolution, the local mixer of LFM2.

    g, c, u = split(W_in x)            three streams as wide as x
    y       = W_out (c * conv_K(g * u))

`conv_K` is causal and depthwise: channel d at time t sees its own last K values and no other channel. It remembers
K - 1 tokens whatever the context, which is why it is cheap to decode.

Source: LFM2 Technical Report, arXiv:2511.23404. Weights as in Hugging Face `Lfm2ShortConv`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.short_conv.module import ShortConvModule


class ShortConv(Operator):
    """Gated causal depthwise convolution over the last `kernel_size` tokens."""

    type: Literal["short_conv"] = "short_conv"
    kernel_size: Annotated[int, Field(ge=2)]
    """Tokens the convolution sees, the token itself included. 1 would be a linear layer."""
    bias: bool = False
    """Adds a bias to both projections and to the convolution."""

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        family: {"in_proj": "conv.in_proj", "conv": "conv.conv", "out_proj": "conv.out_proj"}
        for family in ("lfm2", "lfm2_moe", "lfm3")
    }

    def cost(self, width: int, work: Workload) -> Cost:
        weights = 4 * width * width  # W_in is three streams, W_out one
        params = weights + width * self.kernel_size + self.bias * 5 * width
        remembered = width * (self.kernel_size - 1)
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            mixing_flops=2 * width * self.kernel_size * work.positions,
            touched_params=params,
            state_traffic=2 * remembered * work.batch,
            # two gates: three streams and a product read, two products written
            activations=6 * width * work.positions,
            kernels=5,
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        return (StateSlot("window", ("batch", width, self.kernel_size - 1)),)

    def build(self, width: int) -> "ShortConvModule":
        from lfm_arch.operators.short_conv.module import ShortConvModule

        return ShortConvModule(width, self.kernel_size, bias=self.bias)
