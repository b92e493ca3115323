"""What all layers of one forward pass have in common: where its tokens stand, which are real.

Axes: B batch, T new tokens, S context (past and new), D width.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
"""The slots of one layer, by name, as its operator declared them; written in place."""


@dataclass
class ModelState:
    """What a whole model remembers between passes: every layer's slots, and how many positions they hold."""

    slots: dict[str, State]
    """Layer id, as `layers.3`, to its slots."""
    length: int = 0
    """Positions seen so far."""
    capacity: int = 0
    """Positions that growing slots have room for."""


@dataclass
class Context:
    """Ambient facts of one pass. Made once by the model, read by every layer."""

    positions_BT: Tensor
    """Position of each new token, for rotary embeddings; first axis 1 when all sequences agree."""
    past: int = 0
    """Cached positions before this pass."""
    mask_BS: Tensor | None = None
    """True at real tokens, over past and new positions; None when there is no padding."""
    observed: dict[str, list[Tensor]] | None = None
    """Where layers leave what training wants to see besides the output, in layer order; None when nobody looks.

    `router_logits`: `[positions, experts]` of every mixture of experts.
    """
    tables: dict[Hashable, Any] = field(default_factory=dict)

    @staticmethod
    def begin(tokens: int, *, past: int = 0, mask_BS: Tensor | None = None, device: Any = None) -> "Context":
        """Start a pass over `tokens` new positions; padded sequences count only their real tokens."""
        if mask_BS is None:
            return Context(torch.arange(past, past + tokens, device=device)[None], past)
        positions_BS = (mask_BS.long().cumsum(-1) - 1).clamp(min=0)
        return Context(positions_BS[:, past:], past, mask_BS)

    @property
    def new_mask_BT(self) -> Tensor | None:
        """The mask over the new tokens alone."""
        return None if self.mask_BS is None else self.mask_BS[:, self.past :]

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Compute a table (rotary angles, a mask) at its first use in this pass and hand it to every later layer."""
        if key not in self.tables:
            self.tables[key] = compute()
        return self.tables[key]

    def observe(self, name: str, value: Tensor) -> None:
        """Leave a value for whoever looks."""
        if self.observed is not None:
            self.observed.setdefault(name, []).append(value)


class OperatorModule(nn.Module):
    """The running form of an `Operator`.

    `forward(x_BTD, context, state=None, **features)` mixes, continuing from `state` and leaving the new state in it.
    Keyword arguments beyond these are the ports that the declaration `reads`, or features computed elsewhere.

    First values are not the module's business, but what is special about them: numbers that `__init__` sets (ones, a
    range of decay rates) stay, matrices that it leaves empty or fills at random are drawn anew by name and seed.
    """

    writes: ClassVar[tuple[str, ...]] = ()
    """Submodules and parameters whose product is the operator's output; deep stacks draw them narrower."""

    def share(self, x_BTD: Tensor, context: Context, state: State | None = None) -> dict[str, Any]:
        """Compute the features that the declaration `computes`, to pass to `forward` here and in reader layers."""
        raise NotImplementedError(f"{type(self).__name__} shares no features")
