"""The running regression head."""

from lfm_arch.parts.pool import PooledProjection


class RegressionModule(PooledProjection):
    """The running `Regression`."""
