"""Normalisation over the width. Axes: ... any, D width."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNormModule(nn.Module):
    """`x / rms(x) * weight`, in float32 inside whatever the stream's format."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.float32:
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        # rounding to the stream's format before the weight is what the released models do
        return self.weight * F.rms_norm(x.float(), self.weight.shape, eps=self.eps).to(x.dtype)
