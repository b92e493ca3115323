"""The running embedding head. Axes: B batch, T tokens, D width, C numbers in the embedding."""

import torch.nn.functional as F
from torch import Tensor

from lfm_arch.featurizers.pool import Pool
from lfm_arch.parts.pool import PooledProjection


class EmbeddingModule(PooledProjection):
    """The running `Embedding`."""

    def __init__(self, width: int, size: int, how: Pool, *, normalize: bool) -> None:
        super().__init__(width, size, how)
        self.normalize = normalize

    def forward(self, x_BTD: Tensor, weight: Tensor | None = None, mask_BT: Tensor | None = None) -> Tensor:
        """Return `[B, C]`, of length 1 where declared."""
        y_BC = super().forward(x_BTD, weight, mask_BT)
        return F.normalize(y_BC, dim=-1) if self.normalize else y_BC
