"""Patches are the pixels that they should be, with the position that they should have."""

import pytest
import torch
import torch.nn.functional as F

from lfm_arch.core.errors import InputError
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.image_patches.module import ImagePatchesModule
from lfm_arch.parts.grid import grid_position


def position(height: int, width: int, size: int) -> torch.Tensor:
    return grid_position((height, width), size, device=torch.device("cpu"), dtype=torch.float32)


def test_equals_a_strided_convolution() -> None:
    module: ImagePatchesModule = ImagePatches(patch_size=4).build(16)
    pixels_BCHW = torch.rand(2, 3, 8, 12)
    filters = module.patch_proj.weight.unflatten(1, (3, 4, 4))
    expected = F.conv2d(pixels_BCHW * 2 - 1, filters, module.patch_proj.bias, stride=4).flatten(2).transpose(1, 2)
    torch.testing.assert_close(module(pixels_BCHW), expected + position(2, 3, 16))


def test_bytes_equal_floats() -> None:
    module = ImagePatches(patch_size=4).build(16)
    pixels = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(module(pixels), module(pixels.float() / 255))


@pytest.mark.parametrize("merge", [1, 2], ids="merge{}".format)
def test_a_pixel_changes_its_own_token(merge: int) -> None:
    module = ImagePatches(patch_size=2, merge=merge).build(16)
    side = 2 * merge
    pixels = torch.rand(1, 3, 2 * side, 3 * side)
    before = module(pixels)
    for row, column in ((0, 0), (0, 2), (1, 1)):
        touched = pixels.clone()
        touched[:, 1, row * side + side - 1, column * side] += 0.5
        changed = (module(touched) - before).abs().amax(dim=(0, 2)) > 1e-6
        assert changed.nonzero().flatten().tolist() == [row * 3 + column]


@pytest.mark.parametrize("axes", [1, 2, 3], ids="axes{}".format)
def test_all_points_of_a_grid_differ(axes: int) -> None:
    points = grid_position((7,) * axes, 25, device=torch.device("cpu"), dtype=torch.float32)
    distance = torch.cdist(points, points) + torch.eye(len(points)) * 9
    assert points.shape == (7**axes, 25)
    assert float(distance.min()) > 0.1


def test_a_point_has_one_position_on_grids_of_any_size() -> None:
    small, large = position(3, 4, 16).view(3, 4, 16), position(9, 5, 16).view(9, 5, 16)
    torch.testing.assert_close(small, large[:3, :4])


def test_positions_tell_rows_from_columns() -> None:
    points = position(5, 5, 16).view(5, 5, 16)
    torch.testing.assert_close(points[1, :, :8], points[1, :1, :8].expand(5, 8))
    torch.testing.assert_close(points[:, 1, 8:], points[:1, 1, 8:].expand(5, 8))


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ((1, 3, 9, 8), "height 9 is no multiple of patch_size=4.*8 or 12"),
        ((1, 3, 8, 2), "width 2 is no multiple of patch_size=4.*to 4"),
        ((1, 8, 8, 3), "expected .batch, 3, height, width"),
        ((3, 8, 8), "expected .batch, 3, height, width"),
    ],
    ids=str,
)
def test_an_image_of_another_shape_is_refused(shape: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=rf"E223.*{complaint}"):
        ImagePatches(patch_size=4).build(8)(torch.rand(shape))


def test_squares_must_be_whole() -> None:
    with pytest.raises(InputError, match=r"height 12 is no multiple of patch_size . merge=8"):
        ImagePatches(patch_size=4, merge=2).build(8)(torch.rand(1, 3, 12, 16))
