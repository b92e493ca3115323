"""The running video tubelets.

Axes: B batch, F frames, C channels, H height, W width in pixels; P tubelets, D stream width.
"""

from torch import Tensor, nn

from lfm_arch.featurizers.raw import check_multiple, refuse_input
from lfm_arch.parts.grid import grid_position
from lfm_arch.parts.raw import centred_pixels


class VideoTubeletsModule(nn.Module):
    """The running `VideoTubelets`."""

    def __init__(self, width: int, patch_size: int, frames_per_tubelet: int, channels: int) -> None:
        super().__init__()
        self.patch_size, self.frames_per_tubelet, self.channels = patch_size, frames_per_tubelet, channels
        self.proj = nn.Linear(channels * frames_per_tubelet * patch_size**2, width)

    def forward(self, pixels_BFCHW: Tensor) -> Tensor:
        """Turn frames into `[B, P, D]`, tubelets in order of time, row, column.

        Args:
            pixels_BFCHW: bytes, or floats from 0 to 1; frames, height and width are whole multiples of a tubelet's.

        Raises:
            InputError: E223, they are not, or the channels are wrong.
        """
        if pixels_BFCHW.ndim != 5 or pixels_BFCHW.shape[2] != self.channels:
            raise refuse_input(
                f"frames of shape {tuple(pixels_BFCHW.shape)}, "
                f"expected (batch, frames, {self.channels}, height, width)",
                because="pixels come frame by frame, channel by channel",
                help="move the channels in front: frames.permute(0, 1, 4, 2, 3)",
            )
        frames, _, height, width = pixels_BFCHW.shape[1:]
        check_multiple("a number of frames of", frames, self.frames_per_tubelet, "frames_per_tubelet")
        check_multiple("height", height, self.patch_size, "patch_size")
        check_multiple("width", width, self.patch_size, "patch_size")
        weight = self.proj.weight
        cut = centred_pixels(pixels_BFCHW, weight.dtype)
        cut = cut.unflatten(4, (-1, self.patch_size)).unflatten(3, (-1, self.patch_size))
        cut = cut.unflatten(1, (-1, self.frames_per_tubelet))
        grid = (cut.shape[1], cut.shape[4], cut.shape[6])
        tubelets_BPD = self.proj(cut.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4).flatten(1, 3))
        return tubelets_BPD + grid_position(grid, weight.shape[0], device=weight.device, dtype=weight.dtype)
