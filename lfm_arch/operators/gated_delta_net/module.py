"""The running gated delta net.

Axes: B batch, T tokens, D width, N heads, G groups of heads, H head_dim, K key size, X any.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.parts.causal_conv import causal_conv
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.delta import delta_heads, unit
from lfm_arch.parts.gated_norm import GatedNorm
from lfm_arch.parts.step import first_rates

if TYPE_CHECKING:
    from lfm_arch.operators.gated_delta_net.declaration import GatedDeltaNet


class GatedDeltaNetModule(OperatorModule):
    """The running `GatedDeltaNet`."""

    writes = ("out_proj",)

    def __init__(self, declared: "GatedDeltaNet", width: int) -> None:
        super().__init__()
        heads, self.streams, inner = declared.num_heads, declared.streams, declared.streams[-1]
        self.groups, self.key_size, self.head_dim = declared.groups, declared.key_size, declared.head_dim
        self.write_scale, self.by_head = declared.write_scale, declared.projections == "by_head"
        if self.by_head:
            self.in_proj_qkvz = nn.Linear(width, sum(self.streams) + inner, bias=False)
            self.in_proj_ba = nn.Linear(width, 2 * heads, bias=False)
        else:
            self.in_proj_qkv = nn.Linear(width, sum(self.streams), bias=False)
            self.in_proj_z = nn.Linear(width, inner, bias=False)
            self.in_proj_b = nn.Linear(width, heads, bias=False)
            self.in_proj_a = nn.Linear(width, heads, bias=False)
        channels = sum(self.streams)
        self.conv = nn.Conv1d(channels, channels, declared.kernel_size, groups=channels, bias=False)
        self.dt_bias = nn.Parameter(torch.ones(heads))
        self.A_log = nn.Parameter(first_rates(heads))
        self.norm = GatedNorm(declared.head_dim, declared.eps)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T: the last tokens through the filter, all earlier ones through the memory."""
        u_BTX, gate_BTNH, write_BTN, forget_BTN = self._projected(x_BTD)
        beta_BTN = write_BTN.float().sigmoid() * self.write_scale
        log_decay_BTN = -self.A_log.float().exp() * F.softplus(forget_BTN.float() + self.dt_bias.float())
        if context.new_mask_BT is not None:
            real_BT1 = context.new_mask_BT[..., None]
            u_BTX = u_BTX * real_BT1.to(u_BTX.dtype)
            beta_BTN, log_decay_BTN = beta_BTN * real_BT1, log_decay_BTN * real_BT1
        u_BTX = F.silu(causal_conv(u_BTX, self.conv.weight, self.conv.bias, state, "window"))
        q_BTX, k_BTX, v_BTX = u_BTX.split(self.streams, dim=-1)
        q_BTGK, k_BTGK = (unit(each.unflatten(-1, (self.groups, -1))) for each in (q_BTX, k_BTX))
        v_BTNH = v_BTX.unflatten(-1, (-1, self.head_dim))
        memory = None if state is None else state["memory"]
        y_BTNH, after_BNKH = delta_heads(q_BTGK * self.key_size**-0.5, k_BTGK, v_BTNH, log_decay_BTN, beta_BTN, memory)
        if memory is not None:
            memory.copy_(after_BNKH)
        return self.out_proj(self.norm(y_BTNH, gate_BTNH).flatten(2))

    def _projected(self, x_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return queries, keys and values side by side, the output gate, and before their squashing beta and decay."""
        if not self.by_head:
            gate_BTNH = self.in_proj_z(x_BTD).unflatten(-1, (-1, self.head_dim))
            return self.in_proj_qkv(x_BTD), gate_BTNH, self.in_proj_b(x_BTD), self.in_proj_a(x_BTD)
        values = self.streams[-1] // self.groups
        sizes = (self.key_size, self.key_size, values, values)
        q, k, v, gate = self.in_proj_qkvz(x_BTD).unflatten(-1, (self.groups, -1)).split(sizes, dim=-1)
        both = self.in_proj_ba(x_BTD).unflatten(-1, (self.groups, 2, -1))
        # not chunk(): its gradient is a concatenation, of whose strides a compiled graph thinks otherwise
        write, forget = both[..., 0, :], both[..., 1, :]
        u_BTX = torch.cat([q.flatten(2), k.flatten(2), v.flatten(2)], dim=-1)
        return u_BTX, gate.flatten(2).unflatten(-1, (-1, self.head_dim)), write.flatten(2), forget.flatten(2)
