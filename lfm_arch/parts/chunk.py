"""Cutting tokens into chunks of one size. Axes: B batch, N heads, T tokens, M chunks, C tokens of a chunk, X any."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
"""Whether a graph is being made that must serve any number of tokens."""


def cut(x_BNTX: Tensor, size: int) -> Tensor:
    """Cut into chunks of `size` tokens, `[B, N, M, C, X]`; zeros stand where tokens are missing in the last one."""
    B, N, T, X = x_BNTX.shape
    # two chunks at least in a compiled graph, which would otherwise serve no more tokens than one holds
    chunks = (T + size - 1) // size + torch.compiler.is_compiling()
    x_BNTX = F.pad(x_BNTX, (0, 0, 0, chunks * size - T))
    if exporting():
        # for an open number of tokens, a reshape would ask whether chunks divide it
        return x_BNTX.unfold(2, size, size).transpose(-1, -2).contiguous()
    return x_BNTX.reshape(B, N, chunks, size, X)


def joined(x_BNMCX: Tensor, tokens: int) -> Tensor:
    """Undo `cut`."""
    x_BNTX = x_BNMCX.flatten(2, 3)
    return F.pad(x_BNTX, (0, 0, 0, tokens - x_BNTX.shape[2]))
