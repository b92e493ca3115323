"""The running token embedding. Axes: B batch, T tokens, D width, V vocabulary."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TokenEmbeddingModule(nn.Module):
    """The running `TokenEmbedding`; `weight` is `[V, D]`, for a head that is tied to it too."""

    def __init__(self, vocab_size: int, width: int, scale: float | None) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(vocab_size, width))
        nn.init.normal_(self.weight)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Look up one row for each id."""
        x_BTD = F.embedding(ids_BT, self.weight)
        return x_BTD if self.scale is None else x_BTD * self.scale
