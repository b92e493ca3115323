"""What is asked when a candidate is decided: one question for each number that a genome holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lfm_arch.spec.scalar import Value

DecisionKind = Literal["choice", "int", "float"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One question. Its answer is one of `options`, or a number from `low` to `high`, both included.

    Decisions for one layer end in `@4`, for layers together in `@4..7`. A choice whose options are mappings is answered
    by their labels: their `type`, or a short text. Layouts, subsets and orders are coded so that every answer is legal:
    `path[2]` is a share of the room there is, from 0 to 1.
    """

    path: str
    kind: DecisionKind
    options: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    step: int | None = None
    log: bool = False
    prior: Value = None
    """The answer of the default candidate: the `prior` that is written, else the first option or the lowest number."""

    def allows(self, value: object) -> bool:
        """Whether a value answers the question."""
        if self.kind == "choice":
            if value.__class__ is str or value is None:
                return value in self.options
            return any(same(value, option) for option in self.options)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        assert self.low is not None, f"{self.path} has no lowest value"
        assert self.high is not None, f"{self.path} has no highest value"
        if not self.low <= value <= self.high:
            return False
        if self.kind == "int":
            return isinstance(value, int) and (value - int(self.low)) % (self.step or 1) == 0
        return True

    def domain(self) -> str:
        """Say the legal answers in words."""
        if self.kind == "choice":
            shown = ", ".join("null" if each is None else str(each) for each in self.options[:12])
            return f"one of {shown}{', ...' if len(self.options) > 12 else ''}"
        return f"{self.low} to {self.high}{f' in steps of {self.step}' if self.step else ''}"


def same(one: object, other: object) -> bool:
    """Whether two answers are equal; true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


Ask = Callable[[Decision], Value]
"""Answers questions, in the order they come up; never asked twice for one path, nor for a branch not taken."""
