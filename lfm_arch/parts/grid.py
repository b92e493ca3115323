"""Positions on a grid of any size, as fixed sinusoids. Axes: P points, D width."""

import torch
from torch import Tensor

_LONGEST = 10_000.0
"""Ratio of the slowest wave to the fastest, as in Vaswani et al., arXiv:1706.03762."""


def grid_position(sizes: tuple[int, ...], width: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return `[P, D]`: for each point of the grid, last axis fastest, sines and cosines of its coordinates.

    Every axis gets an equal share of the width, the first ones a pair more when it does not divide; an odd last number
    stays zero. A point has the same vector on a grid of any size.
    """
    pairs, axes = width // 2, len(sizes)
    share = [pairs // axes + (axis < pairs % axes) for axis in range(axes)]
    columns: list[Tensor] = []
    for axis, (size, count) in enumerate(zip(sizes, share, strict=True)):
        place = torch.arange(size, device=device, dtype=torch.float32)
        rate = _LONGEST ** -(torch.arange(count, device=device, dtype=torch.float32) / max(count, 1))
        angle = torch.outer(place, rate).view(*(size if a == axis else 1 for a in range(axes)), count)
        angle = angle.expand(*sizes, count)
        columns += [angle.sin(), angle.cos()]
    if width % 2:
        columns.append(torch.zeros(*sizes, 1, device=device))
    return torch.cat(columns, dim=-1).flatten(0, -2).to(dtype)
