"""How a running search looks, and its result."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lfm_arch.cli.output import console
from lfm_arch.search.metric import loss, metric
from lfm_arch.search.record import Record
from lfm_arch.search.result import noise, pareto, quality_objective, tiers, written
from lfm_arch.search.session import Session
from lfm_arch.search.study import Setup

ROWS = 8
"""Pareto candidates shown while it runs."""


class Screen:
    """Watches a session: a live picture on a terminal, a line for each trained candidate elsewhere."""

    def __init__(self, study: Path, directory: Path, deadline: float | None, *, quiet: bool) -> None:
        self._study, self._directory, self._deadline = study, directory, deadline
        self._out = console(stderr=True) if quiet else console()
        self._live: Live | None = None
        self._setup: Setup | None = None
        self._records: Sequence[Record] = ()
        self._current = ""
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def opens(self, setup: Setup, records: Sequence[Record]) -> None:
        self._setup, self._records = setup, records
        hardware = ", ".join(profile.title for profile in setup.profiles)
        goes_on = f", going on after {len(records)} trials" if records else ""
        self._out.print(f"study {self._study} on {hardware}, in {self._directory}{goes_on}", soft_wrap=True)
        if self._out.is_terminal:
            self._live = Live(console=self._out, get_renderable=self._picture, refresh_per_second=2, transient=True)
            self._live.start()

    def starts(self, number: int, name: str, trainings: int) -> None:
        del number
        times = f" ({trainings} seeds)" if trainings > 1 else ""
        self._current, self._since = f"training {name}{times}", time.monotonic()

    def finishes(self, record: Record) -> None:
        self._current = ""
        if record.outcome == "failed" or (self._live is None and record.is_evaluated):
            self._out.print(self._line(record), soft_wrap=True)

    def _line(self, record: Record) -> str:
        assert self._setup is not None, "a trial finishes after the session has opened"
        if record.outcome == "failed":
            return f"{record.name}  failed: {record.error}"
        values = "  ".join(written(name, value.value) for name, value in record.objectives.items())
        recall = record.counts.get("recall")
        extra = f"  recall {recall.value:.2f}" if recall is not None else ""
        broken = f"  over: {record.violations[0].check}" if record.violations else ""
        return (
            f"{self._done()}/{self._setup.study.trials}  {record.name}  {values}{extra}  {record.layout}{broken}  "
            f"[{record.seconds:.0f} s, {self._left()}]"
        )

    def _done(self) -> int:
        return sum(record.is_evaluated for record in self._records)

    def _left(self) -> str:
        """Say how much longer it will take, by the trials so far."""
        assert self._setup is not None, "asked before the session has opened"
        taken = [record.seconds for record in self._records if record.is_evaluated and not record.known_good]
        by_trials = (self._setup.study.trials - self._done()) * fmean(taken) if taken else None
        by_clock = self._deadline - time.monotonic() if self._deadline is not None else None
        known = [each for each in (by_trials, by_clock) if each is not None]
        if not known:
            return "time left unknown"
        left = max(0.0, min(known))
        return f"{left:.0f} s left" if left < 100 else f"{left / 60:.0f} min left"

    def _picture(self) -> Group:
        assert self._setup is not None, "asked before the session has opened"
        total, done = self._setup.study.trials, self._done()
        outcomes = [record.outcome for record in self._records]
        counts = (
            f"{outcomes.count('infeasible')} over budget, {outcomes.count('duplicate')} duplicates, "
            f"{outcomes.count('failed')} failed"
        )
        now = f"{self._current} for {time.monotonic() - self._since:.0f} s" if self._current else "choosing"
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=total, completed=done, width=24), f"{done} of {total} trained, {self._left()}")
        parts: list[Text | Table] = [bar, Text(f"{counts}; {now}", "dim")]
        best = self._best()
        if best:
            parts += [Text(best), pareto_table(self._setup, self._records, rows=ROWS)]
        return Group(*parts)

    def _best(self) -> str:
        assert self._setup is not None, "asked before the session has opened"
        complete = [record for record in self._records if record.outcome == "complete"]
        found = []
        for name in self._setup.objectives if complete else ():
            top = min(complete, key=lambda record: loss(name, record.objectives[name].value))
            found.append(f"best {metric(name).title} {written(name, top.objectives[name].value)} ({top.name})")
        return "; ".join(found)


def pareto_table(setup: Setup, records: Sequence[Record], *, rows: int | None = None) -> Table:
    """Lay out the Pareto set and the known-good specs; measured values that are not told apart share a letter."""
    best = pareto(setup, records)
    known = [record for record in records if record.known_good and record not in best and record.objectives]
    shown = [*best[: rows or len(best)], *known]
    letters = _letters(setup, records, shown)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("candidate", no_wrap=True)
    for name in setup.objectives:
        _, _, profile = name.partition("@")
        title = metric(name).title.replace(" ", "\n", 1)
        table.add_column(f"{title}\n{profile}" if profile else title, justify="right")
    recall = any("recall" in record.counts for record in shown)
    if recall:
        table.add_column("recall", justify="right")
    table.add_column("params", justify="right", no_wrap=True)
    table.add_column("layout", overflow="fold")
    for record in shown:
        cells = [record.name, *(_cell(record, name, letters) for name in setup.objectives)]
        if recall:
            cells.append(f"{record.counts['recall'].value:.2f}" if "recall" in record.counts else "?")
        cells += [written("params", record.counts["params"].value) if "params" in record.counts else "", record.layout]
        style = "green" if record in best else "dim"
        table.add_row(*cells, style="bold cyan" if record.known_good and record in best else style)
    return table


def _letters(setup: Setup, records: Sequence[Record], shown: Sequence[Record]) -> dict[int, str]:
    """Name groups of the measured objective by letters; none where the noise is unknown."""
    name, found = quality_objective(setup), noise(setup, records)
    measured = [record for record in shown if name is not None and name in record.objectives]
    if name is None or found is None:
        return {record.number: "" for record in shown}
    values = [loss(name, record.objectives[name].value) for record in measured]
    groups = tiers(values, found.floor(setup.study.seeds))
    letters = {record.number: chr(96 + min(group, 26)) for record, group in zip(measured, groups, strict=True)}
    return {record.number: letters.get(record.number, "") for record in shown}


def _cell(record: Record, name: str, letters: Mapping[int, str]) -> str:
    value = record.objectives.get(name)
    if value is None:
        return "?"
    if metric(name).origin != "quality":
        return written(name, value.value)
    return f"{value.value:.3f} {letters[record.number]}"


ENDINGS = {
    "done": "all trials done",
    "time": "time is up",
    "stopped": "stopped",
    "exhausted": "nothing new is proposed any more: the space is used up, or nearly all of it is over a budget",
}


def print_result(session: Session, report: Path, command: str) -> None:
    """Print the Pareto table, what it means, and where everything is."""
    out = console()
    summary, setup = session.summary, session.setup
    out.print(
        f"{ENDINGS[session.ending]}: {summary.complete} complete, {summary.infeasible} over budget, "
        f"{summary.duplicate} duplicates, {summary.failed} failed",
        soft_wrap=True,
    )
    if summary.pareto:
        out.print()
        out.print(pareto_table(setup, session.records))
        out.print()
        for remark in remarks(session):
            _remark(out, remark)
    elif summary.failed and not summary.complete:
        last = next(record for record in reversed(session.records) if record.outcome == "failed")
        _remark(out, f"no candidate was evaluated; the last failure: {last.error}")
    else:
        worst = max(summary.constraints, key=lambda each: each.alone, default=None)
        if worst is not None:
            _remark(out, f"no candidate kept to the budgets; most often broken: {worst.check} ({worst.violated} times)")
    out.print()
    if session.aside is not None:
        out.print(f"older   {session.aside}", soft_wrap=True)
    if session.files:
        out.print(
            f"specs   {session.directory / 'pareto'}/*.yaml   (lfm-arch build {session.files[0]})", soft_wrap=True
        )
    out.print(f"report  {report}", soft_wrap=True)
    if session.ending in ("stopped", "time"):
        out.print(f"go on   {command}", soft_wrap=True)


def remarks(session: Session) -> list[str]:
    """Say what the numbers of the table stand on."""
    summary, setup = session.summary, session.setup
    found: list[str] = []
    if quality_objective(setup) is not None:
        if summary.noise is None:
            found.append("The noise of the measured values is unknown: do not read small differences.")
        else:
            found.append(
                f"Measured on small replicas. Values closer than {summary.noise:.2g}, the noise over seeds, share a "
                "letter and are not ordered."
            )
    if summary.unproven:
        found.append(
            f"Unproven: nobody has shown {', '.join(summary.unproven)} running on {summary.hardware_title}. Times say "
            "what its rates would allow, not what its software does today."
        )
    return found


def _remark(out: Console, text: str) -> None:
    # wrapped by hand, because lines that go to a file are not
    width = min(out.width, 80) if out.is_terminal else 80
    out.print("\n".join(str(line) for line in Text(text).wrap(out, width)))


def as_data(session: Session, report: Path) -> str:
    """Return the result as JSON."""
    by_number = {record.number: record for record in session.records}
    front = [
        {
            "name": by_number[number].name,
            "file": str(path),
            "layout": by_number[number].layout,
            "known_good": by_number[number].known_good,
            "objectives": {name: value.model_dump() for name, value in by_number[number].objectives.items()},
            "counts": {name: value.model_dump() for name, value in by_number[number].counts.items()},
            "notes": by_number[number].notes,
        }
        for number, path in zip(session.summary.pareto, session.files, strict=True)
    ]
    data = {
        "directory": str(session.directory),
        "report": str(report),
        "ending": session.ending,
        "pareto": front,
        "summary": session.summary.model_dump(mode="json", exclude={"space", "study"}),
    }
    return json.dumps(data, indent=2, allow_nan=False)
