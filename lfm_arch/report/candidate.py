"""One candidate on the page: its figures, its architecture, where its time goes, how it was measured, its spec."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lfm_arch.core.units import count, seconds, size
from lfm_arch.report import chart, drawing
from lfm_arch.report.markup import Markup, element, legend, table, tiles
from lfm_arch.search.record import Record, Value
from lfm_arch.search.summary import StudySummary


def panel(summary: StudySummary, record: Record, front: Sequence[Record], *, first: bool) -> Markup:
    """Lay out the panel of one candidate; `first` is the one shown before anything is chosen."""
    badges = []
    if record in front:
        badges.append(element("span", "Pareto front", class_="badge front"))
    if record.known_good:
        badges.append(element("span", "known good", class_="badge known"))
    values = [
        (
            figure(record.objectives.get(objective.name)),
            objective.title,
            interval(record.objectives.get(objective.name)),
        )
        for objective in summary.objectives
    ]
    # what was measured tells candidates apart where their loss does not, so it is never the one left out
    sides = sorted(record.counts.items(), key=lambda side: side[1].kind != "measured")
    values += [(figure(value), words(name), value.kind) for name, value in sides[:6]]
    bars = _cost_bars(record)
    classes = ["card", "candidate", *(["first"] if first else []), *(["on-front"] if record in front else [])]
    return element(
        "section",
        element("h2", record.name, *badges),
        tiles(values),
        element("h3", "Architecture") if record.drawing else None,
        drawing.stack(record.drawing) if record.drawing else None,
        bars,
        _measured(record),
        element("details", element("summary", "Spec"), element("pre", record.spec)) if record.spec else None,
        class_=" ".join(classes),
        id=anchor(record),
    )


def _measured(record: Record) -> Markup | None:
    if not record.quality:
        return None
    rows = [[words(key), plain(value)] for key, value in record.quality.items() if value not in ([], {}, "", None)]
    return element("details", element("summary", "How its quality was measured"), table(["what", "value"], rows))


def leaves(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Unfold folded rows to one entry a layer."""
    unfolded: list[dict[str, Any]] = []
    for row in rows:
        inner = leaves(row["children"]) if row.get("children") else [row]
        unfolded += inner * int(row.get("repeat", 1))
    return unfolded


BOUNDS: Mapping[str, tuple[str, str]] = {
    "weights": ("weights", "reading weights"),
    "matmul": ("compute", "arithmetic on weights"),
    "kv": ("cache", "reading the KV cache"),
    "attention": ("attention-bound", "arithmetic between tokens"),
    "state": ("state", "fixed state"),
    "elementwise": ("elementwise", "norms, gates, residuals"),
    "overhead": ("overhead", "kernel launches"),
    "link": ("other", "exchange between chips"),
}
"""What takes the time -> (colour and CSS class, words)."""


def _cost_bars(record: Record) -> Markup | None:
    layers = leaves(record.drawing)
    if not layers or not any(layer.get("seconds") for layer in layers):
        return None
    bars = []
    for number, layer in enumerate(layers):
        bound = str(layer.get("bound") or "unknown")
        taken = float(layer.get("seconds") or 0.0)
        title = f"layer {number}: {layer.get('mixer') or 'no mixer'}, {seconds(taken)}, bound by {bound}"
        bars.append(chart.Column(str(number), ((BOUNDS[bound][0] if bound in BOUNDS else "unknown", taken),), title))
    used = {part for bar in bars for part, _ in bar.parts}
    svg = chart.columns(
        bars,
        y_title="one decode step",
        y_format=lambda value: seconds(value) if value else "0",
        name="seconds by layer",
    )
    key = [(colour, "", words) for colour, words in BOUNDS.values() if colour in used]
    return element("figure", element("h3", "Modelled time of each layer in one decode step"), Markup(svg), legend(key))


def anchor(record: Record) -> str:
    """Return the id of a candidate's panel."""
    return f"trial-{record.number}"


def figure(value: Value | None, *, digits: int = 4) -> str:
    """Write a value with its unit; `unknown` for none."""
    if value is None:
        return "unknown"
    if value.unit == "s":
        return seconds(value.value)
    if value.unit in ("B", "bytes"):
        return size(value.value)
    if value.unit == "accuracy":
        return f"{value.value:.2f}"
    if value.unit in ("", "count", "params"):
        return count(value.value)
    return f"{value.value:.{digits}g} {value.unit}"


def interval(value: Value | None) -> str:
    """Write the 90 % interval of a value."""
    if value is None or value.low is None or value.high is None:
        return "no interval known"
    ends = (figure(value.model_copy(update={"value": end})) for end in (value.low, value.high))
    return "90 % between " + " and ".join(ends)


def plain(value: object) -> str:
    """Write a recorded value as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{words(str(key))} {plain(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def words(name: str) -> str:
    """Write a field name for people."""
    return name.replace("_", " ")
