"""The running gated linear attention. Axes: B batch, T tokens, D width, N heads, K key size, H head_dim."""

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.norm import RMSNormModule
from lfm_arch.parts.scan import scan_rows

if TYPE_CHECKING:
    from lfm_arch.operators.gated_linear_attention.declaration import GatedLinearAttention

_TEMPER = 16.0
"""Slows forgetting down: the decay of an undecided gate keeps 96 % a token."""


class GatedLinearAttentionModule(OperatorModule):
    """The running `GatedLinearAttention`."""

    writes = ("out_proj",)

    def __init__(self, declared: "GatedLinearAttention", width: int) -> None:
        super().__init__()
        self.num_heads, self.scale = declared.num_heads, declared.key_size**-0.5
        keys, values = declared.num_heads * declared.key_size, declared.num_heads * declared.head_dim
        self.q_proj = nn.Linear(width, keys, bias=False)
        self.k_proj = nn.Linear(width, keys, bias=False)
        self.v_proj = nn.Linear(width, values, bias=False)
        self.decay_down_proj = nn.Linear(width, declared.gate_rank, bias=False)
        self.decay_up_proj = nn.Linear(declared.gate_rank, keys)
        self.norm = RMSNormModule(declared.head_dim, declared.eps)
        self.gate_proj = nn.Linear(width, values, bias=False)
        self.out_proj = nn.Linear(values, width, bias=False)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T, all earlier tokens through the memory."""
        q_BTNK, k_BTNK, v_BTNH = (self._heads(proj(x_BTD)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        decay_BTNK = self._heads(self.decay_up_proj(self.decay_down_proj(x_BTD)))
        log_decay_BTNK = F.logsigmoid(decay_BTNK.float()) / _TEMPER
        if context.new_mask_BT is not None:
            real_BT11 = context.new_mask_BT[..., None, None].to(k_BTNK.dtype)
            k_BTNK, log_decay_BTNK = k_BTNK * real_BT11, log_decay_BTNK * real_BT11
        memory = None if state is None else state["memory"]
        y_BTNH, after_BNKH = scan_rows(q_BTNK * self.scale, k_BTNK, v_BTNH, log_decay_BTNK, memory)
        if memory is not None:
            memory.copy_(after_BNKH)
        return self.out_proj(self.norm(y_BTNH).flatten(2) * F.silu(self.gate_proj(x_BTD)))

    def _heads(self, x_BTX: Tensor) -> Tensor:
        return x_BTX.unflatten(-1, (self.num_heads, -1))
