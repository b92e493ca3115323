"""How much work is asked of a model at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """One forward pass: `tokens` new positions after `past` cached ones, for each of `batch` sequences.

    A prefill of 512 is `Workload(tokens=512)`, one decode step behind it `Workload(tokens=1, past=512)`.
    """

    batch: int = 1
    tokens: int = 1
    past: int = 0

    @property
    def context(self) -> int:
        """Positions known after the pass."""
        return self.past + self.tokens

    @property
    def positions(self) -> int:
        """New positions over the whole batch."""
        return self.batch * self.tokens

    def pairs(self, window_size: int | None = None, *, causal: bool = True) -> int:
        """Count (query, key) pairs that see each other, over the whole batch.

        Args:
            window_size: keys a query sees at most, itself included; None for all.
            causal: whether later positions are hidden.
        """
        if not causal:
            return self.batch * self.tokens * self.context
        if window_size is None or self.context <= window_size:
            per_sequence = self.tokens * self.past + self.tokens * (self.tokens + 1) // 2
        else:
            # positions before the window fills see a growing number of keys, the others all of the window
            growing = max(0, min(self.tokens, window_size - self.past))
            per_sequence = growing * self.past + growing * (growing + 1) // 2 + (self.tokens - growing) * window_size
        return self.batch * per_sequence
