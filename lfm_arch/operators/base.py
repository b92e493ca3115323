"""What every declared part of a model is, and what an operator promises.

A part is a frozen pydantic model: the fields are what a spec may write, the methods say what it costs, what it
remembers and how it is built. Only `build` imports torch, from the `module.py` beside the declaration.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload

if TYPE_CHECKING:
    from torch import nn

Role = Literal["mixer", "channel"]
WeightNames = Mapping[str, str]
"""Our name of a parameter, buffer or submodule -> its name in a foreign model's `state_dict`; ours is relative to the
operator, the foreign one to the layer."""


class Part(BaseModel):
    """A declared piece of a model: strict fields, no unknown keys, immutable and hashable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Operator(Part):
    """A token mixer or channel mixer inside a residual layer; `[batch, tokens, width]` in and out.

    A concrete operator adds `type: Literal["..."]` with that word as its default, and its fields.
    """

    roles: ClassVar[tuple[Role, ...]]
    """Where in a layer it may stand."""
    computes: ClassVar[tuple[str, ...]] = ()
    """Features that it can hand to later layers, as `("kv",)`; `sharing: {features: kv}` asks for them."""
    takes: ClassVar[tuple[str, ...]] = ()
    """Features that it cannot do without and takes from an earlier layer; `forward` gets them by these names."""
    weight_names: ClassVar[Mapping[str, WeightNames]] = {}
    """By Hugging Face `model_type`."""

    @property
    def causal(self) -> bool:
        """Whether position t depends on positions up to t only; what is not causal cannot decode."""
        return True

    @property
    def reads(self) -> Mapping[str, str]:
        """Values from elsewhere in the graph: port name -> the featurizer's name, as `{"condition": "pooled"}`."""
        return {}

    def ports(self, width: int) -> Mapping[str, TensorType]:
        """Types that the values in `reads` must have, by port; named sizes fit any size."""
        del width
        return {}

    def params(self, width: int) -> int:
        """Count parameters."""
        return self.cost(width, Workload()).params

    @abstractmethod
    def cost(self, width: int, work: Workload) -> Cost:
        """Count one forward pass over `work`."""

    def state(self, width: int) -> tuple[StateSlot, ...]:
        """Declare what decoding remembers; nothing by default."""
        return ()

    def reader(self, feature: str) -> "Operator":
        """Return the operator that takes `feature` from an earlier layer instead of computing it.

        Only called for a feature in `computes`.
        """
        raise NotImplementedError(f"{type(self).__name__} computes {self.computes}, nothing reads {feature!r}")

    def agrees_on(self, feature: str) -> Mapping[str, object]:
        """Name the fields, with their values, that the owner and the readers of `feature` must have in common.

        All of them unless an operator knows better: for `kv`, say, the key heads and their rotation, but not the
        number of query heads.
        """
        return self.model_dump()

    @abstractmethod
    def build(self, width: int) -> "nn.Module":
        """Make the running module with uninitialised or default weights; it is an `OperatorModule`."""
