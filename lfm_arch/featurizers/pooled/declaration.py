"""A pooled feature vector: another featurizer's stream in a few numbers, to condition adaptive operators.

c = W mean_t(x_t) + b
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer

if TYPE_CHECKING:
    from lfm_arch.featurizers.pooled.module import PooledModule


class Pooled(Featurizer):
    """The mean of another featurizer's stream over its real tokens, projected to `size` numbers.

    A vector pooled from the very text that a model predicts has seen the future; pool another input, or a prompt that
    is complete before generation starts.
    """

    type: Literal["pooled"] = "pooled"
    source: str
    """Name of the featurizer whose stream is pooled."""
    size: Annotated[int, Field(ge=1)]
    """Numbers in the vector; the `size` of the `condition` of operators that read it."""

    modality: ClassVar[str] = "features"

    @property
    def reads(self) -> Mapping[str, str]:
        return {"stream": self.source}

    def ports(self, width: int) -> Mapping[str, TensorType]:
        return {"stream": stream(width)}

    def takes(self, name: str) -> None:
        del name

    def gives(self, name: str, width: int) -> TensorType:
        del name, width
        return TensorType(("batch", self.size))

    def cost(self, width: int, work: Workload) -> Cost:
        """Count pooling `work.tokens` tokens of the source."""
        params = width * self.size + self.size
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * width * self.size * work.batch,
            touched_params=params,
            activations=width * work.positions + (2 * width + self.size) * work.batch,
            kernels=2,
        )

    def build(self, width: int) -> "PooledModule":
        from lfm_arch.featurizers.pooled.module import PooledModule

        return PooledModule(width, self.size)
