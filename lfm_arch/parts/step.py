"""How the step sizes and rates of forgetting of a recurrence start."""

import torch
from torch import Tensor

_LOG_RANGE = -3.0, -1.0
"""Decimal logarithms of the first and the last step before training; the authors draw from this range."""
_FASTEST = 16.0


def first_step_bias(count: int) -> Tensor:
    """Return a bias of which softplus() is a step size from 0.001 to 0.1, evenly spread over their logarithms."""
    steps = torch.logspace(*_LOG_RANGE, count)
    return steps + (-torch.expm1(-steps)).log()


def first_rates(count: int) -> Tensor:
    """Return the logarithms of rates of forgetting from 1 to 16; the authors of delta rule layers draw up to there."""
    return torch.linspace(1.0, _FASTEST, count).log()
