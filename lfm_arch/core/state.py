"""What an operator remembers between passes, declared once.

The runtime allocates it, costs count it, exporters name it, reports show it.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal

Axis = int | Literal["batch", "context"]


@dataclass(frozen=True, slots=True)
class StateSlot:
    """One remembered tensor, as `StateSlot("key", ("batch", 4, "context", 64))`."""

    name: str
    shape: tuple[Axis, ...]
    limit: int | None = None
    """Positions kept along `context` at most; None when it grows with every token."""
    precision: Literal["stream", "float32"] = "stream"
    """`stream`: the number format of the activations. `float32`: accumulators that must not round."""

    @property
    def grows(self) -> bool:
        """Whether a longer context takes more memory without end."""
        return "context" in self.shape and self.limit is None

    @property
    def per_token(self) -> int:
        """Elements that one more token of one sequence adds; 0 for a slot that does not grow."""
        return self.elements(batch=1, context=1) if self.grows else 0

    def sized(self, *, batch: int, context: int) -> tuple[int, ...]:
        """Return the shape in numbers, for `context` remembered positions."""
        kept = context if self.limit is None else min(context, self.limit)
        return tuple(batch if axis == "batch" else kept if axis == "context" else axis for axis in self.shape)

    def elements(self, *, batch: int, context: int) -> int:
        return prod(self.sized(batch=batch, context=context))
