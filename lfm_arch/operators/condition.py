"""Where the features come from that modulate an adaptive operator: `condition: {type: token, size: 64}`.

    featurizer     c   = what the featurizer called `name` gives, one vector for each sequence
    token          c_t = F x_t + b                        one vector for each token, from the token alone
    running_mean   c_t = F mean(x_0 ... x_t) + b          one for each token, from everything up to it

All three are causal in the stream. The last remembers a sum and a count, so decoding token by token equals one pass.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
from lfm_arch.core.state import StateSlot
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Part

if TYPE_CHECKING:
    from lfm_arch.parts.condition import ConditionModule

Size = Annotated[int, Field(ge=1)]


class Condition(Part):
    """A source of feature vectors of `size` numbers."""

    size: Size
    """Numbers in a feature vector."""

    @property
    def reads(self) -> Mapping[str, str]:
        return {}

    @property
    def ports(self) -> Mapping[str, TensorType]:
        """Types of the values in `reads`."""
        return {}

    @abstractmethod
    def vectors(self, work: Workload) -> int:
        """Count the feature vectors of one pass."""

    def cost(self, width: int, work: Workload) -> Cost:
        """Count computing the features."""
        del width, work
        return Cost()

    def state(self) -> tuple[StateSlot, ...]:
        return ()

    def build(self, width: int) -> "ConditionModule | None":
        """Make the module that computes features from the stream; None when they come from elsewhere."""
        del width
        return None


class FeaturizerCondition(Condition):
    """One vector for each sequence, made by a featurizer such as `pooled` or `features`."""

    type: Literal["featurizer"] = "featurizer"
    name: str
    """Name of the featurizer; its `size` is this `size`."""

    @property
    def reads(self) -> Mapping[str, str]:
        return {"condition": self.name}

    @property
    def ports(self) -> Mapping[str, TensorType]:
        return {"condition": TensorType(("batch", self.size))}

    def vectors(self, work: Workload) -> int:
        return work.batch


class SharedCondition(Condition):
    """What an earlier layer computed; written by the graph, for operators that read a shared feature."""

    type: Literal["shared"] = "shared"

    def vectors(self, work: Workload) -> int:
        return work.positions


class _StreamCondition(Condition):
    """Features computed from the operator's own input, one vector for each token."""

    def vectors(self, work: Workload) -> int:
        return work.positions

    def cost(self, width: int, work: Workload) -> Cost:
        params = width * self.size + self.size
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * width * self.size * work.positions,
            touched_params=params,
            kernels=1,
        )


class TokenCondition(_StreamCondition):
    """A linear map of each token."""

    type: Literal["token"] = "token"

    def build(self, width: int) -> "ConditionModule":
        from lfm_arch.parts.condition import TokenConditionModule

        return TokenConditionModule(width, self.size)


class RunningMeanCondition(_StreamCondition):
    """A linear map of the mean of all tokens so far."""

    type: Literal["running_mean"] = "running_mean"

    def cost(self, width: int, work: Workload) -> Cost:
        return super().cost(width, work) + Cost(
            state_traffic=2 * (self.size + 1) * work.batch,
            activations=4 * self.size * work.positions,
            kernels=4,
        )

    def state(self) -> tuple[StateSlot, ...]:
        # the mean of projections is the projection of the mean, and `size` numbers are less to remember than a width
        return (
            StateSlot("condition_sum", ("batch", self.size), precision="float32"),
            StateSlot("condition_count", ("batch",), precision="float32"),
        )

    def build(self, width: int) -> "ConditionModule":
        from lfm_arch.parts.condition import RunningMeanConditionModule

        return RunningMeanConditionModule(width, self.size)


AnyCondition = Annotated[
    FeaturizerCondition | TokenCondition | RunningMeanCondition,
    Field(discriminator="type"),
]


class Conditioned(Operator):
    """An operator that features modulate."""

    @property
    @abstractmethod
    def source(self) -> Condition:
        """Where the features come from."""

    @property
    def reads(self) -> Mapping[str, str]:
        return self.source.reads

    def ports(self, width: int) -> Mapping[str, TensorType]:
        del width
        return self.source.ports

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return self.source.state()

    def agrees_on(self, feature: str) -> Mapping[str, object]:
        return {"condition.size": self.source.size} if feature == "condition" else super().agrees_on(feature)


class OwnCondition(Conditioned):
    """Features from any source; what it computes from the stream it can hand to later layers."""

    condition: AnyCondition
    """Where the features come from: a featurizer, each token, or the running mean of the tokens."""

    @property
    def computes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The condition, unless a featurizer computed it already for every layer that names it."""
        return () if isinstance(self.condition, FeaturizerCondition) else ("condition",)

    @property
    def source(self) -> Condition:
        return self.condition

    def reader(self, feature: str) -> Operator:
        if feature not in self.computes:
            return super().reader(feature)
        fields = {name: getattr(self, name) for name in type(self).model_fields if name not in ("type", "condition")}
        return self._reading(condition=SharedCondition(size=self.condition.size), **fields)

    @abstractmethod
    def _reading(self, **fields: Any) -> Operator:
        """Make the operator that takes its condition from an earlier layer."""


class TakenCondition(Conditioned):
    """Features from an earlier layer."""

    condition: SharedCondition

    takes: ClassVar[tuple[str, ...]] = ("condition",)

    @property
    def source(self) -> Condition:
        return self.condition


class SampleCondition(Conditioned):
    """Features of the whole sequence, for operators that generate something too large to make for every token."""

    condition: FeaturizerCondition
    """The featurizer that makes one vector for each sequence."""

    @property
    def source(self) -> Condition:
        return self.condition

    @field_validator("condition", mode="before")
    @classmethod
    def _one_for_a_sequence(cls, value: Any) -> Any:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind in ("token", "running_mean"):
            raise refuse(
                "E240",
                "type",
                f"condition of type {kind} in an operator that generates whole matrices",
                because="it would generate a matrix for every token; one for every sequence is what it can afford",
                help="name a featurizer, or use the low-rank form, which is modulated token by token",
            )
        return value
