"""The running Mamba layer. Axes: B batch, T tokens, D width, X channels that are mixed, K state size, R step rank."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.parts.causal_conv import causal_conv
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.norm import RMSNormModule
from lfm_arch.parts.selective_scan import selective_scan
from lfm_arch.parts.step import first_step_bias

if TYPE_CHECKING:
    from lfm_arch.operators.mamba.declaration import Mamba


class MambaModule(OperatorModule):
    """The running `Mamba`."""

    writes = ("out_proj",)

    def __init__(self, declared: "Mamba", width: int) -> None:
        super().__init__()
        inner = declared.intermediate_size
        self.low, self.norm, self.eps = declared.low, declared.norm, declared.norm_eps
        self.in_proj = nn.Linear(width, 2 * inner, bias=declared.bias)
        self.conv = nn.Conv1d(inner, inner, declared.kernel_size, groups=inner, bias=declared.conv_bias)
        self.x_proj = nn.Linear(inner, sum(self.low), bias=False)
        self.dt_proj = nn.Linear(declared.step_rank, inner)
        self.dt_proj.bias = nn.Parameter(first_step_bias(inner))
        rates_K = torch.arange(1, declared.state_size + 1, dtype=torch.float32)
        self.A_log = nn.Parameter(rates_K.log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        if declared.norm == "learned":
            self.dt_layernorm, self.b_layernorm, self.c_layernorm = (
                RMSNormModule(size, declared.norm_eps) for size in self.low
            )
        self.out_proj = nn.Linear(inner, width, bias=declared.bias)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T: the last tokens through the filter, all earlier ones through the memory."""
        u_BTX, gate_BTX = self.in_proj(x_BTD).chunk(2, dim=-1)
        if context.new_mask_BT is not None:
            u_BTX = u_BTX * context.new_mask_BT[..., None].to(u_BTX.dtype)
        u_BTX = F.silu(causal_conv(u_BTX, self.conv.weight, self.conv.bias, state, "window"))
        step_BTR, b_BTK, c_BTK = self._normed(*self.x_proj(u_BTX).split(self.low, dim=-1))
        step_BTX = F.softplus(F.linear(step_BTR, self.dt_proj.weight).float() + self.dt_proj.bias.float())
        if context.new_mask_BT is not None:
            # a step of no size forgets nothing and writes nothing
            step_BTX = step_BTX * context.new_mask_BT[..., None]
        memory = None if state is None else state["memory"]
        y_BTX, after_BXK = selective_scan(u_BTX, step_BTX, -self.A_log.float().exp(), b_BTK, c_BTK, memory)
        if memory is not None:
            memory.copy_(after_BXK)
        y_BTX = (y_BTX + u_BTX * self.D.float()) * F.silu(gate_BTX)
        return self.out_proj(y_BTX.to(x_BTD.dtype))

    def _normed(self, step_BTR: Tensor, b_BTK: Tensor, c_BTK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.norm == "learned":
            return self.dt_layernorm(step_BTR), self.b_layernorm(b_BTK), self.c_layernorm(c_BTK)
        if self.norm == "plain":
            return self._plain(step_BTR), self._plain(b_BTK), self._plain(c_BTK)
        return step_BTR, b_BTK, c_BTK

    def _plain(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), x.shape[-1:], eps=self.eps).to(x.dtype)
