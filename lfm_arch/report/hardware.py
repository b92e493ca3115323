"""The page that shows how far cost predictions can be trusted: predicted against measured, nothing seen before."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lfm_arch.core.units import seconds
from lfm_arch.report.assets import read
from lfm_arch.report.markup import Markup, card, element, legend, page, table, tiles
from lfm_arch.report.output import write_page
from lfm_arch.report.plot import Axis, Series, plot

_COLOURS = {"measured": "conv", "calibrated": "conv", "family": "window", "class": "attention", "spec_only": "bad"}
_SPLITS = {"model": "model left out", "device": "device left out", "data_sheet": "plain roofline"}


def render_validation(proof: Mapping[str, Any], output: Path) -> Path:
    """Write the page of what `hardware.proof.prove` found, and return its path."""
    return write_page(validation_page(proof), output)


def validation_page(proof: Mapping[str, Any]) -> str:
    """Lay out the page."""
    return page(
        "How far costs can be trusted",
        _top(proof),
        element(
            "main",
            _verdict(proof),
            *(_scattered(proof, split) for split in ("model", "device")),
            _compared(proof),
            _grouped(proof, "by_runtime", "By runtime"),
            _grouped(proof, "by_device", "By device and runtime"),
            _worst(proof),
            _unused(proof),
        ),
        element("footer", f"Fitted on {proof['fitted']}. This page holds all it shows and fetches nothing."),
        style=read("style.css"),
        script=read("script.js"),
    )


def _top(proof: Mapping[str, Any]) -> Markup:
    splits = proof["splits"]
    entries = []
    for split, phase in (("model", "decode"), ("model", "prefill"), ("device", "decode"), ("device", "prefill")):
        found = splits[split][phase]
        told = f"{phase}, {_SPLITS[split]}"
        entries.append((_percent(found["median"]), f"median error, {told}", f"{found['count']} runs"))
    return element(
        "header",
        element("p", "validation", class_="eyebrow"),
        element("h1", "How far costs can be trusted"),
        element(
            "p",
            f"{proof['runs']} published runs of {proof['models']} models on {proof['devices']} devices, each predicted "
            "without having been seen. Errors are of the time, relative to the measured one.",
            class_="lead",
        ),
        tiles(entries),
        class_="top",
    )


def _verdict(proof: Mapping[str, Any]) -> Markup:
    rows = []
    for split, goals in proof["goals"].items():
        for phase, goal in goals.items():
            found = proof["splits"][split][phase]
            what = f"median error, {phase}, {_SPLITS[split]}"
            rows.append([what, _percent(found["median"]), f"at most {_percent(goal)}", _met(found["median"] <= goal)])
            share = found["coverage"]
            inside = f"runs inside their 90 % interval, {phase}, {_SPLITS[split]}"
            rows.append([inside, _percent(share), "85 to 95 %", _met(0.85 <= share <= 0.95)])
    words = {
        "unseen": "models within 25 % of each other's size, both left out, in the right order",
        "context": "pairs whose ratio moves with the context, in the right direction",
    }
    for name, what in words.items():
        for phase, (right, pairs) in proof["order"][name].items():
            share = right / pairs if pairs else 0.0
            rows.append([f"{what}, {phase}", f"{right} of {pairs}", "90 %", _met(share >= 0.9)])
    return card(
        "Goals",
        table(["", "measured", "goal", ""], rows, numbers=(1, 2)),
        element(
            "p",
            "The interval of a run comes from predictions of other devices only. Two models of which the measurement "
            "itself says less than 2 % are no pair.",
            class_="note",
        ),
    )


def _scattered(proof: Mapping[str, Any], split: str) -> Markup:
    charts = []
    for phase in ("decode", "prefill"):
        points = [point for point in proof["points"][split] if point[1] == phase]
        tiers: dict[str, list[list[Any]]] = {}
        for point in points:
            tiers.setdefault(point[4], []).append(point)
        ends = [min(min(p[2], p[3]) for p in points), max(max(p[2], p[3]) for p in points)]
        series = [Series("as measured", "soft", tuple((end, end) for end in ends), dashed=True)]
        series += [
            Series(
                tier,
                _COLOURS[tier],
                tuple((p[2], p[3]) for p in some),
                tuple(f"{p[0]}\nmeasured {seconds(p[2])}\npredicted {seconds(p[3])}" for p in some),
                line=False,
            )
            for tier, some in sorted(tiers.items())
        ]
        title = "seconds of one step" if phase == "decode" else "seconds of a prompt"
        svg = plot(
            series, x=Axis(f"measured, {title}", log=True), y=Axis("predicted", log=True), name=f"{split} {phase}"
        )
        key = legend(
            [
                (_COLOURS[tier], "round", f"{tier.replace('_', ' ')} ({len(some)})")
                for tier, some in sorted(tiers.items())
            ]
        )
        charts.append(element("figure", element("h3", phase), Markup(svg), key))
    return card(f"Predicted against measured, {_SPLITS[split]}", element("div", *charts, class_="pair"))


def _compared(proof: Mapping[str, Any]) -> Markup:
    rows = []
    for name, phases in proof["ways"].items():
        cells: list[object] = [name]
        for phase in ("decode", "prefill"):
            found = phases[phase]
            if not found.get("count"):
                cells += ["none", "", ""]
                continue
            right, pairs = found["hard"]
            cells += [_percent(found["median"]), _percent(found["p90"]), f"{right} of {pairs}"]
        rows.append(cells)
    counts = {phase: next(iter(proof["ways"].values()))[phase].get("count", 0) for phase in ("decode", "prefill")}
    return card(
        "Beside other ways",
        element(
            "p",
            f"On the {counts['decode']} decoding runs and {counts['prefill']} prompts that all of them can predict.",
            class_="note",
        ),
        table(
            ["", "decode median", "90th", "hard pairs", "prefill median", "90th", "hard pairs"],
            rows,
            numbers=(1, 2, 3, 4, 5, 6),
        ),
    )


def _grouped(proof: Mapping[str, Any], name: str, title: str) -> Markup:
    rows = [
        [
            row["group"],
            row["phase"],
            _SPLITS[row["split"]],
            row["count"],
            _percent(row["median"]),
            _percent(row["p90"]),
            f"{row['bias']:+.0%}",
            _percent(row["coverage"]),
        ]
        for row in sorted(proof[name], key=lambda row: (row["group"], row["phase"], row["split"]))
    ]
    head = ["", "phase", "", "runs", "median error", "90th", "bias", "inside"]
    shown = table(head, rows, numbers=(3, 4, 5, 6, 7))
    return card(
        title, shown if len(rows) <= 40 else element("details", element("summary", f"{len(rows)} groups"), shown)
    )


def _worst(proof: Mapping[str, Any]) -> Markup:
    rows = [
        [
            row["id"],
            f"{row['device']}, {row['runtime']}",
            f"{row['model']} {row['weights']}{', ' + str(row['chips']) + ' chips' if row['chips'] > 1 else ''}",
            row["phase"],
            f"{row['context']:,}",
            seconds(row["measured_s"]),
            seconds(row["predicted_s"]),
        ]
        for row in proof["worst"]
    ]
    head = ["row", "device", "model", "phase", "context", "measured", "predicted"]
    return card("Farthest off, model left out", table(head, rows, numbers=(4, 5, 6)))


def _unused(proof: Mapping[str, Any]) -> Markup:
    rows: Sequence[Sequence[object]] = [
        [row["reason"], "its prompt" if row["what"] == "prefill" else "all of it", row["count"]]
        for row in sorted(proof["unused"], key=lambda row: -row["count"])
    ]
    return card("What was left out of the collection", table(["reason", "", "runs"], rows, numbers=(2,)))


def _percent(share: float | None) -> str:
    if share is None:
        return "not made"
    return f"{100 * share:.1f} %" if share < 0.2 else f"{100 * share:.0f} %"


def _met(fine: bool) -> Markup:  # noqa: FBT001
    return element("span", "met" if fine else "missed", class_="badge front" if fine else "badge known")
