"""Image patches: cut, flatten, project, and say where each came from.

    z = W_patch p + b + position(row, column)        one vector for each patch of patch_size x patch_size pixels
    y = W_merge gelu(merge x merge neighbours of z)  only when merge > 1 (pixel-unshuffle)

The position is a fixed two-dimensional sinusoid, so any height and width that are multiples of
`patch_size * merge` work without interpolation or parameters.

Sources: patches, Dosovitskiy et al., arXiv:2010.11929; pixel-unshuffle before the language model, as in LFM2-VL
(LFM2 Technical Report, arXiv:2511.23404).
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer

if TYPE_CHECKING:
    from lfm_arch.featurizers.image_patches.module import ImagePatchesModule


class ImagePatches(Featurizer):
    """Pixels to a stream of one vector for each patch, in reading order."""

    type: Literal["image_patches"] = "image_patches"
    patch_size: Annotated[int, Field(ge=1)]
    """Height and width of a patch in pixels."""
    channels: Annotated[int, Field(ge=1)] = 3
    merge: Annotated[int, Field(ge=1)] = 1
    """Neighbouring patches, down and across, that become one token: 2 makes one token of 2 x 2 patches."""

    modality: ClassVar[str] = "image"

    def takes(self, name: str) -> TensorType:
        return TensorType(("batch", self.channels, f"{name}_height", f"{name}_width"))

    def gives(self, name: str, width: int) -> TensorType:
        return stream(width, f"{name}_patches")

    def cost(self, width: int, work: Workload) -> Cost:
        patch = self.channels * self.patch_size**2
        group = self.merge**2
        # one token stands for `group` patches
        per_token = group * patch * width
        params = patch * width + width
        kernels = 4
        activations = 3 * group * width
        if self.merge > 1:
            per_token += group * width * width
            params += group * width * width + width
            kernels += 3
            activations += 4 * group * width
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * per_token * work.positions,
            touched_params=params,
            activations=(activations + 2 * group * patch) * work.positions,
            kernels=kernels,
        )

    def build(self, width: int) -> "ImagePatchesModule":
        from lfm_arch.featurizers.image_patches.module import ImagePatchesModule

        return ImagePatchesModule(width, self.patch_size, self.channels, self.merge)
