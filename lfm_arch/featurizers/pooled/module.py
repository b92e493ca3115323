"""The running pooled feature vector. Axes: B batch, T tokens, D width, C features."""

from torch import Tensor, nn

from lfm_arch.parts.pool import pool


class PooledModule(nn.Module):
    """The running `Pooled`."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, size)

    def forward(self, stream: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """Turn a stream `[B, T, D]` into `[B, C]`; `mask_BT` is True at its real tokens."""
        return self.proj(pool(stream, "mean", mask_BT))
