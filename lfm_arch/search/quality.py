"""Where measured values come from, as the search sees it: the small trainer, or what a test puts in its place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lfm_arch.quality.data import Corpus
from lfm_arch.quality.settings import QualitySettings
from lfm_arch.spec.arch import ArchSpec

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Measured:
    """Quality of one candidate."""

    values: Mapping[str, Sequence[float]]
    """Metric -> one value for each seed."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """How it was measured, for the record."""


class Quality(Protocol):
    """Measures candidates; equal arguments give equal values."""

    def identity(self, spec: ArchSpec) -> str:
        """Name what would be trained: candidates of one identity have one value, and are trained once."""
        ...

    def measure(self, spec: ArchSpec, seeds: Sequence[int], stop: Stop) -> Measured:
        """Train and score, asking `stop` now and then.

        Raises:
            LfmArchError: this candidate cannot be measured.
            StoppedError: `stop` said so.
        """
        ...


class Replicas:
    """Trains small replicas, see `lfm_arch.quality.measure`."""

    def __init__(self, settings: QualitySettings, corpus: Corpus) -> None:
        self._settings, self._corpus = settings, corpus

    def identity(self, spec: ArchSpec) -> str:
        from lfm_arch.quality.measure import replica_id

        return replica_id(spec, self._settings)

    def measure(self, spec: ArchSpec, seeds: Sequence[int], stop: Stop) -> Measured:
        # torch is loaded when the first candidate is trained, not by those that only count
        from lfm_arch.quality.measure import measure

        found = measure(spec, self._settings, seeds, corpus=self._corpus, stop=stop)
        values = {"bits_per_byte": found.bits_per_byte} | ({"recall": found.recall} if found.recall else {})
        return Measured(values, found.describe())
