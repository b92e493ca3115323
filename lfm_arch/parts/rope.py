"""Rotary position embedding: pairs of dimensions turn by an angle that grows with the position.

    (a, b) -> (a cos p w - b sin p w, b cos p w + a sin p w)         position p, speed w of the pair

Dimension j of the first half is paired with dimension j of the second half. Angles and products are float32 whatever
the stream's format, because positions of a long context have no exact bfloat16.

Source: Su et al., arXiv:2104.09864. Axes: B batch, T tokens, N heads, H head_dim, R rotated dimensions of a head.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lfm_arch.parts.context import Context

Table = tuple[Tensor, Tensor]
"""cos and signed sin, `[B, T, 1, R]` float32."""


@dataclass(frozen=True, slots=True)
class Rotary:
    """How a head turns. Equal ones share one table in a pass."""

    head_dim: int
    theta: float
    fraction: float = 1.0
    kind: Literal["default", "proportional"] = "default"

    @property
    def size(self) -> int:
        """Dimensions that are paired; `proportional` pairs all and turns some of the pairs by nothing."""
        return round(self.fraction * self.head_dim) if self.kind == "default" else self.head_dim

    def speeds(self, device: torch.device) -> Tensor:
        """Return the angle that each pair turns a token, `[R / 2]`."""
        turning = round(self.fraction * self.head_dim) // 2
        steps = torch.arange(0, 2 * turning, 2, dtype=torch.float32, device=device)
        speeds = 1.0 / self.theta ** (steps / self.size)
        return torch.cat([speeds, speeds.new_zeros(self.size // 2 - turning)])

    def table(self, context: Context) -> Table:
        """Return the turns of this pass's new positions."""
        return context.once(("rotary", self), lambda: self._table(context.positions_BT))

    def _table(self, positions_BT: Tensor) -> Table:
        angles = positions_BT[..., None, None].float() * self.speeds(positions_BT.device)
        cos, sin = angles.cos(), angles.sin()
        return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotate(x_BTNH: Tensor, table: Table) -> Tensor:
    """Turn the first R dimensions of every head by its token's position; the others pass."""
    cos, sin = table
    R = cos.shape[-1]
    turning = x_BTNH[..., :R]
    half = R // 2
    swapped = torch.cat([turning[..., half:], turning[..., :half]], dim=-1)
    turned = torch.addcmul(turning * cos, swapped, sin).to(x_BTNH.dtype)
    return turned if x_BTNH.shape[-1] == R else torch.cat([turned, x_BTNH[..., R:]], dim=-1)
