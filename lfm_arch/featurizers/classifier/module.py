"""The running classifier."""

from lfm_arch.parts.pool import PooledProjection


class ClassifierModule(PooledProjection):
    """The running `Classifier`."""
