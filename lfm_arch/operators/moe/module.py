"""The running mixture of experts. Axes: B batch, T tokens, P = B * T, D width, E experts."""

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from lfm_arch.parts.activation import ACTIVATIONS
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.experts import visit
from lfm_arch.parts.router import choose

if TYPE_CHECKING:
    from lfm_arch.operators.moe.declaration import MoE

_STD = 0.02


class MoEModule(OperatorModule):
    """The running `MoE`; leaves `router_logits` in the context for balancing losses."""

    writes = ("down_proj", "shared_down_proj")
    selection_bias: Tensor | None

    def __init__(self, declared: "MoE", width: int) -> None:
        super().__init__()
        experts, hidden, shared = declared.num_experts, declared.intermediate_size, declared.shared_width
        self.experts_per_token = declared.experts_per_token
        self.score: Literal["softmax", "sigmoid"] = declared.router
        self.normalize_weights = declared.normalize_weights
        self.scale = declared.scale
        self.activation = ACTIVATIONS["silu" if declared.expert == "swiglu" else "gelu"]
        self.router = nn.Linear(width, experts, bias=False)
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * hidden, width))
        self.down_proj = nn.Parameter(torch.empty(experts, width, hidden))
        for weight in (self.gate_up_proj, self.down_proj):
            nn.init.normal_(weight, std=_STD)
        bias = torch.zeros(experts, dtype=torch.float32) if declared.selection_bias else None
        self.register_buffer("selection_bias", bias)
        self.shared_gate_proj = nn.Linear(width, shared, bias=False) if shared else None
        self.shared_up_proj = nn.Linear(width, shared, bias=False) if shared else None
        self.shared_down_proj = nn.Linear(shared, width, bias=False) if shared else None

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        """Send every token to its experts."""
        del state
        x_PD = x_BTD.flatten(0, 1)
        logits_PE = self.router(x_PD)
        context.observe("router_logits", logits_PE)
        weights_PC, chosen_PC = choose(
            logits_PE,
            self.experts_per_token,
            score=self.score,
            bias_E=self.selection_bias,
            normalize=self.normalize_weights,
            scale=self.scale,
        )
        y_PD = visit(x_PD, weights_PC, chosen_PC, self.gate_up_proj, self.down_proj, self.activation)
        if self.shared_gate_proj is not None:
            y_PD = y_PD + self._shared(x_PD)
        return y_PD.view_as(x_BTD)

    def _shared(self, x_PD: Tensor) -> Tensor:
        assert self.shared_gate_proj is not None
        assert self.shared_up_proj is not None
        assert self.shared_down_proj is not None
        return self.shared_down_proj(self.activation(self.shared_gate_proj(x_PD)) * self.shared_up_proj(x_PD))
