"""How far two measured values must lie apart before one is called better.

Architectures that were trained with several seeds tell the spread of one training. It is pooled over them, and two
means of n trainings each differ by chance by less than

    t * spread * sqrt(2 / n)

nine times out of ten in one direction and the other together, t being Student's for as many degrees of freedom as there
are trainings beyond the first of each architecture.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from lfm_arch.search.record import Record

# Student's t, 95 % one-sided
_T = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
_T_LARGE = ((20, 1.725), (40, 1.684), (10**9, 1.645))


@dataclass(frozen=True, slots=True)
class Noise:
    """Spread of one training of one architecture."""

    spread: float
    freedom: int
    """Degrees of freedom that it was estimated with."""

    @property
    def t(self) -> float:
        if self.freedom <= len(_T):
            return _T[self.freedom - 1]
        return next(value for limit, value in _T_LARGE if self.freedom <= limit)

    def interval(self, trainings: int) -> float:
        """Return the half width of the 90 % interval of a mean."""
        return self.t * self.spread / sqrt(trainings)

    def floor(self, trainings: int) -> float:
        """Return the difference of two means below which nothing is ordered."""
        return sqrt(2) * self.interval(trainings)


def noise_of(values: Iterable[Sequence[float]]) -> Noise | None:
    """Pool the spread of architectures that were trained more than once; None when none was."""
    squares, freedom = 0.0, 0
    for each in values:
        mean = sum(each) / len(each) if each else 0.0
        squares += sum((value - mean) ** 2 for value in each)
        freedom += max(0, len(each) - 1)
    return Noise(sqrt(squares / freedom), freedom) if freedom else None


def measured_noise(records: Iterable[Record], metric: str) -> Noise | None:
    """Return the noise of a quality metric, from the records of a study."""
    # a reused measurement says nothing new
    own = (record.quality for record in records if "reused_from" not in record.quality)
    return noise_of(quality.get(metric, ()) for quality in own)
