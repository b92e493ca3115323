"""Classifier head: scores for a fixed set of classes from one pooled vector, `logits = W pool(x) + b`."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Head
from lfm_arch.featurizers.pool import Pool, projection_cost

if TYPE_CHECKING:
    from lfm_arch.featurizers.classifier.module import ClassifierModule


class Classifier(Head):
    """Scores of `num_classes` classes for each sequence, `[batch, num_classes]`."""

    type: Literal["classifier"] = "classifier"
    num_classes: Annotated[int, Field(ge=2)]
    pool: Pool
    """Which positions speak for the sequence: their mean, the last or the first real one."""

    def gives(self, width: int) -> TensorType:
        del width
        return TensorType(("batch", self.num_classes))

    def params(self, width: int) -> int:
        return self.num_classes * width + self.num_classes

    def cost(self, width: int, work: Workload) -> Cost:
        return projection_cost(width, self.num_classes, work, self.pool)

    def build(self, width: int) -> "ClassifierModule":
        from lfm_arch.featurizers.classifier.module import ClassifierModule

        return ClassifierModule(width, self.num_classes, self.pool)
