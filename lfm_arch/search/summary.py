"""What `study.json` holds: everything about a study that is not one candidate, rewritten atomically as it runs.

With `records.jsonl` beside it, it is all that the report reads.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Objective(BaseModel):
    """One axis of the search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Key in `Record.objectives`."""
    title: str
    """For people: `decode latency`, `validation loss`."""
    unit: str
    direction: Literal["minimize", "maximize"] = "minimize"


class Fact(BaseModel):
    """One number that results depend on, and where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: str
    """With unit; `unknown` where nobody knows."""
    kind: str = ""
    """datasheet, fitted, measured, prior, ..."""
    source: str = ""
    date: str = ""


class ConstraintCount(BaseModel):
    """How many candidates one budget or constraint discarded, alone and together with others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    why: str = ""
    violated: int
    alone: int = 0
    """Candidates that broke this rule and no other: the binding rule has the most."""


class StudySummary(BaseModel):
    """A study as its report shows it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    doc: str = ""
    hardware: str
    """Profile id."""
    hardware_title: str
    scenario: dict[str, Any] = Field(default_factory=dict)
    objectives: tuple[Objective, ...]
    """The first two are the axes of the plot."""
    quality: str = ""
    """In sentences: what the quality number is, and what it is not."""
    noise: float | None = None
    """Spread of the quality value over seeds of one architecture; smaller differences order nothing."""
    unproven: tuple[str, ...] = ()
    """Operators whose support on this hardware is unknown; results that use them are unproven."""
    budgets: dict[str, str] = Field(default_factory=dict)
    trials: int
    """Asked for."""
    finished: int = 0
    """Trained so far, known-good ones included; discarded ones and duplicates are not counted."""
    complete: int = 0
    infeasible: int = 0
    duplicate: int = 0
    failed: int = 0
    pareto: tuple[int, ...] = ()
    """Record numbers, by the first objective."""
    hypervolume: tuple[float, ...] = ()
    """After each complete candidate."""
    reference_point: tuple[float, ...] = ()
    constraints: tuple[ConstraintCount, ...] = ()
    space: str = ""
    """YAML text of the space, as searched."""
    study: str = ""
    """YAML text of the study."""
    facts: tuple[Fact, ...] = ()
    """Hardware numbers with their sources, data hash, ..."""
    versions: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    sampler: str = ""
    started: str = ""
    ended: str = ""
    seconds: float = 0.0
    study_id: str = ""
    """Hash of all that the values depend on; only a study with the same one goes on here."""
    command: str = ""
    """The command that runs, or resumes, the study."""
