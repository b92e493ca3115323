"""The plain channel mixer, every token on its own: `y = W_down act(W_up x)`.

Source: Vaswani et al., arXiv:1706.03762; the squared ReLU, So et al., arXiv:2109.08668.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role

if TYPE_CHECKING:
    from lfm_arch.operators.mlp.module import MLPModule


class MLP(Operator):
    """Channel mixer without a gate, `{type: mlp, intermediate_size: 4096, activation: gelu}`."""

    type: Literal["mlp"] = "mlp"
    intermediate_size: Annotated[int, Field(ge=1)]
    """Width of the hidden layer."""
    activation: Literal["gelu", "gelu_tanh", "relu", "relu2", "silu"]
    """`relu2` is the square of relu."""
    bias: bool = False
    """Adds a bias to both projections."""

    roles: ClassVar[tuple[Role, ...]] = ("channel",)

    def cost(self, width: int, work: Workload) -> Cost:
        weights = 2 * width * self.intermediate_size
        params = weights + self.bias * (self.intermediate_size + width)
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            touched_params=params,
            activations=2 * self.intermediate_size * work.positions,
            kernels=3,
        )

    def build(self, width: int) -> "MLPModule":
        from lfm_arch.operators.mlp.module import MLPModule

        return MLPModule(width, self.intermediate_size, activation=self.activation, bias=self.bias)
