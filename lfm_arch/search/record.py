"""What is kept of every candidate: one JSON line, written once, never changed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Outcome = Literal["complete", "infeasible", "failed", "duplicate"]
"""`infeasible`: a budget or constraint discarded it before training. `duplicate`: equal to an earlier architecture."""


class Value(BaseModel):
    """One objective or measured quantity of a candidate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    unit: str
    kind: Literal["exact", "modelled", "measured"]
    low: float | None = None
    """Lower end of the 90 % interval; None where none is known."""
    high: float | None = None
    note: str = ""


class Violation(BaseModel):
    """A budget or constraint that a candidate breaks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    why: str = ""
    value: float | None = None
    limit: float | None = None


class Record(BaseModel):
    """A finished candidate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    """Trial number in the study, from 0."""
    name: str
    """`trial-0017`, or the name of a known-good spec that was enqueued."""
    outcome: Outcome
    architecture_id: str = ""
    genome: dict[str, Any] = Field(default_factory=dict)
    """Decision path -> value, as drawn."""
    objectives: dict[str, Value] = Field(default_factory=dict)
    counts: dict[str, Value] = Field(default_factory=dict)
    """Exact counts and modelled or measured side values: params, active_params, layers, kv_bytes_per_token, ..."""
    violations: tuple[Violation, ...] = ()
    error: str = ""
    """Code and message of a failure, `E402 ...`."""
    duplicate_of: int | None = None
    spec: str = ""
    """The candidate as a model spec, YAML text that `lfm-arch build` accepts."""
    layout: str = ""
    """One letter a layer."""
    drawing: list[dict[str, Any]] = Field(default_factory=list)
    """Folded layers for a picture: {name, repeat, mixer, channel, params, seconds, bound}, in order."""
    quality: dict[str, Any] = Field(default_factory=dict)
    """How quality was measured: replica, tokens, seeds and their values, data hash, seconds."""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    started: str = ""
    """UTC, ISO 8601."""
    seed: int = 0
    notes: tuple[str, ...] = ()
    """What to know before believing it: operators whose support on the hardware is unproven, a reused measurement."""
    known_good: bool = False

    @property
    def is_evaluated(self) -> bool:
        """Whether it took its place among the trials that a study asks for: it was trained, or fully estimated."""
        return self.outcome == "complete" or bool(self.quality)
