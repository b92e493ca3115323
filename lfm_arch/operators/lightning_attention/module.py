"""The running lightning attention. Axes: B batch, T tokens, D width, N heads, H head_dim."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.gated_norm import GatedNorm
from lfm_arch.parts.scan import scan_heads

if TYPE_CHECKING:
    from lfm_arch.operators.lightning_attention.declaration import LightningAttention


class LightningAttentionModule(OperatorModule):
    """The running `LightningAttention`."""

    writes = ("out_proj",)

    def __init__(self, declared: "LightningAttention", width: int) -> None:
        super().__init__()
        self.num_heads, self.decay_scale = declared.num_heads, declared.decay_scale
        inner = declared.num_heads * declared.head_dim
        self.qkv_proj = nn.Linear(width, 3 * inner, bias=False)
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.norm = GatedNorm(inner, declared.eps, gate="sigmoid")
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T, all earlier tokens through the memory."""
        q_BTNH, k_BTNH, v_BTNH = F.silu(self.qkv_proj(x_BTD)).unflatten(-1, (self.num_heads, -1)).chunk(3, dim=-1)
        nth_N = torch.arange(1, self.num_heads + 1, device=x_BTD.device, dtype=torch.float32)
        log_decay_N = -self.decay_scale * torch.exp2(nth_N * (-8 / self.num_heads))
        log_decay_BTN = log_decay_N.expand(*q_BTNH.shape[:3])
        if context.new_mask_BT is not None:
            real_BT1 = context.new_mask_BT[..., None]
            k_BTNH, log_decay_BTN = k_BTNH * real_BT1[..., None].to(k_BTNH.dtype), log_decay_BTN * real_BT1
        memory = None if state is None else state["memory"]
        y_BTNH, after_BNHH = scan_heads(q_BTNH, k_BTNH, v_BTNH, log_decay_BTN, memory)
        if memory is not None:
            memory.copy_(after_BNHH)
        return self.out_proj(self.norm(y_BTNH.flatten(2), self.gate_proj(x_BTD)))
