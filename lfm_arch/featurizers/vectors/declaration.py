"""A sequence of raw vectors, each projected to the width of the stream: `y_t = W v_t + b`."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer

if TYPE_CHECKING:
    from lfm_arch.featurizers.vectors.module import VectorsModule


class Vectors(Featurizer):
    """Sequences of `size` numbers for each token: sensor readings, another model's hidden states."""

    type: Literal["vectors"] = "vectors"
    size: Annotated[int, Field(ge=1)]
    """Numbers in each raw vector."""

    modality: ClassVar[str] = "features"

    def takes(self, name: str) -> TensorType:
        return TensorType(("batch", f"{name}_tokens", self.size))

    def gives(self, name: str, width: int) -> TensorType:
        return stream(width, f"{name}_tokens")

    def cost(self, width: int, work: Workload) -> Cost:
        params = self.size * width + width
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * self.size * width * work.positions,
            touched_params=params,
            activations=(self.size + width) * work.positions,
            kernels=1,
        )

    def build(self, width: int) -> "VectorsModule":
        from lfm_arch.featurizers.vectors.module import VectorsModule

        return VectorsModule(self.size, width)
