"""One run of the command: open the directory, go on where it stopped, leave records, summary and Pareto files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lfm_arch.core.errors import Diagnostic, SearchError
from lfm_arch.search.propose import sampler_title
from lfm_arch.search.quality import Quality, Replicas
from lfm_arch.search.record import Record
from lfm_arch.search.result import summarise, write_results
from lfm_arch.search.run import Ending, Limits, run_study
from lfm_arch.search.store import RECORDS, SUMMARY, Store, set_aside
from lfm_arch.search.study import Setup
from lfm_arch.search.summary import StudySummary


@dataclass(frozen=True)
class Session:
    """What a run leaves behind."""

    setup: Setup
    directory: Path
    ending: Ending
    summary: StudySummary
    records: tuple[Record, ...]
    files: tuple[Path, ...]
    """The Pareto candidates as model files."""
    aside: Path | None = None
    """Where an older directory was moved to."""


class SessionWatcher(Protocol):
    """Sees a session run."""

    def opens(self, setup: Setup, records: Sequence[Record]) -> None:
        """The directory is open; `records` are those of earlier runs, and grow."""
        ...

    def starts(self, number: int, name: str, trainings: int) -> None:
        """A candidate is about to be trained."""
        ...

    def finishes(self, record: Record) -> None:
        """A trial is on the disk."""
        ...


def run_session(
    setup: Setup,
    directory: Path,
    watcher: SessionWatcher,
    *,
    quality: Quality | None = None,
    fresh: bool = False,
    command: Sequence[str] = (),
    deadline: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Session:
    """Run a study in its directory.

    Args:
        setup: the study.
        directory: made when missing, gone on with when it holds the same study.
        watcher: told what happens.
        quality: measures candidates; the small trainer when left out, nothing for a study of costs alone.
        fresh: move what is there aside and start again.
        command: what the user called, so that a report can say how to go on.
        deadline: when to end, by `time.monotonic`.
        stop: asked often; true ends the run, and the trial under way is repeated by the next one.

    Raises:
        SearchError: E951 to E954, the directory is in use, of another study, not writable, damaged.
    """
    aside = set_aside(directory) if fresh else None
    if quality is None and setup.study.quality is not None and setup.corpus is not None:
        quality = Replicas(setup.study.quality, setup.corpus)
    with Store(directory) as store:
        _same_study(setup, store)

        def sum_up(*, ended: bool) -> StudySummary:
            return summarise(
                setup, store.records, sampler=sampler_title(setup.study.sampler), command=command, ended=ended
            )

        class Both:
            """Tells the watcher, and keeps `study.json` up to date for a report in the middle."""

            def starts(self, number: int, name: str, trainings: int) -> None:
                watcher.starts(number, name, trainings)

            def finishes(self, record: Record) -> None:
                watcher.finishes(record)
                if record.is_evaluated and setup.study.quality is not None:
                    store.write_summary(sum_up(ended=False))

        store.write_summary(sum_up(ended=False))
        watcher.opens(setup, store.records)
        ending = run_study(setup, store, quality, limits=Limits(deadline, stop), watcher=Both())
        summary = sum_up(ended=True)
        files = write_results(setup, store, summary)
        return Session(setup, directory, ending, summary, tuple(store.records), tuple(files), aside)


def _same_study(setup: Setup, store: Store) -> None:
    summary = store.summary
    if summary is None:
        if store.records:
            raise SearchError(
                Diagnostic(
                    "E954",
                    f"{store.directory} has {RECORDS} but no {SUMMARY}",
                    because="without it nobody knows which study the records belong to",
                    help="restore the file, or start again with --fresh, which keeps the old directory aside",
                )
            )
        return
    if summary.study_id != setup.id:
        raise SearchError(
            Diagnostic(
                "E952",
                f"{store.directory} holds another study: {_difference(setup, summary)}",
                because="values of another space, hardware, scenario, budget, seed, data or version do not compare",
                help="choose another --output, or start again with --fresh, which keeps the old directory aside",
            )
        )


def _difference(setup: Setup, summary: StudySummary) -> str:
    """Say what is known to differ, in words."""
    hardware = ", ".join(profile.name for profile in setup.profiles)
    found = [
        f"{what} {old}, not {new}"
        for what, old, new in (
            ("name", summary.name, setup.study.name),
            ("hardware", summary.hardware, hardware),
            ("seed", summary.seed, setup.study.seed),
        )
        if old != new
    ]
    for what, old, new in (("study file", summary.study, setup.text), ("space", summary.space, setup.space_text)):
        if old != new:
            found.append(f"the {what} has changed")
    data = next((fact.value for fact in summary.facts if fact.name == "data"), "")
    if setup.corpus is not None and setup.corpus.sha256 not in data:
        found.append("the data differ")
    return "; ".join(found) or "its settings or the version of lfm-arch differ"
