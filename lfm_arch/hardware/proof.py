"""All that validation says, as plain data: what `lfm-arch hw validate` prints and the page in `reports/` shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lfm_arch.hardware.calibrate import by_key
from lfm_arch.hardware.calibration import PHASES, Calibrations, Phase, shipped
from lfm_arch.hardware.reference import Run, runs, unused
from lfm_arch.hardware.replay import Prediction
from lfm_arch.hardware.validate import (
    Order,
    Split,
    common,
    context_pairs,
    covered,
    hard_pairs,
    only,
    order,
    predictions,
    score,
    unseen_pairs,
)

GOALS: Mapping[str, Mapping[Phase, float]] = {
    "model": {"decode": 0.10, "prefill": 0.15},
    "device": {"decode": 0.20, "prefill": 0.35},
}
"""Median errors to stay below."""
COVERAGE = (0.85, 0.95)
"""Share of runs that nominal 90 % intervals are to hold."""
ORDERED = 0.9
"""Share of hard pairs to put in order."""

OURS = "this model, device left out"
SEEN = "this model, model left out"
SHEET = "plain roofline"


def prove(
    *,
    measured: Sequence[Run] | None = None,
    found: Calibrations | None = None,
    others: Mapping[str, Sequence[Prediction]] | None = None,
) -> dict[str, Any]:
    """Validate and return every figure.

    Args:
        measured: runs; those that ship when left out.
        found: the fits on them; those that ship when left out.
        others: predictions of the same runs made another way, by its name.
    """
    measured = runs() if measured is None else measured
    found = shipped() if found is None else found
    groups = by_key(measured)
    made = predictions(groups, found)
    inside: dict[Split, dict[int, bool]] = {split: covered(made, split) for split in ("model", "device")}
    pairs = unseen_pairs(groups, found)
    ways = {SEEN: made["model"], OURS: made["device"], SHEET: made["data_sheet"], **(others or {})}
    return {
        "fitted": found.fitted,
        "runs": len(measured),
        "models": len({run.model for run in measured}),
        "devices": len({run.device for run in measured}),
        "goals": {split: dict(goal) for split, goal in GOALS.items()},
        "splits": {
            split: {phase: _scored(some, phase, inside.get(split)) for phase in PHASES}
            for split, some in made.items()
            if split != "vendor"
        },
        "order": {
            "unseen": {phase: _told(order(p for p in pairs if p[0].phase == phase)) for phase in PHASES},
            "context": {phase: _told(context_pairs(only(made["model"], phase))) for phase in PHASES},
            "data_sheet": {phase: _told(order(hard_pairs(only(made["data_sheet"], phase)))) for phase in PHASES},
        },
        "by_device": _grouped(made, inside, lambda run: f"{run.device}, {run.runtime}"),
        "by_runtime": _grouped(made, inside, lambda run: run.runtime),
        "ways": _compared(ways),
        "worst": [_row(each) for each in sorted(made["model"], key=lambda each: -abs(each.residual))[:12]],
        "points": {split: [_point(each) for each in made[split]] for split in ("model", "device")},
        "unused": unused(),
    }


def _scored(some: Sequence[Prediction], phase: Phase, inside: Mapping[int, bool] | None) -> dict[str, Any] | None:
    numbers = [number for number, each in enumerate(some) if each.phase == phase]
    found = score([some[n] for n in numbers], None if inside is None else {n: inside[n] for n in numbers})
    return None if found is None else {name: _plain(value) for name, value in asdict(found).items()}


def _grouped(made: Any, inside: Any, name: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for split in ("model", "device"):
        groups: dict[tuple[str, Phase], list[int]] = {}
        for number, each in enumerate(made[split]):
            groups.setdefault((name(each.run), each.phase), []).append(number)
        for (group, phase), numbers in sorted(groups.items()):
            found = score([made[split][n] for n in numbers], {n: inside[split][n] for n in numbers})
            assert found is not None, group
            told = {field: _plain(value) for field, value in asdict(found).items()}
            rows.append({"group": group, "split": split, "phase": phase, **told})
    return rows


def _compared(ways: Mapping[str, Sequence[Prediction]]) -> dict[str, dict[str, Any]]:
    """Compare on the runs that all ways predict."""
    cut = dict(zip(ways, common(*ways.values()), strict=True))
    return {
        name: {
            phase: {**(_scored(some, phase, None) or {}), "hard": _told(order(hard_pairs(only(some, phase))))}
            for phase in PHASES
        }
        for name, some in cut.items()
    }


def _told(found: Order) -> list[int]:
    return [found.right, found.pairs]


def _plain(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _point(each: Prediction) -> list[Any]:
    ends = [float(f"{seconds:.4g}") for seconds in (each.measured_s, each.predicted_s)]
    return [each.run.id, each.phase, *ends, each.tier]


def _row(each: Prediction) -> dict[str, Any]:
    run = each.run
    return {
        "id": run.id,
        "device": run.device,
        "runtime": run.runtime,
        "model": run.model,
        "weights": run.weights,
        "phase": each.phase,
        "context": run.depth if each.phase == "decode" else (run.prompt or 0) + run.past,
        "batch": run.batch,
        "chips": run.chips,
        "measured_s": _plain(each.measured_s),
        "predicted_s": _plain(each.predicted_s),
    }
