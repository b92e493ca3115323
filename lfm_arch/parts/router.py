"""Which experts a token visits, and how much each counts.

Axes: P positions (batch and tokens), E experts, C chosen experts of a position, best first.
"""

from typing import Literal

import torch
from torch import Tensor

_EPS = 1e-6
"""Keeps the sum of sigmoids away from zero, as the released models do."""


def choose(
    logits_PE: Tensor,
    experts_per_token: int,
    *,
    score: Literal["softmax", "sigmoid"],
    bias_E: Tensor | None = None,
    normalize: bool = True,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Score in float32 and choose.

    Args:
        logits_PE: the router's output.
        experts_per_token: how many to choose.
        score: what turns logits into scores.
        bias_E: added to the scores for the choice, not for the weights.
        normalize: whether weights sum to one.
        scale: factor on the weights.

    Returns:
        Weights in the logits' format, and expert numbers; both `[P, C]`.
    """
    logits = logits_PE.float()
    scores_PE = logits.softmax(dim=-1) if score == "softmax" else logits.sigmoid()
    if bias_E is None:
        weights_PC, chosen_PC = scores_PE.topk(experts_per_token, dim=-1)
    else:
        chosen_PC = (scores_PE + bias_E.float()).topk(experts_per_token, dim=-1).indices
        weights_PC = torch.gather(scores_PE, -1, chosen_PC)
    if normalize:
        total = weights_PC.sum(dim=-1, keepdim=True)
        weights_PC = weights_PC / (total + _EPS if score == "sigmoid" else total)
    return (weights_PC * scale).to(logits_PE.dtype), chosen_PC
