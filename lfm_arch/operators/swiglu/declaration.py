"""Gated channel mixers: every token on its own, through a hidden layer that one half of gates the other.

    y = W_down (act(W_gate x) * W_up x)            act = silu: SwiGLU, act = gelu: GeGLU

Source: Shazeer, arXiv:2002.05202. Weights as in Hugging Face `Lfm2MLP`, where w1 is the gate, w3 up and w2 down.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.swiglu.module import GatedMLPModule


class _GatedMLP(Operator):
    """What SwiGLU and GeGLU have in common: everything but the activation."""

    intermediate_size: Annotated[int, Field(ge=1)]
    """Width of the hidden layer."""
    bias: bool = False
    """Adds a bias to the three projections."""

    roles: ClassVar[tuple[Role, ...]] = ("channel",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        family: {"gate_proj": "feed_forward.w1", "up_proj": "feed_forward.w3", "down_proj": "feed_forward.w2"}
        for family in ("lfm2", "lfm2_moe", "lfm3")
    } | {
        family: {"gate_proj": "mlp.gate_proj", "up_proj": "mlp.up_proj", "down_proj": "mlp.down_proj"}
        for family in ("llama", "mistral", "qwen3", "qwen3_moe")
    }

    def cost(self, width: int, work: Workload) -> Cost:
        weights = 3 * width * self.intermediate_size
        params = weights + self.bias * (2 * self.intermediate_size + width)
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            touched_params=params,
            # the activation reads and writes one hidden vector, the product reads two and writes one
            activations=5 * self.intermediate_size * work.positions,
            kernels=5,
        )


class SwiGLU(_GatedMLP):
    """Gated channel mixer with SiLU, `{type: swiglu, intermediate_size: 4608}`."""

    type: Literal["swiglu"] = "swiglu"

    def build(self, width: int) -> "GatedMLPModule":
        from lfm_arch.operators.swiglu.module import GatedMLPModule

        return GatedMLPModule(width, self.intermediate_size, activation="silu", bias=self.bias)


class GeGLU(_GatedMLP):
    """Gated channel mixer with GELU."""

    type: Literal["geglu"] = "geglu"
    activation: Literal["gelu", "gelu_tanh"] = "gelu"
    """`gelu_tanh` is the usual approximation, which Gemma's weights were trained with."""

    def build(self, width: int) -> "GatedMLPModule":
        from lfm_arch.operators.swiglu.module import GatedMLPModule

        return GatedMLPModule(width, self.intermediate_size, activation=self.activation, bias=self.bias)
