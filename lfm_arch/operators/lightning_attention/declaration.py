"""Lightning attention: linear attention whose heads forget at fixed paces, some within tokens, some over thousands.

    q, k, v   = split(silu(W x))
    S_t       = exp(-s_n) S_(t-1) + k_t v_t^T        the memory of head n, one matrix
    s_n       = decay_scale * 2^(-8 n / num_heads)   n = 1 ... num_heads
    y         = W_out (norm(q S) * sigmoid(W_g x))   the norm is over all heads

Source: Qin et al., arXiv:2401.04658; MiniMax, arXiv:2501.08313. Weights as in Hugging Face `MiniMaxLightningAttention`,
whose `decay_scale` falls along the stack: 1 - layer / (layers - 1), plus 1e-5.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.lightning_attention.module import LightningAttentionModule

Positive = Annotated[int, Field(ge=1)]


class LightningAttention(Operator):
    """`{type: lightning_attention, num_heads: 64, head_dim: 128}`."""

    type: Literal["lightning_attention"] = "lightning_attention"
    num_heads: Positive
    head_dim: Positive
    """Numbers of a query, a key and a value."""
    decay_scale: Annotated[float, Field(ge=0)] = 1.0
    """Factor on how fast all heads forget; at 0 they forget nothing."""
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    """Of the norm over all heads' outputs."""

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        "minimax": {
            "qkv_proj": "self_attn.qkv_proj",
            "gate_proj": "self_attn.output_gate",
            "norm": "self_attn.norm",
            "out_proj": "self_attn.out_proj",
        }
    }

    def cost(self, width: int, work: Workload) -> Cost:
        inner = self.num_heads * self.head_dim
        weights = 5 * width * inner  # queries, keys, values, gate, output
        params = weights + inner
        memory = inner * self.head_dim
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            # an outer product written, a vector read
            mixing_flops=4 * memory * work.positions,
            touched_params=params,
            state_traffic=2 * memory * work.batch,
            # silu, norm and gate
            activations=(6 + 5) * inner * work.positions,
            kernels=10,
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return (StateSlot("memory", ("batch", self.num_heads, self.head_dim, self.head_dim), precision="float32"),)

    def build(self, width: int) -> "LightningAttentionModule":
        from lfm_arch.operators.lightning_attention.module import LightningAttentionModule

        return LightningAttentionModule(self, width)
