"""Feature vectors that modulate operators, computed from the stream. Axes: B batch, T tokens, D width, C features."""

from typing import Any

import torch
from torch import Tensor, nn

from lfm_arch.parts.context import Context, OperatorModule, State


class ConditionModule(nn.Module):
    """Computes one feature vector for each token: `forward(x_BTD, context, state=None)` gives `[B, T, C]`."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, size)


class TokenConditionModule(ConditionModule):
    """A linear map of each token."""

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        del context, state
        return self.proj(x_BTD)


class RunningMeanConditionModule(ConditionModule):
    """A linear map of the mean of all real tokens so far, the token itself included."""

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        # summing in 16 bit would stop counting after a few hundred tokens
        accumulate = torch.promote_types(x_BTD.dtype, torch.float32)
        projected_BTC = nn.functional.linear(x_BTD, self.proj.weight).to(accumulate)
        mask_BT = context.new_mask_BT
        if mask_BT is None:
            count_BT = torch.arange(1, x_BTD.shape[1] + 1, dtype=accumulate, device=x_BTD.device)[None]
        else:
            projected_BTC = projected_BTC * mask_BT[..., None]
            count_BT = mask_BT.to(accumulate).cumsum(1)
        sum_BTC = projected_BTC.cumsum(1)
        if state is not None:
            sum_BTC = sum_BTC + state["condition_sum"][:, None]
            count_BT = count_BT + state["condition_count"][:, None]
            state["condition_sum"].copy_(sum_BTC[:, -1])
            state["condition_count"].copy_(count_BT[:, -1])
        # a sequence that begins with padding has no token yet
        mean_BTC = sum_BTC / count_BT.clamp(min=1)[..., None]
        return mean_BTC.to(x_BTD.dtype) + self.proj.bias


class ConditionedModule(OperatorModule):
    """The running form of an operator that features modulate.

    Its `forward` takes them as `condition`, `[B, T, C]` or one for each sequence `[B, C]`; without them it computes its
    own.
    """

    def __init__(self, condition: ConditionModule | None) -> None:
        super().__init__()
        self.condition = condition

    def share(self, x_BTD: Tensor, context: Context, state: State | None = None) -> dict[str, Any]:
        assert self.condition is not None, f"{type(self).__name__} takes its condition from elsewhere"
        return {"condition": self.condition(x_BTD, context, state)}

    def features(self, condition: Tensor | None, x_BTD: Tensor, context: Context, state: State | None) -> Tensor:
        """Return the features as `[B, T, C]`, or `[B, 1, C]` when all tokens of a sequence have the same."""
        if condition is None:
            condition = self.share(x_BTD, context, state)["condition"]
            assert condition is not None
        return condition[:, None] if condition.ndim == 2 else condition
