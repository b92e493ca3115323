"""Softmax attention with grouped key/value heads, the global mixer of LFM2 and LFM3.

    q, k, v = rope(norm(W_q x)), rope(norm(W_k x)), W_v x      norm and rope where declared
    y       = W_out (gate * softmax(scale q k^T + mask) v)      gate = sigmoid(W_g x), one number a head, where declared

`num_heads / num_kv_heads` query heads share one key/value head. A window keeps the last `window_size` tokens, the token
itself included, so its cache stops growing.

Sources: Vaswani et al., arXiv:1706.03762; grouped heads, Ainslie et al., arXiv:2305.13245; rotary positions, Su et al.,
arXiv:2104.09864. Weights as in Hugging Face `Lfm2Attention` and `Lfm3Attention`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Part, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.attention.module import AttentionModule, SharedKVAttentionModule

_EPS = 1e-5
Positive = Annotated[int, Field(ge=1)]


class Rope(Part):
    """Rotary position embedding: `rope: {theta: 1.0e+6}`."""

    type: Literal["default", "proportional"] = "default"
    """Which dimensions turn when `fraction` is below 1, and how fast.

    `default`: the first `fraction` of the head turns like a head of that size, the rest not at all.
    `proportional`: all of the head is paired and turns at the speeds of a whole head, the slow pairs not at all.
    """
    theta: Annotated[float, Field(gt=0)]
    """Base of the wavelengths."""
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Part of the head that carries a position."""

    def rotary_dim(self, head_dim: int) -> float:
        """Dimensions of a head that turn; legal when it is even."""
        return self.fraction * head_dim


