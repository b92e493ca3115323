"""The page of a search: what was found, what it costs, why the rest was discarded, and what every number stands on."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from lfm_arch.core.errors import Diagnostic, SearchError
from lfm_arch.core.units import seconds
from lfm_arch.report import chart
from lfm_arch.report.assets import read
from lfm_arch.report.candidate import anchor, figure, panel, plain, words
from lfm_arch.report.markup import Markup, card, element, legend, page, table, tiles
from lfm_arch.report.output import write_page
from lfm_arch.search.record import Record, Value
from lfm_arch.search.summary import Objective, StudySummary

PANELS = 80
"""Candidates that get a panel of their own; beyond that only the front and the known-good ones do."""


def render_study(directory: Path, *, output: Path | None = None) -> Path:
    """Write the report of a study directory and return its path.

    Args:
        directory: holds `study.json` and `records.jsonl`, as a search leaves them, finished or not.
        output: where the page goes; `report.html` in the directory when left out.

    Raises:
        SearchError: E960, a file is missing or is not what a search writes.
        ReportError: E962, the page cannot be written.
    """
    summary, records = read_study(directory)
    return write_page(study_page(summary, records), output or directory / "report.html")


def read_study(directory: Path) -> tuple[StudySummary, list[Record]]:
    """Read a study directory; a torn last line, as a crash leaves it, is not a record yet and is passed over."""
    try:
        summary = StudySummary.model_validate_json((directory / "study.json").read_bytes())
        lines = (directory / "records.jsonl").read_bytes().split(b"\n")
        records = [Record.model_validate_json(line) for line in lines[:-1] if line.strip()]
    except (OSError, ValidationError) as error:
        raise SearchError(
            Diagnostic(
                "E960",
                f"{directory} is no study: {str(error).splitlines()[0]}",
                because="a study directory holds study.json and records.jsonl as `lfm-arch search` writes them",
                help="name the directory that the search printed, as reports/<study>",
            )
        ) from None
    return summary, records


def study_page(summary: StudySummary, records: Sequence[Record]) -> str:
    """Lay out the whole page."""
    complete = [record for record in records if record.outcome == "complete"]
    front = [record for number in summary.pareto for record in complete if record.number == number]
    known = [record for record in complete if record.known_good]
    shown = list(complete) if len(complete) <= PANELS else front + [record for record in known if record not in front]
    sections = [_top(summary, complete, front, known)]
    if complete:
        sections.append(_plot(summary, records, shown, front))
        sections.append(_front_table(summary, front, known))
        sections += [panel(summary, record, front, first=record is (front or complete)[0]) for record in shown]
        sections.append(_progress(summary))
    else:
        sections.append(card("No candidate was evaluated", element("p", _nothing_found(summary))))
    sections += [_discarded(summary, records), _meaning(summary), _provenance(summary)]
    return page(
        f"{summary.name} on {summary.hardware_title}",
        *_frame(summary, sections),
        style=read("style.css"),
        script=read("script.js"),
    )


def _frame(summary: StudySummary, sections: Sequence[Markup]) -> list[Markup]:
    version = summary.versions.get("lfm-arch", "unknown version")
    ended = f", {summary.ended}" if summary.ended else ""
    return [
        sections[0],
        element("main", *sections[1:]),
        element("footer", f"Written by lfm-arch {version}{ended}. This page holds all it shows and fetches nothing."),
    ]


def _top(summary: StudySummary, complete: Sequence[Record], front: Sequence[Record], known: Sequence[Record]) -> Markup:
    # known-good architectures come on top of the trials that were asked for
    asked = f" of {summary.trials}" if summary.finished <= summary.trials else ""
    ran = f"{summary.finished}{asked} trials"
    entries = [
        (str(len(front)), "on the Pareto front", f"of {len(complete)} trained"),
        (str(summary.infeasible), "outside a budget or floor", "budgets discard before training"),
        (str(summary.duplicate), "duplicates", "never evaluated twice"),
        (str(summary.failed), "failed", "recorded with their error"),
        (seconds(summary.seconds) if summary.seconds < 100 else f"{summary.seconds / 60:.0f} min", "machine time", ran),
    ]
    return element(
        "header",
        element("p", "architecture search", class_="eyebrow"),
        element("h1", f"{summary.name} on {summary.hardware_title}"),
        element("p", _verdict(summary, front, known), class_="lead"),
        _unproven(summary),
        tiles(entries),
        class_="top",
    )


def _verdict(summary: StudySummary, front: Sequence[Record], known: Sequence[Record]) -> str:
    """Say in one or two sentences what the search found against what was known."""
    if not front:
        return _nothing_found(summary)
    speed, quality = summary.objectives[:2]
    base = next(
        (record for record in known if speed.name in record.objectives and quality.name in record.objectives), None
    )
    if base is None:
        return f"{len(front)} candidates that no other beats in both {speed.title} and {quality.title}."
    slack = summary.noise or 0.0
    at_least_as_good = [
        record for record in front if _loss(record, quality) <= _loss(base, quality) + slack and record is not base
    ]
    if not at_least_as_good:
        return (
            f"Nothing beats {base.name} in {speed.title} at equal {quality.title} "
            f"({figure(base.objectives[quality.name])}, noise {slack:.2g})."
        )
    best = min(at_least_as_good, key=lambda record: _loss(record, speed))
    known_loss = _loss(base, speed)
    gain = (known_loss - _loss(best, speed)) / abs(known_loss) if known_loss else 0.0
    if gain <= 0:
        return f"No candidate of at least {base.name}'s {quality.title} has a better {speed.title}."
    better = "lower" if speed.direction == "minimize" else "higher"
    return (
        f"{best.name} has {gain:.0%} {better} {speed.title} than {base.name} "
        f"({figure(best.objectives[speed.name])} against {figure(base.objectives[speed.name])}) "
        f"at no worse {quality.title}" + (f", seed noise of {slack:.2g} {quality.unit} allowed for." if slack else ".")
    )


def _loss(record: Record, objective: Objective) -> float:
    value = record.objectives[objective.name].value
    return value if objective.direction == "minimize" else -value


def _nothing_found(summary: StudySummary) -> str:
    worst = max(summary.constraints, key=lambda each: each.alone, default=None)
    if worst is None or not worst.violated:
        return "No candidate has finished yet."
    return (
        f"Every candidate was discarded; the rule that did most of it is {worst.check} ({worst.violated} candidates)."
    )


def _unproven(summary: StudySummary) -> Markup | None:
    if not summary.unproven:
        return None
    operators = ", ".join(summary.unproven)
    return element(
        "p",
        f"Unproven: nobody has shown {operators} running on {summary.hardware_title}. Times of candidates that use "
        "them say what the hardware's rates would allow, not what its software does today.",
        class_="warn",
    )


def _plot(summary: StudySummary, records: Sequence[Record], shown: Sequence[Record], front: Sequence[Record]) -> Markup:
    x, y = summary.objectives[:2]
    panels = {record.number for record in shown}
    on_front = {record.number for record in front}
    points, rug = [], []
    for record in records:
        if record.outcome == "complete" and x.name in record.objectives and y.name in record.objectives:
            points.append(_point(record, x, y, on_front=record.number in on_front, has_panel=record.number in panels))
        elif record.outcome == "infeasible" and x.name in record.objectives:
            rug.append(record.objectives[x.name].value)
    if not points:
        return card(f"{y.title} against {x.title}", element("p", "No complete candidate has both values."))
    (x_scale, x_unit), (y_scale, y_unit) = (
        _axis_unit(axis.unit, [point.x if axis is x else point.y for point in points]) for axis in (x, y)
    )
    svg = chart.scatter(
        [point.scaled(x_scale, y_scale) for point in points],
        x_title=f"{x.title} ({x_unit})",
        y_title=f"{y.title} ({y_unit})",
        rug=[value * x_scale for value in rug],
        name=f"{len(points)} candidates by {x.title} and {y.title}",
        maximize=(x.direction == "maximize", y.direction == "maximize"),
    )
    key = [
        ("accent", "round", "Pareto front"),
        ("other", "round", "dominated"),
        ("attention", "diamond", "known-good architecture"),
    ] + ([("bad", "", "ticks on the axis: outside a budget or floor")] if rug else [])
    return card(
        f"{_capital(y.title)} against {x.title}",
        element(
            "p",
            "Lower left is better. Whiskers are 90 % intervals, left out where wider than the plot. "
            "Choose a mark to see its architecture.",
            class_="note",
        ),
        element("figure", Markup(svg), legend(key)),
    )


def _axis_unit(unit: str, values: Sequence[float]) -> tuple[float, str]:
    """Choose the unit of an axis, and what values are multiplied with."""
    if unit != "s":
        return 1.0, unit
    largest = max(map(abs, values))
    return (1.0, "s") if largest >= 1 else (1e3, "ms") if largest >= 1e-3 else (1e6, "us")


def _point(record: Record, x: Objective, y: Objective, *, on_front: bool, has_panel: bool) -> chart.Point:
    kind = ("front" if on_front else "dominated") if not record.known_good else ("front known" if on_front else "known")
    facts = [
        record.name,
        *(f"{axis.title}: {figure(record.objectives[axis.name])}" for axis in (x, y)),
        *(f"{name}: {figure(value)}" for name, value in list(record.counts.items())[:3]),
        record.layout,
    ]
    return chart.Point(
        record.objectives[x.name].value,
        record.objectives[y.name].value,
        "\n".join(fact for fact in facts if fact),
        kind,
        href=f"#{anchor(record)}" if has_panel else "",
        x_interval=_ends(record.objectives[x.name]),
        y_interval=_ends(record.objectives[y.name]),
    )


def _ends(value: Value) -> tuple[float, float] | None:
    return None if value.low is None or value.high is None else (value.low, value.high)


def _front_table(summary: StudySummary, front: Sequence[Record], known: Sequence[Record]) -> Markup:
    rows = list(front) + [record for record in known if record not in front]
    known_sides = ("recall", "params", "active_params", "kv_bytes_per_token")
    sides = [name for name in known_sides if any(name in row.counts for row in rows)]
    body = [
        [
            element("a", record.name, href=f"#{anchor(record)}"),
            *(figure(record.objectives.get(objective.name)) for objective in summary.objectives),
            *(figure(record.counts.get(name)) for name in sides),
            element("span", record.layout, class_="mono"),
        ]
        for record in rows
    ]
    head = ["candidate", *(objective.title for objective in summary.objectives), *map(words, sides), "layout"]
    noise = (
        f" Values of {summary.objectives[1].title} closer than {summary.noise:.2g} {summary.objectives[1].unit} "
        "(the spread over seeds of one architecture) are not told apart."
        if summary.noise is not None
        else " The noise of the quality value is unknown: do not read small differences."
    )
    return card(
        "The Pareto front, and what was known before",
        element("p", f"Each on the front is a spec file in pareto/ that lfm-arch build accepts.{noise}", class_="note"),
        table(head, body, numbers=range(1, len(head) - 1), row_ids=[anchor(record) for record in rows]),
    )


def _progress(summary: StudySummary) -> Markup:
    if len(summary.hypervolume) < 2:
        return Markup("")
    svg = chart.steps(
        summary.hypervolume, x_title="trained candidates", y_title="hypervolume", name="hypervolume over trials"
    )
    reference = ", ".join(f"{value:.4g}" for value in summary.reference_point)
    return card(
        "Progress",
        element(
            "p",
            f"Hypervolume of the front against the reference point ({reference}); flat means no more was found.",
            class_="note",
        ),
        element("figure", Markup(svg)),
    )


def _discarded(summary: StudySummary, records: Sequence[Record]) -> Markup:
    parts: list[Markup] = []
    if summary.budgets:
        parts.append(table(["budget", "limit"], [[words(name), limit] for name, limit in summary.budgets.items()]))
    if any(each.violated for each in summary.constraints):
        widest = max(each.violated for each in summary.constraints)
        rows = [
            [
                element("code", each.check),
                each.why,
                each.violated,
                each.alone,
                element("div", class_="bar", style=f"width: {100 * each.violated / widest:.0f}px"),
            ]
            for each in sorted(summary.constraints, key=lambda each: -each.violated)
            if each.violated
        ]
        parts.append(table(["rule", "why", "broke it", "and no other", ""], rows, numbers=(2, 3)))
    else:
        parts.append(element("p", "No candidate broke a budget or constraint.", class_="note"))
    failures = [record for record in records if record.outcome == "failed"]
    if failures:
        parts.append(element("h3", "Failures"))
        parts.append(table(["candidate", "error"], [[record.name, record.error] for record in failures[:50]]))
    return card("What was discarded, and by which rule", *parts)


def _meaning(summary: StudySummary) -> Markup:
    return card(
        "What the quality number is, and is not", *(element("p", part) for part in summary.quality.split("\n") if part)
    )


def _provenance(summary: StudySummary) -> Markup:
    facts = [[fact.name, fact.value, fact.kind, _source(fact.source), fact.date] for fact in summary.facts]
    rows = [
        ["command", element("code", summary.command)],
        ["seed", summary.seed],
        ["sampler", summary.sampler],
        ["started", summary.started],
        ["ended", summary.ended or "not yet"],
        *([words(key), plain(value)] for key, value in summary.scenario.items()),
        *([name, version] for name, version in summary.versions.items()),
    ]
    return card(
        "Provenance",
        table(["", ""], rows),
        element("h3", "Numbers of the hardware, with their sources"),
        table(["what", "value", "kind", "source", "date"], facts)
        if facts
        else element("p", "none recorded", class_="note"),
        element("details", element("summary", "The space that was searched"), element("pre", summary.space))
        if summary.space
        else None,
        element("details", element("summary", "The study"), element("pre", summary.study)) if summary.study else None,
    )


def _source(source: str) -> object:
    return element("a", source, href=source, rel="noreferrer") if source.startswith(("https://", "http://")) else source


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]
