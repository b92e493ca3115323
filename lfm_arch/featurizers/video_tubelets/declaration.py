"""Video tubelets: a patch of pixels over a few frames becomes one vector.

    y = W p + b + position(time, row, column)        p: frames_per_tubelet x patch_size x patch_size pixels

The position is a fixed three-dimensional sinusoid, so any length and size that are whole multiples work.

Source: tubelet embedding, Arnab et al., arXiv:2103.15691.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer

if TYPE_CHECKING:
    from lfm_arch.featurizers.video_tubelets.module import VideoTubeletsModule


class VideoTubelets(Featurizer):
    """Frames of pixels to a stream of one vector for each tubelet, in order of time, row, column."""

    type: Literal["video_tubelets"] = "video_tubelets"
    patch_size: Annotated[int, Field(ge=1)]
    """Height and width of a tubelet in pixels."""
    frames_per_tubelet: Annotated[int, Field(ge=1)]
    channels: Annotated[int, Field(ge=1)] = 3

    modality: ClassVar[str] = "video"

    def takes(self, name: str) -> TensorType:
        return TensorType(("batch", f"{name}_frames", self.channels, f"{name}_height", f"{name}_width"))

    def gives(self, name: str, width: int) -> TensorType:
        return stream(width, f"{name}_tubelets")

    def cost(self, width: int, work: Workload) -> Cost:
        tubelet = self.channels * self.frames_per_tubelet * self.patch_size**2
        params = tubelet * width + width
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * tubelet * width * work.positions,
            touched_params=params,
            activations=(2 * tubelet + 3 * width) * work.positions,
            kernels=4,
        )

    def build(self, width: int) -> "VideoTubeletsModule":
        from lfm_arch.featurizers.video_tubelets.module import VideoTubeletsModule

        return VideoTubeletsModule(width, self.patch_size, self.frames_per_tubelet, self.channels)