class _Attention(Operator):
    """What attention declares whether its keys and values are its own or an earlier layer's."""

    num_heads: Positive
    num_kv_heads: Positive
    """Key/value heads; each serves `num_heads / num_kv_heads` query heads."""
    head_dim: Positive
    qk_norm: Literal["rms"] | None = None
    """Norm over `head_dim` on queries and keys, before they are rotated."""
    qk_norm_eps: Annotated[float, Field(gt=0, lt=1)] = _EPS
    rope: Rope | None = None
    """Rotary positions; null for none (NoPE)."""
    window_size: Annotated[int, Field(ge=2)] | None = None
    """Tokens that a token sees at most, itself included; null for all."""
    gate: Literal["per_head"] | None = None
    """Sigmoid of a projection of the input that scales each head's output."""
    qkv_bias: bool = False
    out_bias: bool = False
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor on the scores; null for `head_dim ** -0.5`."""
    direction: Literal["causal", "bidirectional"] = "causal"
    """`bidirectional` sees later tokens too: for encoders, cannot decode."""

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)

    @property
    def causal(self) -> bool:
        return self.direction == "causal"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.num_heads % self.num_kv_heads:
            divisors = [n for n in range(1, self.num_heads + 1) if self.num_heads % n == 0]
            raise refuse(
                "E230",
                "num_kv_heads",
                f"num_kv_heads={self.num_kv_heads} does not divide num_heads={self.num_heads}",
                because="each key/value head serves num_heads / num_kv_heads query heads, a whole number",
                help=f"use one of {', '.join(map(str, divisors))}",
            )
        if self.rope is not None and self.rope.rotary_dim(self.head_dim) % 2:
            raise refuse(
                "E231",
                "rope",
                f"{self.rope.rotary_dim(self.head_dim):g} of head_dim={self.head_dim} dimensions cannot be rotated",
                because="a rotation turns pairs of dimensions, so fraction * head_dim is an even number",
                help="choose an even head_dim and a fraction that keeps an even part of it, or rope: null",
            )
        if self.window_size is not None and not self.causal:
            raise refuse(
                "E232",
                "window_size",
                f"window_size={self.window_size} with direction: bidirectional",
                because="a window counts the tokens before a token, a bidirectional layer sees those behind it too",
                help="leave out window_size, or write direction: causal",
            )
        if self.qk_norm is None and self.qk_norm_eps != _EPS:
            raise refuse(
                "E233",
                "qk_norm_eps",
                f"qk_norm_eps={self.qk_norm_eps:g} without qk_norm",
                because="a setting that nothing reads is a mistake",
                help="write qk_norm: rms, or leave out qk_norm_eps",
            )
        return self

    def agrees_on(self, feature: str) -> Mapping[str, object]:
        shared = ("num_kv_heads", "head_dim", "qk_norm", "qk_norm_eps", "rope", "window_size", "direction")
        return {name: getattr(self, name) for name in shared} if feature == "kv" else super().agrees_on(feature)

    @abstractmethod
    def _weights(self, width: int) -> int:
        """Count the entries of the projection matrices."""

    def _visible(self, work: Workload) -> int:
        """Positions of one sequence whose key and value the pass reads."""
        return work.context if self.window_size is None else min(work.context, self.window_size - 1 + work.tokens)

    def _cost(self, width: int, work: Workload, *, params: int, rotated: int, kernels: int, written: int) -> Cost:
        """Count; `rotated` heads are normed and rotated here, `written` elements a kept position go to the cache."""
        stepwise = 2 * rotated * self.head_dim * ((self.qk_norm is not None) + (self.rope is not None))
        if self.gate is not None:
            stepwise += 2 * self.num_heads * (self.head_dim + 1)
        kept = work.tokens if self.window_size is None else min(work.tokens, self.window_size - 1)
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * self._weights(width) * work.positions,
            mixing_flops=4 * self.num_heads * self.head_dim * work.pairs(self.window_size, causal=self.causal),
            touched_params=params,
            cache_read=2 * self.num_kv_heads * self.head_dim * self._visible(work) * work.batch * self.causal,
            cache_write=written * kept * work.batch * self.causal,
            activations=stepwise * work.positions,
            kernels=kernels + 3 * (self.gate is not None),
        )


class Attention(_Attention):
    """Attention with keys and values of its own."""

    type: Literal["attention"] = "attention"

    computes: ClassVar[tuple[str, ...]] = ("kv",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        family: {
            "q_proj": "self_attn.q_proj",
            "k_proj": "self_attn.k_proj",
            "v_proj": "self_attn.v_proj",
            "out_proj": "self_attn.out_proj",
            "q_norm": "self_attn.q_layernorm",
            "k_norm": "self_attn.k_layernorm",
        }
        for family in ("lfm2", "lfm2_moe")
    } | {
        family: {
            "q_proj": "self_attn.q_proj",
            "k_proj": "self_attn.k_proj",
            "v_proj": "self_attn.v_proj",
            "out_proj": "self_attn.o_proj",
            "q_norm": "self_attn.q_norm",
            "k_norm": "self_attn.k_norm",
            "gate_proj": "self_attn.g_proj",
        }
        for family in ("lfm3", "llama", "mistral", "mixtral", "qwen3", "qwen3_moe")
    }

    def _weights(self, width: int) -> int:
        heads = 2 * self.num_heads + 2 * self.num_kv_heads  # queries and output, keys and values
        return width * (heads * self.head_dim + self.num_heads * (self.gate is not None))

    def cost(self, width: int, work: Workload) -> Cost:
        qkv = (self.num_heads + 2 * self.num_kv_heads) * self.head_dim
        params = self._weights(width) + self.qkv_bias * qkv + self.out_bias * width
        if self.qk_norm is not None:
            params += 2 * self.head_dim
        return self._cost(
            width,
            work,
            params=params,
            rotated=self.num_heads + self.num_kv_heads,
            kernels=7 + 2 * (self.qk_norm is not None) + 2 * (self.rope is not None),
            written=2 * self.num_kv_heads * self.head_dim,
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        if not self.causal:
            return ()
        shape = ("batch", self.num_kv_heads, "context", self.head_dim)
        limit = None if self.window_size is None else self.window_size - 1
        return (StateSlot("key", shape, limit), StateSlot("value", shape, limit))

    def reader(self, feature: str) -> "Operator":
        if feature != "kv":
            return super().reader(feature)
        return SharedKVAttention(**{name: getattr(self, name) for name in type(self).model_fields if name != "type"})

    def build(self, width: int) -> "AttentionModule":
        from lfm_arch.operators.attention.module import AttentionModule

        return AttentionModule(self, width)


class SharedKVAttention(_Attention):
    """Attention that reads the keys and values of an earlier layer; it projects queries only and remembers nothing.

    Heads, window and rotation must be those of the layer it reads. Source: Brandon et al., arXiv:2405.12981.
    """

    type: Literal["shared_kv_attention"] = "shared_kv_attention"

    takes: ClassVar[tuple[str, ...]] = ("kv",)

    def _weights(self, width: int) -> int:
        return width * self.num_heads * (2 * self.head_dim + (self.gate is not None))

    def cost(self, width: int, work: Workload) -> Cost:
        params = self._weights(width) + self.qkv_bias * self.num_heads * self.head_dim + self.out_bias * width
        if self.qk_norm is not None:
            params += self.head_dim
        return self._cost(
            width,
            work,
            params=params,
            rotated=self.num_heads,
            kernels=3 + (self.qk_norm is not None) + (self.rope is not None),
            written=0,
        )

    def build(self, width: int) -> "SharedKVAttentionModule":
        from lfm_arch.operators.attention.module import SharedKVAttentionModule

        return SharedKVAttentionModule(self, width)
