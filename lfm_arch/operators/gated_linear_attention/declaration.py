"""Gated linear attention: attention without a softmax, whose memory has a fixed size and forgets by what it reads.

    q, k, v = W_q x, W_k x, W_v x
    a       = sigmoid(W_2 W_1 x + b) ** (1 / 16)         how much of each row of the memory stays, per key dimension
    S_t     = diag(a_t) S_(t-1) + k_t v_t^T              the memory, one matrix a head
    y       = W_out (norm(q S / sqrt(key size)) * silu(W_g x))

Source: Yang et al., arXiv:2312.06635. Keys are as wide as values unless `key_dim` says otherwise (the paper: half).
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role

if TYPE_CHECKING:
    from lfm_arch.operators.gated_linear_attention.module import GatedLinearAttentionModule

Positive = Annotated[int, Field(ge=1)]


class GatedLinearAttention(Operator):
    """`{type: gated_linear_attention, num_heads: 16, head_dim: 64}`."""

    type: Literal["gated_linear_attention"] = "gated_linear_attention"
    num_heads: Positive
    head_dim: Positive
    """Numbers of a value."""
    key_dim: Positive | None = None
    """Numbers of a query and a key, the rows of the memory; null for `head_dim`."""
    gate_rank: Positive = 16
    """Rank of the map from the stream to the decays."""
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """Of the norm over each head's output."""

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)

    @property
    def key_size(self) -> int:
        return self.key_dim or self.head_dim

    def cost(self, width: int, work: Workload) -> Cost:
        keys, values = self.num_heads * self.key_size, self.num_heads * self.head_dim
        # queries and keys, values and gate and output, decays
        weights = 2 * width * keys + 3 * width * values + self.gate_rank * (width + keys)
        params = weights + keys + self.head_dim
        memory = keys * self.head_dim
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            # an outer product written, a vector read
            mixing_flops=4 * memory * work.positions,
            touched_params=params,
            state_traffic=2 * memory * work.batch,
            # decays, norm, gate
            activations=(4 * keys + 5 * values) * work.positions,
            kernels=15,
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return (StateSlot("memory", ("batch", self.num_heads, self.key_size, self.head_dim), precision="float32"),)

    def build(self, width: int) -> "GatedLinearAttentionModule":
        from lfm_arch.operators.gated_linear_attention.module import GatedLinearAttentionModule

        return GatedLinearAttentionModule(self, width)
