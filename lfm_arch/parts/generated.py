"""Linear maps whose whole weight is made for each sequence from its features, without a loop over sequences.

Axes: B batch, T tokens, D input, F output, C features, E experts; EC and FD are two axes in one.
"""

from math import sqrt

import torch
from torch import Tensor, nn


class GeneratedLinear(nn.Module):
    """`y = (W + G c) x + b`, with `G c` a matrix for each sequence."""

    def __init__(self, in_features: int, out_features: int, size: int, *, bias: bool) -> None:
        super().__init__()
        self.base = nn.Linear(in_features, out_features, bias=bias)
        self.generator = nn.Linear(size, out_features * in_features, bias=False)

    def forward(self, x_BTD: Tensor, condition_BC: Tensor) -> Tensor:
        """Map each sequence by its own matrix."""
        weight_BFD = self.base.weight + self.generator(condition_BC).unflatten(-1, self.base.weight.shape)
        return _map(x_BTD, weight_BFD, self.base.bias)


class GeneratedExperts(nn.Module):
    """`y = sum_e g_e ((W_e + G_e c) x + b_e)` with `g = softmax(R c)`.

    The experts are linear, so their weights are mixed instead of their answers: one matrix for each sequence, however
    many experts there are.
    """

    def __init__(self, in_features: int, out_features: int, size: int, num_experts: int, *, bias: bool) -> None:
        super().__init__()
        self.shape = (out_features, in_features)
        self.gate = nn.Linear(size, num_experts)
        matrix = out_features * in_features
        self.base = nn.Parameter(torch.empty(num_experts, matrix))
        self.generator = nn.Parameter(torch.empty(num_experts * size, matrix))
        self.bias = nn.Parameter(torch.zeros(num_experts, out_features)) if bias else None
        nn.init.normal_(self.base, std=1 / sqrt(3 * in_features))
        nn.init.normal_(self.generator, std=1 / sqrt(3 * size * in_features))

    def forward(self, x_BTD: Tensor, condition_BC: Tensor) -> Tensor:
        """Map each sequence by its own mixture of the experts."""
        gate_BE = self.gate(condition_BC).softmax(-1)
        gated_BEC = gate_BE[:, :, None] * condition_BC[:, None]
        weight_BFD = (gate_BE @ self.base + gated_BEC.flatten(1) @ self.generator).unflatten(-1, self.shape)
        return _map(x_BTD, weight_BFD, None if self.bias is None else (gate_BE @ self.bias)[:, None])


def _map(x_BTD: Tensor, weight_BFD: Tensor, bias: Tensor | None) -> Tensor:
    y_BTF = torch.bmm(x_BTD, weight_BFD.transpose(1, 2))
    return y_BTF if bias is None else y_BTF + bias
