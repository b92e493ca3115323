"""The running image patches.

Axes: B batch, C channels, H height, W width in pixels; P patches, D stream width.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.featurizers.raw import check_multiple, refuse_input
from lfm_arch.parts.grid import grid_position
from lfm_arch.parts.raw import centred_pixels


class ImagePatchesModule(nn.Module):
    """The running `ImagePatches`."""

    def __init__(self, width: int, patch_size: int, channels: int, merge: int) -> None:
        super().__init__()
        self.patch_size, self.channels, self.merge = patch_size, channels, merge
        self.patch_proj = nn.Linear(channels * patch_size**2, width)
        self.merge_proj = nn.Linear(merge**2 * width, width) if merge > 1 else None

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Turn pixels into `[B, P, D]`, patches in reading order.

        Args:
            pixels_BCHW: bytes, or floats from 0 to 1; height and width are multiples of `patch_size * merge`.

        Raises:
            InputError: E223, they are not, or the channels are wrong.
        """
        if pixels_BCHW.ndim != 4 or pixels_BCHW.shape[1] != self.channels:
            raise refuse_input(
                f"an image of shape {tuple(pixels_BCHW.shape)}, expected (batch, {self.channels}, height, width)",
                because="pixels come channel by channel",
                help="move the channels in front: pixels.permute(0, 3, 1, 2)",
            )
        for what, size in zip(("height", "width"), pixels_BCHW.shape[2:], strict=True):
            check_multiple(
                what, size, self.patch_size * self.merge, "patch_size * merge" if self.merge > 1 else "patch_size"
            )
        weight = self.patch_proj.weight
        cut = centred_pixels(pixels_BCHW, weight.dtype)
        cut = cut.unflatten(3, (-1, self.patch_size)).unflatten(2, (-1, self.patch_size))
        grid = (cut.shape[2], cut.shape[4])
        patches_BPD = self.patch_proj(cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2))
        patches_BPD = patches_BPD + grid_position(grid, weight.shape[0], device=weight.device, dtype=weight.dtype)
        if self.merge_proj is None:
            return patches_BPD
        squares = patches_BPD.unflatten(1, (grid[0] // self.merge, self.merge, grid[1] // self.merge, self.merge))
        return self.merge_proj(F.gelu(squares.permute(0, 1, 3, 2, 4, 5).flatten(3)).flatten(1, 2))
