"""How quality is measured, in numbers; part of a study and of every record. No torch."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lfm_arch.core.units import Count, Seconds


class Reduction(BaseModel):
    """By how much a replica is smaller."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    width_divisor: Annotated[float, Field(ge=1)] = 64
    depth_divisor: Annotated[float, Field(ge=1)] = 2
    head_divisor: Annotated[float, Field(ge=1)] = 2
    """Less than the width: heads of a few dimensions that are normed cannot look sharply."""
    max_experts: Annotated[int, Field(ge=2)] = 8
    context_divisor: Annotated[float, Field(ge=1)] = 16


class Plan(BaseModel):
    """How a small model is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tokens: Count
    """Positions trained on, rounded up to whole batches."""
    batch_size: Annotated[int, Field(ge=1)]
    sequence_length: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0)]
    init_scale: Annotated[float, Field(gt=0)] = 1.0
    """Factor on the starting values of all matrices but depthwise filters."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Part of the steps over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.95
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""
    precision: Literal["bf16", "f32"] = "f32"
    """Format of products; weights and sums stay float32."""
    time_limit_s: Seconds = 300

    @property
    def steps(self) -> int:
        return max(1, math.ceil(self.tokens / (self.batch_size * self.sequence_length)))

    def rate(self, step: int) -> float:
        """Return the learning rate of one step."""
        warm = max(1, round(self.warmup * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))


class RecallTask(BaseModel):
    """Sizes of the recall task."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    num_keys: Annotated[int, Field(ge=2, le=128)] = 6
    num_values: Annotated[int, Field(ge=2, le=128)] = 8
    num_pairs: Annotated[int, Field(ge=4)] = 32
    distance: Annotated[int, Field(ge=1)] = 8
    """A scored pair was last seen so many pairs ago at least, in the test."""

    @property
    def sequence_length(self) -> int:
        return 2 * self.num_pairs


class QualitySettings(BaseModel):
    """How quality is measured; part of a study, and of every record."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tokens: Count = 400_000
    """Bytes of text that each replica is trained on."""
    batch_size: Annotated[int, Field(ge=1)] = 4
    sequence_length: Annotated[int, Field(ge=16)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 6e-3
    init_scale: Annotated[float, Field(gt=0)] | None = None
    """Factor on the starting values of matrices; null for the square root of `replica.width_divisor`."""
    precision: Literal["bf16", "f32"] = "f32"
    validation_windows: Annotated[int, Field(ge=1)] = 128
    """Windows of `sequence_length` bytes of the held-out text that are scored."""
    replica: Reduction = Reduction()
    recall: RecallTask | None = RecallTask()
    """Null measures text alone."""
    recall_tokens: Count = 240_000
    recall_batch_size: Annotated[int, Field(ge=1)] = 8
    recall_tests: Annotated[int, Field(ge=1)] = 128
    """Tested sequences."""
    time_limit_s: Seconds = 300
    """Of one training; a candidate that needs longer is a failure."""

    def text_plan(self) -> Plan:
        return self._plan(self.tokens, self.batch_size, self.sequence_length)

    def recall_plan(self, task: RecallTask) -> Plan:
        return self._plan(self.recall_tokens, self.recall_batch_size, task.sequence_length)

    def _plan(self, tokens: int, batch_size: int, sequence_length: int) -> Plan:
        return Plan(
            tokens=tokens,
            batch_size=batch_size,
            sequence_length=sequence_length,
            learning_rate=self.learning_rate,
            init_scale=self.init_scale or math.sqrt(self.replica.width_divisor),
            precision=self.precision,
            time_limit_s=self.time_limit_s,
        )
