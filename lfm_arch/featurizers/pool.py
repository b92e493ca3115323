"""Which positions speak for a whole sequence, and what a head on the pooled vector costs."""

from typing import Literal

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload

Pool = Literal["mean", "last", "first"]
"""`mean` of the real positions, or the `last` or the `first` real one."""


def projection_cost(width: int, size: int, work: Workload, pool: Pool | None) -> Cost:
    """Count pooling, then a linear map with bias from `width` to `size`; pool None maps every position."""
    params = width * size + size
    projected = work.positions if pool is None else work.batch
    pooled = {None: 0, "mean": work.positions * width + projected * width, "last": 0, "first": 0}[pool]
    return Cost(
        params=params,
        active_params=params,
        matmul_flops=2 * width * size * projected,
        touched_params=params,
        activations=pooled + (width + size) * projected,
        kernels=1 if pool is None else 2,
    )
