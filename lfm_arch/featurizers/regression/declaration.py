"""Regression head: numbers for every position, or for the whole sequence when it pools, `y = W x + b`."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Head
from lfm_arch.featurizers.pool import Pool, projection_cost

if TYPE_CHECKING:
    from lfm_arch.featurizers.regression.module import RegressionModule


class Regression(Head):
    """`size` real numbers, `[batch, tokens, size]`, or `[batch, size]` with a `pool`."""

    type: Literal["regression"] = "regression"
    size: Annotated[int, Field(ge=1)]
    pool: Pool | None = None
    """Which positions speak for the sequence; null gives numbers for every position."""

    def gives(self, width: int) -> TensorType:
        del width
        return TensorType(("batch", "tokens", self.size) if self.pool is None else ("batch", self.size))

    def params(self, width: int) -> int:
        return self.size * width + self.size

    def cost(self, width: int, work: Workload) -> Cost:
        return projection_cost(width, self.size, work, self.pool)

    def build(self, width: int) -> "RegressionModule":
        from lfm_arch.featurizers.regression.module import RegressionModule

        return RegressionModule(width, self.size, self.pool)
