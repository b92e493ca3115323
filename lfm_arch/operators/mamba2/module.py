"""The running Mamba-2 layer.

Axes: B batch, T tokens, D width, N heads, H head_dim, G groups, K state size (rows of the memory).
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.parts.causal_conv import causal_conv
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.gated_norm import GatedNorm
from lfm_arch.parts.scan import scan_heads
from lfm_arch.parts.step import first_step_bias

if TYPE_CHECKING:
    from lfm_arch.operators.mamba2.declaration import Mamba2


class Mamba2Module(OperatorModule):
    """The running `Mamba2`."""

    writes = ("out_proj",)

    def __init__(self, declared: "Mamba2", width: int) -> None:
        super().__init__()
        heads = declared.num_heads
        self.num_heads, self.num_groups, self.min_step = heads, declared.num_groups, declared.min_step
        self.projected, self.multipliers = declared.projected, declared.multipliers
        self.split = [declared.inner, declared.convolved, heads]
        self.in_proj = nn.Linear(width, sum(self.split), bias=declared.bias)
        self.conv = nn.Conv1d(
            declared.convolved,
            declared.convolved,
            declared.kernel_size,
            groups=declared.convolved,
            bias=declared.conv_bias,
        )
        self.dt_bias = nn.Parameter(first_step_bias(heads))
        self.A_log = nn.Parameter(torch.arange(1, heads + 1, dtype=torch.float32).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = None
        if declared.norm is not None:
            groups = declared.num_groups
            self.norm = GatedNorm(declared.inner, declared.eps, order=declared.norm, num_groups=groups)
        self.out_proj = nn.Linear(declared.inner, width, bias=declared.bias)

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Mix `x_BTD` along T: the last tokens through the filter, all earlier ones through the memory."""
        gate_BTX, u_BTX, step_BTN = self._projected(x_BTD, context).split(self.split, dim=-1)
        step_BTN = F.softplus(step_BTN.float() + self.dt_bias.float())
        if self.min_step:
            step_BTN = step_BTN.clamp(min=self.min_step)
        if context.new_mask_BT is not None:
            real_BT1 = context.new_mask_BT[..., None]
            # a step of no size forgets nothing and writes nothing
            u_BTX, step_BTN = u_BTX * real_BT1.to(u_BTX.dtype), step_BTN * real_BT1
        u_BTX = F.silu(causal_conv(u_BTX, self.conv.weight, self.conv.bias, state, "window"))
        v_BTX, k_BTX, q_BTX = u_BTX.split(self.projected[1:4], dim=-1)
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
        if self.norm is not None:
            return self.out_proj(self.norm(y_BTNH.flatten(2), gate_BTX))
        return self.out_proj((y_BTNH.flatten(2) * F.silu(gate_BTX)).to(x_BTD.dtype))

    def _projected(self, x_BTD: Tensor, context: Context) -> Tensor:
        factors, sizes = self.multipliers, self.projected
        if factors is None:
            return self.in_proj(x_BTD)

        def row() -> Tensor:
            each = (factors.gate, factors.value, factors.key, factors.query, factors.step)
            return torch.cat([x_BTD.new_full((size,), factor) for size, factor in zip(sizes, each, strict=True)])

        return self.in_proj(x_BTD * factors.input) * context.once((factors, sizes), row)
