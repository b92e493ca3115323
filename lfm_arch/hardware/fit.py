"""Bounded least squares on relative error, small enough to read.

    minimise  sum_i ( (known_i + A_i x) / t_i - 1 )^2 + sum_k w_k^2 ( x_k / p_k - 1 )^2    with  lower <= x <= upper

Times span four decades, so errors are weighed relative to the measured time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fit_relative(
    columns: Array,
    times: Array,
    *,
    known: Array | None = None,
    lower: Sequence[float],
    upper: Sequence[float],
    prior: Sequence[float] | None = None,
    hold: Sequence[float] | None = None,
) -> Array:
    """Fit non-negative seconds for each unit of work.

    Args:
        columns: work by measurement and kind, `[N, K]`; all non-negative.
        times: measured seconds, `[N]`.
        known: seconds of each measurement that are settled already.
        lower: smallest allowed x, by kind.
        upper: largest.
        prior: what each x is thought to be, `p`; a kind whose prior is zero has none.
        hold: how firmly, `w`: the spread of measurements over that of the prior.

    Returns:
        x by coordinate descent, which finds the minimum of this convex problem; a kind without work keeps its
        lower end.
    """
    scaled_NK = columns / times[:, None]
    target_N = np.ones(len(times)) if known is None else 1.0 - known / times
    if prior is not None and hold is not None:
        pulls_K = np.array([w / p if p > 0 else 0.0 for p, w in zip(prior, hold, strict=True)])
        pulled = pulls_K > 0
        scaled_NK = np.concatenate([scaled_NK, np.diag(pulls_K)[pulled]])
        target_N = np.concatenate([target_N, np.asarray(hold, float)[pulled]])
    sizes_K = np.sqrt((scaled_NK**2).sum(0))
    used = sizes_K > 0
    safe_K = np.where(used, sizes_K, 1.0)
    scaled_NK = scaled_NK / safe_K
    low_K, high_K = np.asarray(lower) * safe_K, np.asarray(upper) * safe_K
    x_K = np.clip(np.zeros(len(safe_K)), low_K, high_K)
    residual_N = target_N - scaled_NK @ x_K
    for _ in range(20_000):
        before = x_K.copy()
        for k in np.flatnonzero(used):
            new = np.clip(x_K[k] + scaled_NK[:, k] @ residual_N, low_K[k], high_K[k])
            residual_N -= scaled_NK[:, k] * (new - x_K[k])
            x_K[k] = new
        if np.abs(x_K - before).max(initial=0.0) <= 1e-12 * max(np.abs(x_K).max(initial=0.0), 1e-300):
            break
    return x_K / safe_K


def conformal(residuals: Sequence[float], coverage: float = 0.9) -> float:
    """Return the split-conformal quantile of absolute residuals: the ceil((n + 1) coverage)-th smallest."""
    ordered = sorted(map(abs, residuals))
    rank = int(np.ceil((len(ordered) + 1) * coverage))
    return ordered[min(rank, len(ordered)) - 1]
