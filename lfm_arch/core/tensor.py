"""Types of the values that flow along a graph's edges."""

from dataclasses import dataclass
from typing import Literal

Size = int | str
"""A number, or the name of a size that only a run knows: `batch`, `tokens`, `context`, `image_patches`."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """Axes and kind of one value: `TensorType(("batch", "tokens", 2048))` is the stream of a 2048-wide model."""

    axes: tuple[Size, ...]
    kind: Literal["float", "int"] = "float"

    def __str__(self) -> str:
        return f"{'' if self.kind == 'float' else 'int '}[{', '.join(map(str, self.axes))}]"


def stream(width: int, tokens: Size = "tokens") -> TensorType:
    """Return the type of a residual stream."""
    return TensorType(("batch", tokens, width))
