"""A raw feature vector for each sequence, handed on as it is, to condition adaptive operators."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer

if TYPE_CHECKING:
    from lfm_arch.featurizers.features.module import FeaturesModule


class Features(Featurizer):
    """`size` numbers that the caller knows about each sequence: a speaker, a user, sensor statistics."""

    type: Literal["features"] = "features"
    size: Annotated[int, Field(ge=1)]
    """Numbers in the vector; the `size` of the `condition` of operators that read it."""

    modality: ClassVar[str] = "features"

    def takes(self, name: str) -> TensorType:
        del name
        return TensorType(("batch", self.size))

    def gives(self, name: str, width: int) -> TensorType:
        del name, width
        return TensorType(("batch", self.size))

    def cost(self, width: int, work: Workload) -> Cost:
        del width, work
        return Cost()

    def build(self, width: int) -> "FeaturesModule":
        from lfm_arch.featurizers.features.module import FeaturesModule

        del width
        return FeaturesModule(self.size)
