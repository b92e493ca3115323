"""What a featurizer and a head promise.

A featurizer turns raw input (token ids, pixels, samples, frames) into a stream of `[batch, tokens, width]`, or into one
feature vector `[batch, size]` that adaptive operators are conditioned on. A head turns the final stream into an output.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
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

    def ports(self, width: int) -> Mapping[str, TensorType]:
        """Types that the values in `reads` must have, by port; named sizes fit any size."""
        del width
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
        """Make the running module: `forward(raw)` or, for one that reads featurizers, `forward(**ports, mask_BT=None)`.

        The mask is True at the real tokens of the stream that it reads.
        """


class Head(Part):
    """Final stream -> output. A concrete one adds `type: Literal[...]` and its fields."""

    tied_to: str | None = None
    """Name of the featurizer whose weights it uses; null when it has its own."""

    can_tie: ClassVar[bool] = False
    """Whether `tied_to` means anything to this kind of head."""
    weight_names: ClassVar[Mapping[str, WeightNames]] = {}

    @model_validator(mode="after")
    def _ties_only_if_it_can(self) -> Self:
        if self.tied_to is not None and not self.can_tie:
            raise refuse(
                "E221",
                "tied_to",
                f"a {getattr(self, 'type', type(self).__name__)} head cannot be tied to {self.tied_to!r}",
                because="tying reuses the rows of a vocabulary, one for each output",
                help="remove tied_to, or use an lm_head",
            )
        return self

    def resolve(self, featurizers: Mapping[str, Featurizer]) -> "Head":
        """Return the head with the numbers that it takes over from featurizers; the graph calls this once.

        Raises:
            GraphError: E222, `tied_to` names nothing that it could be tied to.
        """
        del featurizers
        return self

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
        """Make the running module: `forward(x_BTD, weight=None, mask_BT=None)`.

        A tied head is given the featurizer's weight; a head that pools leaves out the positions where the mask is
        False.
        """
