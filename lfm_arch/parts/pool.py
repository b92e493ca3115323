"""One vector for a whole sequence. Axes: B batch, T tokens, D width."""

from typing import Literal

import torch
from torch import Tensor, nn

How = Literal["mean", "last", "first"]


def pool(x_BTD: Tensor, how: How, mask_BT: Tensor | None = None) -> Tensor:
    """Take the mean of the positions, the last one or the first one, of those where the mask is True.

    Padding may stand on either side. A sequence without a real token has the mean zero.
    """
    if how == "mean":
        if mask_BT is None:
            return x_BTD.mean(1)
        weight_BT = mask_BT.to(x_BTD.dtype)
        return (x_BTD * weight_BT[..., None]).sum(1) / weight_BT.sum(1, keepdim=True).clamp(min=1)
    if mask_BT is None:
        return x_BTD[:, -1 if how == "last" else 0]
    # argmax finds the first maximum: the real position that counts highest from the wanted side
    places_T = torch.arange(1, x_BTD.shape[1] + 1, device=x_BTD.device)
    index_B = (mask_BT * (places_T if how == "last" else places_T.flip(0))).argmax(1)
    return x_BTD.gather(1, index_B[:, None, None].expand(-1, 1, x_BTD.shape[2])).squeeze(1)


class PooledProjection(nn.Module):
    """Pools the stream, unless `how` is None, and maps it: `y = W pool(x) + b`."""

    def __init__(self, width: int, size: int, how: How | None) -> None:
        super().__init__()
        self.how: How | None = how
        self.proj = nn.Linear(width, size)

    def forward(self, x_BTD: Tensor, weight: Tensor | None = None, mask_BT: Tensor | None = None) -> Tensor:
        """Map the stream; `mask_BT` is True at real tokens."""
        assert weight is None, "this head has weights of its own"
        return self.proj(x_BTD if self.how is None else pool(x_BTD, self.how, mask_BT))
