"""The running Kimi delta attention. Axes: B batch, T tokens, D width, N heads, H head_dim (also of keys), X any."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.parts.causal_conv import causal_conv
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.delta import delta_rows, unit
from lfm_arch.parts.gated_norm import GatedNorm
from lfm_arch.parts.step import first_rates, first_step_bias

if TYPE_CHECKING:
    from lfm_arch.operators.kimi_delta_attention.declaration import KimiDeltaAttention


class KimiDeltaAttentionModule(OperatorModule):
    """The running `KimiDeltaAttention`."""

    writes = ("out_proj",)

    def __init__(self, declared: "KimiDeltaAttention", width: int) -> None:
        super().__init__()
        inner, rank, heads = declared.inner, declared.rank, declared.num_heads
        self.num_heads, self.scale = heads, declared.head_dim**-0.5
        self.q_proj = nn.Linear(width, inner, bias=False)
        self.k_proj = nn.Linear(width, inner, bias=False)
        self.v_proj = nn.Linear(width, inner, bias=False)
        self.conv = nn.Conv1d(3 * inner, 3 * inner, declared.kernel_size, groups=3 * inner, bias=False)
        self.decay_down_proj = nn.Linear(width, rank, bias=False)
        self.decay_up_proj = nn.Linear(rank, inner, bias=False)
        self.dt_bias = nn.Parameter(first_step_bias(inner))
        self.A_log = nn.Parameter(first_rates(heads)[None, None, :, None])
        self.write_proj = nn.Linear(width, heads, bias=False)
        self.gate_down_proj = nn.Linear(width, rank, bias=False)
        self.gate_up_proj = nn.Linear(rank, inner, bias=False)
        self.norm = GatedNorm(declared.head_dim, declared.eps, gate="sigmoid")
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T: the last tokens through the filter, all earlier ones through the memory."""
        u_BTX = torch.cat([self.q_proj(x_BTD), self.k_proj(x_BTD), self.v_proj(x_BTD)], dim=-1)
        beta_BTN = self.write_proj(x_BTD).float().sigmoid()
        step_BTX = F.softplus(self.decay_up_proj(self.decay_down_proj(x_BTD)).float() + self.dt_bias.float())
        log_decay_BTNH = -self.A_log.float().exp() * self._heads(step_BTX)
        if context.new_mask_BT is not None:
            real_BT1 = context.new_mask_BT[..., None]
            u_BTX = u_BTX * real_BT1.to(u_BTX.dtype)
            beta_BTN, log_decay_BTNH = beta_BTN * real_BT1, log_decay_BTNH * real_BT1[..., None]
        u_BTX = F.silu(causal_conv(u_BTX, self.conv.weight, self.conv.bias, state, "window"))
        q_BTNH, k_BTNH, v_BTNH = (self._heads(each) for each in u_BTX.chunk(3, dim=-1))
        memory = None if state is None else state["memory"]
        y_BTNH, after_BNHH = delta_rows(
            unit(q_BTNH) * self.scale, unit(k_BTNH), v_BTNH, log_decay_BTNH, beta_BTN, memory
        )
        if memory is not None:
            memory.copy_(after_BNHH)
        gate_BTNH = self._heads(self.gate_up_proj(self.gate_down_proj(x_BTD)))
        return self.out_proj(self.norm(y_BTNH, gate_BTNH).flatten(2))

    def _heads(self, x_BTX: Tensor) -> Tensor:
        return x_BTX.unflatten(-1, (self.num_heads, -1))
