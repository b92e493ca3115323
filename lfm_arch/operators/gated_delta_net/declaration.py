"""Gated delta net: linear attention that writes only what its memory does not know yet, and forgets by what it reads.

    q, k, v   = split(silu(conv_K(W x)))           queries and keys of length 1, shared by the heads of a group
    z, b, a   = W_z x, W_b x, W_a x                output gate, how much is written, how much is forgotten
    S'        = exp(-exp(A) softplus(a + bias)) S_(t-1)
    S_t       = S' + k_t beta (v_t - S'^T k_t)^T   beta = sigmoid(b): the memory, one matrix a head
    y         = W_out (norm(S^T q / sqrt(key size)) * silu(z))

Source: Yang et al., arXiv:2412.06464. Weights as in Hugging Face `Qwen3NextGatedDeltaNet` and `Qwen3_5GatedDeltaNet`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.gated_delta_net.module import GatedDeltaNetModule

Positive = Annotated[int, Field(ge=1)]


def _names(*projections: str) -> WeightNames:
    same = (*projections, "dt_bias", "A_log", "norm", "out_proj")
    return {name: f"linear_attn.{name}" for name in same} | {"conv": "linear_attn.conv1d"}


class GatedDeltaNet(Operator):
    """`{type: gated_delta_net, num_heads: 32, head_dim: 128, num_key_heads: 16}`."""

    type: Literal["gated_delta_net"] = "gated_delta_net"
    num_heads: Positive
    """Memories; each has values and an output gate of its own."""
    head_dim: Positive
    """Numbers of a value, the columns of a memory."""
    num_key_heads: Positive | None = None
    """Sets of queries and keys; each serves `num_heads / num_key_heads` heads. Null for one a head."""
    key_dim: Positive | None = None
    """Numbers of a query and a key, the rows of a memory; null for `head_dim`."""
    kernel_size: Annotated[int, Field(ge=2)] = 4
    """Tokens the convolution sees, the token itself included."""
    write_scale: Annotated[float, Field(gt=0, le=2)] = 1.0
    """Factor on beta. Up to 1 what a key is bound to is at most overwritten, above it can be turned round
    (arXiv:2411.12537)."""
    projections: Literal["by_head", "by_stream"] = "by_head"
    """How a checkpoint keeps them: two, each of whose rows go key head by key head (Qwen3-Next), or four (Qwen3.5)."""
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    """Of the norm over each head's output."""

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {"qwen3_next": _names("in_proj_qkvz", "in_proj_ba")} | {
        family: _names("in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a")
        for family in ("qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text")
    }

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.num_heads % self.groups:
            divisors = [n for n in range(1, self.num_heads + 1) if self.num_heads % n == 0]
            raise refuse(
                "E236",
                "num_key_heads",
                f"num_key_heads={self.groups} does not divide num_heads={self.num_heads}",
                because="each set of queries and keys serves num_heads / num_key_heads heads, a whole number",
                help=f"use one of {', '.join(map(str, divisors))}",
            )
        return self

    @property
    def groups(self) -> int:
        return self.num_key_heads or self.num_heads

    @property
    def key_size(self) -> int:
        return self.key_dim or self.head_dim

    @property
    def streams(self) -> tuple[int, int, int]:
        """Numbers of all queries, of all keys, of all values."""
        return self.groups * self.key_size, self.groups * self.key_size, self.num_heads * self.head_dim

    def cost(self, width: int, work: Workload) -> Cost:
        convolved, inner, heads = sum(self.streams), self.streams[-1], self.num_heads
        weights = width * (convolved + 2 * inner + 2 * heads)  # with the output gate and the output
        params = weights + convolved * self.kernel_size + 2 * heads + self.head_dim
        memory = heads * self.key_size * self.head_dim
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            # the filter; what the memory knows, an outer product written, a vector read
            mixing_flops=(2 * convolved * self.kernel_size + 6 * memory) * work.positions,
            touched_params=params,
            state_traffic=2 * (memory + convolved * (self.kernel_size - 1)) * work.batch,
            # silu after the filter, lengths of queries and keys, norm and gate
            activations=(2 * convolved + 4 * self.streams[0] + 5 * inner + 8 * heads) * work.positions,
            kernels=18 + 2 * (self.projections == "by_stream"),
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return (
            StateSlot("window", ("batch", sum(self.streams), self.kernel_size - 1)),
            StateSlot("memory", ("batch", self.num_heads, self.key_size, self.head_dim), precision="float32"),
        )

    def build(self, width: int) -> "GatedDeltaNetModule":
        from lfm_arch.operators.gated_delta_net.module import GatedDeltaNetModule

        return GatedDeltaNetModule(self, width)
