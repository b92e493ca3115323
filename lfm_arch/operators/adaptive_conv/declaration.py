"""Adaptive convolution: a causal token mixer whose taps are generated from features of the input.

    u     = W_in x                                        num_heads heads of head_dim channels
    w_t   = P c_t + b                                     kernel_size taps for each head, for each token
    y_t   = W_out (sum over k of  w_t[k] * u_(t-k))       the channels of a head share its taps

Given the features this is a banded Toeplitz-like matrix over tokens, so it really moves information between them;
at first every token hears itself only, and training opens the band.

Source: the form without softmax of dynamic convolution, Wu et al., arXiv:1901.10430.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Role
from lfm_arch.operators.condition import Conditioned, OwnCondition, TakenCondition

if TYPE_CHECKING:
    from lfm_arch.operators.adaptive_conv.module import AdaptiveConvModule


class _AdaptiveConv(Conditioned):
    """What the operator declares wherever its features come from."""

    kernel_size: Annotated[int, Field(ge=2)]
    """Tokens the convolution sees, the token itself included."""
    num_heads: Annotated[int, Field(ge=1)]
    """Groups of channels with taps of their own."""
    head_dim: Annotated[int, Field(ge=1)]

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)

    def cost(self, width: int, work: Workload) -> Cost:
        size, vectors = self.source.size, self.source.vectors(work)
        inner, taps = self.num_heads * self.head_dim, self.num_heads * self.kernel_size
        weights = 2 * width * inner
        params = weights + size * taps + taps
        return self.source.cost(width, work) + Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions + 2 * size * taps * vectors,
            mixing_flops=2 * inner * self.kernel_size * work.positions,
            touched_params=params,
            state_traffic=2 * inner * (self.kernel_size - 1) * work.batch,
            activations=2 * inner * work.positions + taps * vectors,
            kernels=5,
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        inner = self.num_heads * self.head_dim
        return (StateSlot("window", ("batch", inner, self.kernel_size - 1)), *super().state(width))

    def build(self, width: int) -> "AdaptiveConvModule":
        from lfm_arch.operators.adaptive_conv.module import AdaptiveConvModule

        return AdaptiveConvModule(
            width,
            self.kernel_size,
            self.num_heads,
            self.head_dim,
            self.source.size,
            self.source.build(width),
        )


class AdaptiveConv(_AdaptiveConv, OwnCondition):
    """`{type: adaptive_conv, kernel_size: 4, num_heads: 8, head_dim: 64, condition: {type: token, size: 64}}`."""

    type: Literal["adaptive_conv"] = "adaptive_conv"

    def _reading(self, **fields: Any) -> "SharedAdaptiveConv":
        return SharedAdaptiveConv(**fields)


class SharedAdaptiveConv(_AdaptiveConv, TakenCondition):
    """An adaptive convolution with the features of an earlier layer."""

    type: Literal["shared_adaptive_conv"] = "shared_adaptive_conv"
