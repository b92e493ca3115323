"""Embedding head: one vector for the whole sequence, to compare sequences by; `y = W pool(x) + b`, of length 1."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Head
from lfm_arch.featurizers.pool import Pool, projection_cost

if TYPE_CHECKING:
    from lfm_arch.featurizers.embedding.module import EmbeddingModule


class Embedding(Head):
    """One vector of `size` numbers for each sequence, `[batch, size]`."""

    type: Literal["embedding"] = "embedding"
    size: Annotated[int, Field(ge=1)]
    pool: Pool
    """Which positions speak for the sequence: their mean, the last or the first real one."""
    normalize: bool = True
    """Scale each vector to length 1, so that a dot product is a cosine."""

    def gives(self, width: int) -> TensorType:
        del width
        return TensorType(("batch", self.size))

    def params(self, width: int) -> int:
        return self.size * width + self.size

    def cost(self, width: int, work: Workload) -> Cost:
        cost = projection_cost(width, self.size, work, self.pool)
        if not self.normalize:
            return cost
        return cost + Cost(activations=3 * self.size * work.batch, kernels=2)

    def build(self, width: int) -> "EmbeddingModule":
        from lfm_arch.featurizers.embedding.module import EmbeddingModule

        return EmbeddingModule(width, self.size, self.pool, normalize=self.normalize)
