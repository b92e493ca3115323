"""What a part costs for one workload, in counts that no hardware changes.

Counts are exact and are checked: `params` against the built module, `flops` against torch's own FLOP counter, state
against the slots that the runtime allocates. A hardware profile turns them into seconds, joules and bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts for the whole batch of one forward pass. A multiply-add is two FLOPs.

    Elements, not bytes: the number format belongs to the deployment, not to the architecture.
    """

    params: int = 0
    """Parameters held. A part that reads somebody else's weights holds none."""
    active_params: int = 0
    """Parameters that one token uses: all of them, except in a mixture of experts."""
    matmul_flops: int = 0
    """Activations times weights."""
    mixing_flops: int = 0
    """Activations times activations (the attention core, scans) and depthwise filters. Only pairs that see each other
    count: decoding the same tokens one at a time makes torch's counter report exactly this."""
    touched_params: float = 0.0
    """Weights read in this pass; expected distinct experts for a batch, looked-up rows for an embedding."""
    touched_expert_params: float = 0.0
    """The part of `touched_params` that lies in routed experts, which runtimes read with other kernels."""
    expert_flops: int = 0
    """The part of `matmul_flops` that lies in routed experts."""
    cache_read: int = 0
    """Elements of the growing (or windowed) cache that are read."""
    cache_write: int = 0
    """Elements appended to it."""
    state_traffic: int = 0
    """Elements of fixed-size state read and written."""
    activations: int = 0
    """Elements that element-wise steps, norms and residuals read and write, beyond matmul operands."""
    kernels: int = 0
    """Kernel launches of a plain implementation; hardware profiles charge overhead for each."""

    @property
    def flops(self) -> int:
        """All FLOPs that torch's counter counts."""
        return self.matmul_flops + self.mixing_flops

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, name) + getattr(other, name) for name in _NAMES))

    @staticmethod
    def total(costs: Iterable["Cost"]) -> "Cost":
        """Sum; the empty sum is `Cost()`."""
        rows = [[getattr(cost, name) for name in _NAMES] for cost in costs]
        return Cost(*map(sum, zip(*rows, strict=True))) if rows else Cost()


_NAMES = tuple(field.name for field in fields(Cost))
