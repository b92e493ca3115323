"""Element-wise nonlinearities, by the words that specs write."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor


def relu2(x: Tensor) -> Tensor:
    """Square of relu (So et al., arXiv:2109.08668)."""
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "relu2": relu2,
}
