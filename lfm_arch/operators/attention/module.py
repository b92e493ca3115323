"""The running attention. Axes: B batch, T tokens, D width, N heads, G key/value heads, H head_dim, S seen positions."""

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lfm_arch.parts.attention import attend
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.kv_cache import extend, slide
from lfm_arch.parts.norm import RMSNormModule
from lfm_arch.parts.rope import Rotary, rotate

if TYPE_CHECKING:
    from lfm_arch.operators.attention.declaration import Attention, SharedKVAttention

KV = tuple[Tensor, Tensor]
"""Keys and values of the last S positions, `[B, G, S, H]`."""


class _Queries(OperatorModule):
    """The half of attention that asks: queries, gate and output."""

    writes = ("out_proj",)

    def __init__(self, declared: "Attention | SharedKVAttention", width: int) -> None:
        super().__init__()
        heads, head_dim = declared.num_heads, declared.head_dim
        self.head_dim = head_dim
        self.scale = head_dim**-0.5 if declared.scale is None else declared.scale
        self.window_size = declared.window_size
        self.causal = declared.causal
        self.rotary = None
        if declared.rope is not None:
            self.rotary = Rotary(head_dim, declared.rope.theta, declared.rope.fraction, declared.rope.type)
        self.q_proj = nn.Linear(width, heads * head_dim, bias=declared.qkv_bias)
        self.out_proj = nn.Linear(heads * head_dim, width, bias=declared.out_bias)
        self.q_norm = None if declared.qk_norm is None else RMSNormModule(head_dim, declared.qk_norm_eps)
        self.gate_proj = None if declared.gate is None else nn.Linear(width, heads, bias=False)

    def _placed(self, flat_BTX: Tensor, norm: RMSNormModule | None, context: Context) -> Tensor:
        """Split queries or keys into heads, norm them, turn them to their positions: `[B, heads, T, H]`."""
        x_BTNH = flat_BTX.unflatten(-1, (-1, self.head_dim))
        if norm is not None:
            x_BTNH = norm(x_BTNH)
        if self.rotary is not None:
            x_BTNH = rotate(x_BTNH, self.rotary.table(context))
        return x_BTNH.transpose(1, 2)

    def ask(self, x_BTD: Tensor, context: Context, kv: KV) -> Tensor:
        """Mix the values that the queries of `x_BTD` see."""
        q_BNTH = self._placed(self.q_proj(x_BTD), self.q_norm, context)
        y_BNTH = attend(q_BNTH, *kv, context, scale=self.scale, window_size=self.window_size, causal=self.causal)
        y_BTNH = y_BNTH.transpose(1, 2)
        if self.gate_proj is not None:
            y_BTNH = y_BTNH * self.gate_proj(x_BTD).sigmoid()[..., None]
        return self.out_proj(y_BTNH.flatten(2))


class AttentionModule(_Queries):
    """The running `Attention`."""

    def __init__(self, declared: "Attention", width: int) -> None:
        super().__init__(declared, width)
        keys = declared.num_kv_heads * declared.head_dim
        self.k_proj = nn.Linear(width, keys, bias=declared.qkv_bias)
        self.v_proj = nn.Linear(width, keys, bias=declared.qkv_bias)
        self.k_norm = None if declared.qk_norm is None else RMSNormModule(declared.head_dim, declared.qk_norm_eps)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None, kv: KV | None = None) -> Tensor:
        """Mix `x_BTD` along T; `kv`, if given, is what `share` returned for the same input."""
        if kv is None:
            kv = self._keys_and_values(x_BTD, context, state)
        return self.ask(x_BTD, context, kv)

    def share(self, x_BTD: Tensor, context: Context, state: State | None = None) -> dict[str, Any]:
        return {"kv": self._keys_and_values(x_BTD, context, state)}

    def _keys_and_values(self, x_BTD: Tensor, context: Context, state: State | None) -> KV:
        k_BGTH = self._placed(self.k_proj(x_BTD), self.k_norm, context)
        v_BGTH = self.v_proj(x_BTD).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        if not state:
            return k_BGTH, v_BGTH
        return self._seen(state["key"], k_BGTH, context), self._seen(state["value"], v_BGTH, context)

    def _seen(self, slot_BGSH: Tensor, new_BGTH: Tensor, context: Context) -> Tensor:
        if self.window_size is None:
            return extend(slot_BGSH, new_BGTH, context.past)
        ordered = new_BGTH.shape[2] > 1 or context.mask_BS is not None
        return slide(slot_BGSH, new_BGTH, context.past, ordered=ordered)


class SharedKVAttentionModule(_Queries):
    """The running `SharedKVAttention`."""

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None, *, kv: KV) -> Tensor:
        """Mix the values of an earlier layer; `state` stays untouched, there is none."""
        del state
        return self.ask(x_BTD, context, kv)
