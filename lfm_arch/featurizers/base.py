"""What a featurizer and a head promise.

A featurizer turns raw input (token ids, pixels, samples, frames) into a stream of `[batch, tokens, width]`, or into one
feature vector `[batch, size]` that adaptive operators are conditioned on. A head turns the final stream into an output.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Part, WeightNames

if TYPE_CHECKING:
    from torch import nn


class Featurizer(Part):
    """Raw input -> stream or feature vector. A concrete one adds `type: Literal[...]` and its fields."""

    modality: ClassVar[str]
    """`text`, `image`, `audio`, `video` or `features`."""
    weight_names: ClassVar[Mapping[str, WeightNames]] = {}

    @property
    def reads(self) -> Mapping[str, str]:
        """Other featurizers whose output this one takes in: port name -> featurizer name. Empty: it reads raw input."""
        return {}

    @abstractmethod
    def takes(self, name: str) -> TensorType | None:
        """Type of the raw input of the featurizer called `name`; None when it reads other featurizers only.

        Sizes that only a run knows are named after the featurizer, as `image_height`.
        """

    @abstractmethod
    def gives(self, name: str, width: int) -> TensorType:
        """Type of its output: `[batch, <tokens>, width]` for a stream, `[batch, size]` for a feature vector."""

    def params(self, width: int) -> int:
        return self.cost(width, Workload()).params

    @abstractmethod
    def cost(self, width: int, work: Workload) -> Cost:
        """Count one forward pass that yields `work.tokens` tokens of stream per sequence."""

    @abstractmethod
    def build(self, width: int) -> "nn.Module":
        """Make the running module: `forward(raw)` or, for one that reads featurizers, `forward(**ports)`."""


class Head(Part):
    """Final stream -> output. A concrete one adds `type: Literal[...]` and its fields."""

    weight_names: ClassVar[Mapping[str, WeightNames]] = {}

    @property
    def tied_to(self) -> str | None:
        """Name of the featurizer whose weights it uses; None when it has its own."""
        return None

    @abstractmethod
    def gives(self, width: int) -> TensorType:
        """Type of the output, as `[batch, tokens, vocab_size]`."""

    @abstractmethod
    def params(self, width: int) -> int:
        """Count its own parameters; what it borrows from a featurizer counts there."""

    @abstractmethod
    def cost(self, width: int, work: Workload) -> Cost:
        """Count one forward pass over `work.tokens` positions."""

    @abstractmethod
    def build(self, width: int) -> "nn.Module":
        """Make the running module: `forward(x_BTD, weight=None)`; a tied head is given the featurizer's weight."""
