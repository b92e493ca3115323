"""Run a study: known-good specs first, then proposals, each discarded, failed, recognised or trained, and recorded.

    with Store(directory) as store:
        run_study(setup, store, Replicas(setup.study.quality, setup.corpus))

Running it again on the same directory goes on where it stopped. What is recorded is never evaluated again.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, Literal, Protocol

from lfm_arch.core.errors import Diagnostic, LfmArchError, SearchError
from lfm_arch.quality.stopped import StoppedError
from lfm_arch.search.cost import cost
from lfm_arch.search.judge import Judge, spec_text
from lfm_arch.search.propose import Proposal, Proposer, derive
from lfm_arch.search.quality import Quality
from lfm_arch.search.record import Record
from lfm_arch.search.store import Store
from lfm_arch.search.study import Setup
from lfm_arch.spec.arch import ArchSpec

Ending = Literal["done", "time", "stopped", "exhausted"]
"""`done`: as many trained as asked for. `time`: no time for another. `exhausted`: nothing new is proposed any more."""
REPEATS_BEFORE_EXPLORING = 3
REPEATS_BEFORE_GIVING_UP = 100
DISCARDED_BEFORE_GIVING_UP = 1000


class Watcher(Protocol):
    """Sees a study run."""

    def starts(self, number: int, name: str, trainings: int) -> None:
        """A candidate within the budgets is about to be trained, so often."""
        ...

    def finishes(self, record: Record) -> None:
        """A trial is on the disk."""
        ...


class _Blind:
    def starts(self, number: int, name: str, trainings: int) -> None:
        del number, name, trainings

    def finishes(self, record: Record) -> None:
        del record


@dataclass
class Limits:
    """When a run ends."""

    deadline: float | None = None
    """By `time.monotonic`."""
    stop: Callable[[], bool] = lambda: False


def run_study(
    setup: Setup,
    store: Store,
    quality: Quality | None,
    *,
    limits: Limits | None = None,
    watcher: Watcher | None = None,
) -> Ending:
    """Run until as many candidates are trained as the study asks for, or time is up, or somebody stops it.

    Args:
        setup: the study and all that it names.
        store: its open directory; what it holds already counts.
        quality: trains candidates; None for a study of costs alone.
        limits: when to end before that.
        watcher: told of each trial.

    Raises:
        SearchError: E953, a finished trial cannot be written; E957, an objective is unknown on this hardware.
    """
    return _Run(setup, store, quality, limits or Limits(), watcher or _Blind()).run()


class _Run:
    def __init__(self, setup: Setup, store: Store, quality: Quality | None, limits: Limits, watcher: Watcher) -> None:
        self.setup, self.store, self.quality = setup, store, quality
        self.limits, self.watcher = limits, watcher
        study = setup.study
        self.judge = Judge(setup, quality, store.records, limits.stop)
        self.proposer = Proposer(setup.space, setup.objectives, study.sampler, study.seed)
        self.prior = self._prior()

    def run(self) -> Ending:
        for record in self.store.records:
            self._replay(record)
        done = {record.name for record in self.store.records if record.known_good}
        for name, spec in self.setup.known_good:
            if name not in done:
                ending = self._out_of_time()
                if ending is not None or not self._known_good(name, spec):
                    return ending or "stopped"
        while True:
            ending = self._ended()
            if ending is not None:
                return ending
            if not self._proposed():
                return "stopped"

    def _prior(self) -> tuple[str, dict[str, Any]]:
        """Return id and genome of the space's default candidate, which known-good specs are recognised by."""
        default = self.setup.space.default()
        # a study that cannot be answered fails here, before anything is trained
        return cost(default.spec, self.setup).id, default.genome

    def _ended(self) -> Ending | None:
        records = self.store.records
        if sum(record.is_evaluated for record in records) >= self.setup.study.trials:
            return "done"
        if self._streak("duplicate") >= REPEATS_BEFORE_GIVING_UP:
            return "exhausted"
        if self._streak("infeasible", "failed", "duplicate") >= DISCARDED_BEFORE_GIVING_UP:
            return "exhausted"
        return self._out_of_time()

    def _out_of_time(self) -> Ending | None:
        if self.limits.stop():
            return "stopped"
        if self.limits.deadline is None:
            return None
        taken = [record.seconds for record in self.store.records if record.is_evaluated][-5:]
        # half a training more than was asked for is better than a third of the time unused
        ready = time.monotonic() + 0.5 * (fmean(taken) if taken else 0.0) < self.limits.deadline
        return None if ready else "time"

    def _streak(self, *outcomes: str, before: int | None = None) -> int:
        """Count the latest trials in a row that had one of these outcomes."""
        count = 0
        for record in reversed(self.store.records[:before]):
            if record.outcome not in outcomes:
                break
            count += 1
        return count

    def _known_good(self, name: str, spec: ArchSpec) -> bool:
        """Evaluate a known-good spec; as a proposal where it lies in the space, so that the sampler learns of it."""
        trial = _Trial.begin(len(self.store.records), self.setup.study.seed, name, known_good=True)
        costs = cost(spec, self.setup)
        proposal = None
        if costs.id == self.prior[0]:
            proposal = self.proposer.propose(trial.number, self.prior[1])
        return self._finish(self._evaluated(trial, spec, proposal), proposal)

    def _proposed(self) -> bool:
        number = len(self.store.records)
        explore = self._streak("duplicate") >= REPEATS_BEFORE_EXPLORING
        proposal = self.proposer.propose(number, explore=explore)
        trial = _Trial.begin(number, self.setup.study.seed, f"trial-{number:04d}")
        if proposal.candidate is None:
            assert proposal.error is not None, "a proposal has a candidate or an error"
            return self._finish(trial.failed(_line(proposal.error), genome=proposal.genome), proposal)
        return self._finish(self._evaluated(trial, proposal.candidate.spec, proposal), proposal)

    def _evaluated(self, trial: "_Trial", spec: ArchSpec, proposal: Proposal | None) -> Record | None:
        """Return the record of a candidate; None when somebody stopped it."""
        genome = proposal.genome if proposal is not None else {}
        spec = spec.model_copy(update={"name": trial.name}) if not trial.known_good else spec
        try:
            outcome, found = self.judge.judge(
                spec,
                known_good=trial.known_good,
                starts=lambda trainings: self.watcher.starts(trial.number, trial.name, trainings),
            )
            return trial.record(outcome, genome=genome, **found)
        except StoppedError:
            return None
        except SearchError:
            # not about this candidate: about the study
            raise
        except LfmArchError as error:
            return trial.failed(_line(error), genome=genome, spec=spec_text(spec))
        except Exception as error:
            # whatever a candidate does, the others go on; the place is kept for whoever mends it
            surprise = LfmArchError(Diagnostic("E959", f"{type(error).__name__}: {error}"))
            place = traceback.format_exc(limit=-4)
            return trial.failed(_line(surprise), genome=genome, spec=spec_text(spec), notes=(place,))

    def _finish(self, record: Record | None, proposal: Proposal | None) -> bool:
        if record is None:
            return False
        self.store.append(record)
        self._tell(record, proposal)
        self.watcher.finishes(record)
        return True

    def _replay(self, record: Record) -> None:
        """Tell the sampler of a finished trial, as it was told then."""
        if record.known_good and not record.genome:
            return
        explore = self._streak("duplicate", before=record.number) >= REPEATS_BEFORE_EXPLORING
        proposal = self.proposer.propose(record.number, record.genome, explore=explore)
        self._tell(record, proposal)

    def _tell(self, record: Record, proposal: Proposal | None) -> None:
        if proposal is None:
            return
        original = record
        while original.duplicate_of is not None:
            original = self.store.records[original.duplicate_of]
        if original.outcome == "failed":
            self.proposer.tell(proposal, None)
            return
        values = {name: value.value for name, value in original.objectives.items()}
        self.proposer.tell(proposal, values, self._constraints(original))

    def _constraints(self, record: Record) -> dict[str, float]:
        """Return how far each budget and constraint is missed, from what the record keeps."""
        values = {**record.counts, **record.objectives}
        found = {name: values[name].value / limit - 1 for name, limit in self.setup.limits.items() if name in values}
        for name, limit in self.setup.study.floors.limits().items():
            if name in values:
                found[name] = limit - values[name].value
        for each in record.violations:
            if each.check.split(" ")[0] not in found:
                found[each.check] = 1.0
        return found


@dataclass(frozen=True)
class _Trial:
    number: int
    name: str
    seed: int
    started: str
    since: float
    known_good: bool = False

    @staticmethod
    def begin(number: int, seed: int, name: str, *, known_good: bool = False) -> "_Trial":
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return _Trial(number, name, derive(seed, number), now, time.perf_counter(), known_good)

    def record(self, outcome: str, **fields: Any) -> Record:
        return Record.model_validate(
            {
                "number": self.number,
                "name": self.name,
                "outcome": outcome,
                "started": self.started,
                "seconds": time.perf_counter() - self.since,
                "seed": self.seed,
                "known_good": self.known_good,
                **fields,
            }
        )

    def failed(self, error: str, **fields: Any) -> Record:
        return self.record("failed", error=error, **fields)


def _line(error: LfmArchError) -> str:
    first = error.diagnostics[0]
    more = len(error.diagnostics) - 1
    return f"{first.code} {first.message}{f' (and {more} more)' if more else ''}"
