"""The running language model head. Axes: B batch, T tokens, D width, V vocabulary."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LMHeadModule(nn.Module):
    """The running `LMHead`; a tied one holds nothing and is given the embedding's weight in every call."""

    weight: nn.Parameter | None

    def __init__(self, vocab_size: int, width: int, *, tied: bool) -> None:
        super().__init__()
        self.register_parameter("weight", None if tied else nn.Parameter(torch.empty(vocab_size, width)))
        if self.weight is not None:
            nn.init.normal_(self.weight, std=width**-0.5)

    def forward(self, x_BTD: Tensor, weight: Tensor | None = None, mask_BT: Tensor | None = None) -> Tensor:
        """Score the vocabulary at every position: `[B, T, V]`."""
        del mask_BT
        used = self.weight if weight is None else weight
        assert used is not None, "a tied head is given the weight that it is tied to"
        assert self.weight is None or weight is None, "a head with weights of its own is not given others"
        return F.linear(x_BTD, used)
