"""Kimi delta attention: the gated delta rule in which every row of the memory forgets at a pace of its own.

    q, k, v   = split(silu(conv_K(W_q x, W_k x, W_v x)))      queries and keys of length 1
    a         = exp(-exp(A) softplus(W_2 W_1 x + bias))       how much of each row stays, per key dimension
    beta      = sigmoid(W_b x)
    S'        = diag(a_t) S_(t-1)
    S_t       = S' + k_t beta_t (v_t - S'^T k_t)^T            the memory, one matrix a head
    y         = W_out (norm(S^T q / sqrt(head_dim)) * sigmoid(W_4 W_3 x))

Source: Kimi Team, arXiv:2510.26692. Weights as in Hugging Face `KimiLinearDeltaAttention`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.kimi_delta_attention.module import KimiDeltaAttentionModule

Positive = Annotated[int, Field(ge=1)]


class KimiDeltaAttention(Operator):
    """`{type: kimi_delta_attention, num_heads: 32, head_dim: 128}`."""

    type: Literal["kimi_delta_attention"] = "kimi_delta_attention"
    num_heads: Positive
    head_dim: Positive
    """Numbers of a query, a key and a value."""
    kernel_size: Annotated[int, Field(ge=2)] = 4
    """Tokens the convolution sees, the token itself included."""
    gate_rank: Positive | None = None
    """Rank of the maps from the stream to the decays and to the output gate; null for `head_dim`."""
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    """Of the norm over each head's output."""

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        "kimi_linear": {
            "q_proj": "self_attn.q_proj",
            "k_proj": "self_attn.k_proj",
            "v_proj": "self_attn.v_proj",
            "conv": "self_attn.conv1d",
            "decay_down_proj": "self_attn.forget_gate.f_a_proj",
            "decay_up_proj": "self_attn.forget_gate.f_b_proj",
            "dt_bias": "self_attn.forget_gate.dt_bias",
            "A_log": "self_attn.forget_gate.A_log",
            "write_proj": "self_attn.b_proj",
            "gate_down_proj": "self_attn.g_a_proj",
            "gate_up_proj": "self_attn.g_b_proj",
            "norm": "self_attn.o_norm",
            "out_proj": "self_attn.o_proj",
        }
    }

    @property
    def inner(self) -> int:
        """Numbers of all heads' values."""
        return self.num_heads * self.head_dim

    @property
    def rank(self) -> int:
        return self.gate_rank or self.head_dim

    def cost(self, width: int, work: Workload) -> Cost:
        inner, heads = self.inner, self.num_heads
        # queries, keys, values and output; decays and output gate; beta
        weights = 4 * width * inner + 2 * self.rank * (width + inner) + width * heads
        params = weights + 3 * inner * self.kernel_size + inner + heads + self.head_dim
        memory = inner * self.head_dim
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            # the filter; what the memory knows, an outer product written, a vector read
            mixing_flops=(6 * inner * self.kernel_size + 6 * memory) * work.positions,
            touched_params=params,
            state_traffic=2 * (memory + 3 * inner * (self.kernel_size - 1)) * work.batch,
            # silu after the filter, lengths of queries and keys, decays, norm and gate
            activations=(6 + 4 + 4 + 5) * inner * work.positions,
            kernels=24,
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return (
            StateSlot("window", ("batch", 3 * self.inner, self.kernel_size - 1)),
            StateSlot("memory", ("batch", self.num_heads, self.head_dim, self.head_dim), precision="float32"),
        )

    def build(self, width: int) -> "KimiDeltaAttentionModule":
        from lfm_arch.operators.kimi_delta_attention.module import KimiDeltaAttentionModule

        return KimiDeltaAttentionModule(self, width)
