"""Tubelets are the pixels that they should be."""

import pytest
import torch
import torch.nn.functional as F

from lfm_arch.core.errors import InputError
from lfm_arch.featurizers.video_tubelets.declaration import VideoTubelets
from lfm_arch.featurizers.video_tubelets.module import VideoTubeletsModule
from lfm_arch.parts.grid import grid_position

VIDEO = VideoTubelets(patch_size=4, frames_per_tubelet=2)


def test_equals_a_strided_convolution() -> None:
    module: VideoTubeletsModule = VIDEO.build(24)
    pixels_BFCHW = torch.rand(2, 6, 3, 8, 12)
    filters = module.proj.weight.unflatten(1, (2, 3, 4, 4)).transpose(1, 2)
    volume = (pixels_BFCHW * 2 - 1).transpose(1, 2)
    expected = F.conv3d(volume, filters, module.proj.bias, stride=(2, 4, 4)).flatten(2).transpose(1, 2)
    position = grid_position((3, 2, 3), 24, device=torch.device("cpu"), dtype=torch.float32)
    torch.testing.assert_close(module(pixels_BFCHW), expected + position)


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ((1, 5, 3, 8, 8), "frames of 5 is no multiple of frames_per_tubelet=2"),
        ((1, 4, 3, 8, 9), "width 9 is no multiple of patch_size=4"),
        ((1, 4, 8, 8, 3), "expected .batch, frames, 3"),
    ],
    ids=str,
)
def test_frames_of_another_shape_are_refused(shape: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=rf"E223.*{complaint}"):
        VIDEO.build(8)(torch.rand(shape))
