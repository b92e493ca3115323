"""The running Mamba-2 layer.

Axes: B batch, T tokens, D width, N heads, H head_dim, G groups, K state size (rows of the memory).
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.parts.causal_conv import causal_conv
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.scan import scan_heads

if TYPE_CHECKING:
    from lfm_arch.operators.mamba2.declaration import Mamba2

_LOG_STEPS = -3.0, -1.0
"""Decimal logarithms of the first and the last head's step size before training; the authors draw from this range."""


class Mamba2Module(OperatorModule):
    """The running `Mamba2`."""

    writes = ("out_proj",)

    def __init__(self, declared: "Mamba2", width: int) -> None:
        super().__init__()
        heads = declared.num_heads
        self.num_heads, self.num_groups, self.inner = heads, declared.num_groups, declared.inner
        self.split = [declared.inner, declared.convolved, heads]
        self.parts = [declared.inner, *[declared.num_groups * declared.state_size] * 2]
        self.in_proj = nn.Linear(width, sum(self.split), bias=declared.bias)
        self.conv = nn.Conv1d(
            declared.convolved,
            declared.convolved,
            declared.kernel_size,
            groups=declared.convolved,
            bias=declared.conv_bias,
        )
        steps = torch.logspace(*_LOG_STEPS, heads)
        # softplus undone, so that the steps before training are these
        self.dt_bias = nn.Parameter(steps + (-torch.expm1(-steps)).log())
        self.A_log = nn.Parameter(torch.arange(1, heads + 1, dtype=torch.float32).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = GatedNorm(declared.inner, declared.num_groups, declared.eps)
        self.out_proj = nn.Linear(declared.inner, width, bias=declared.bias)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T: the last tokens through the filter, all earlier ones through the memory."""
        gate_BTX, u_BTX, step_BTN = self.in_proj(x_BTD).split(self.split, dim=-1)
        step_BTN = F.softplus(step_BTN.float() + self.dt_bias.float())
        if context.new_mask_BT is not None:
            real_BT1 = context.new_mask_BT[..., None]
            # a step of no size forgets nothing and writes nothing
            u_BTX, step_BTN = u_BTX * real_BT1.to(u_BTX.dtype), step_BTN * real_BT1
        u_BTX = F.silu(causal_conv(u_BTX, self.conv.weight, self.conv.bias, state, "window"))
        v_BTX, k_BTX, q_BTX = u_BTX.split(self.parts, dim=-1)
        v_BTNH = v_BTX.unflatten(-1, (self.num_heads, -1))
        memory = None if state is None else state["memory"]
        y_BTNH, after_BNKH = scan_heads(
            q_BTX.unflatten(-1, (self.num_groups, -1)),
            k_BTX.unflatten(-1, (self.num_groups, -1)),
            v_BTNH.float() * step_BTN[..., None],
            -step_BTN * self.A_log.float().exp(),
            memory,
        )
        if memory is not None:
            memory.copy_(after_BNKH)
        y_BTNH = y_BTNH + v_BTNH * self.D[:, None]
        return self.out_proj(self.norm(y_BTNH.flatten(2), gate_BTX))


class GatedNorm(nn.Module):
    """Root-mean-square norm of gated values, over each group; float32 inside, in the gate's format outside."""

    def __init__(self, size: int, num_groups: int, eps: float) -> None:
        super().__init__()
        self.num_groups, self.eps = num_groups, eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, y_BTX: Tensor, gate_BTX: Tensor) -> Tensor:
        gated = (y_BTX.float() * F.silu(gate_BTX.float())).unflatten(-1, (self.num_groups, -1))
        return self.weight * F.rms_norm(gated, gated.shape[-1:], eps=self.eps).flatten(-2).to(gate_BTX.dtype)
