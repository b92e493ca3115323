"""Fit calibrations to the published measurements: `python -m lfm_arch.hardware.calibrate [--check]`.

Every device, unit and runtime with published runs is fitted by `regress`. A second round pulls each towards what the
first found of its relatives. Intervals come from predictions of measurements that the fit did not see, see `validate`.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lfm_arch.hardware.calibration import Calibration, Calibrations, Fit, Tier, encode
from lfm_arch.hardware.pool import repooled, without
from lfm_arch.hardware.reference import Run, runs
from lfm_arch.hardware.regress import UNEXPLAINED, fit_rates, knows_both, models_of
from lfm_arch.hardware.replay import Key, errors_of, features_of

_CONTRADICTION = 0.2
"""Mean error from which on the runs of one runtime are taken to contradict one another."""


def main(arguments: Sequence[str]) -> int:
    """Fit everything and write `calibrations.json`; with `--check`, say whether it would change."""
    found = calibrate(runs())
    text = json.dumps(encode(found), indent=1) + "\n"
    path = Path(__file__).with_name("calibrations.json")
    for line in summary(found):
        print(line)  # noqa: T201 - the output of this program
    if "--check" in arguments:
        old = json.loads(path.read_text(encoding="utf-8"))
        return int(old | {"fitted": ""} != json.loads(text) | {"fitted": ""})
    path.write_text(text, encoding="utf-8")
    return 0


def calibrate(measured: Sequence[Run]) -> Calibrations:
    """Fit all calibrations, what alike devices share, and the intervals."""
    from lfm_arch.hardware.validate import intervals, predictions

    groups = by_key(measured)
    found = Calibrations("", (), (), {})
    # the second round pulls every device towards what the first found of its relatives
    for _ in range(2):
        fitted = [fit_key(key, rows, repooled(without(found, [key]))) for key, rows in groups.items()]
        calibrations = tuple(each for each in fitted if each is not None)
        found = repooled(Calibrations(datetime.now(UTC).date().isoformat(), calibrations, (), {}))
    return replace(found, intervals=intervals(predictions(groups, found)))


def by_key(measured: Iterable[Run]) -> dict[Key, list[Run]]:
    """Group runs by device, unit and runtime."""
    groups: dict[Key, list[Run]] = {}
    for row in measured:
        groups.setdefault(row.key, []).append(row)
    return groups


def fit_key(key: Key, rows: Sequence[Run], others: Calibrations, *, ends: bool = True) -> Calibration | None:
    """Fit one runtime on one device; None when its runs identify nothing or contradict one another.

    Args:
        key: device, unit, runtime.
        rows: its runs.
        others: what is known without them.
        ends: whether to leave out one model at a time, to say how far the rates move.
    """
    device, unit, runtime = key
    values = fit_rates(key, rows, others)
    if not values:
        return None
    models = models_of(rows)
    left_out: dict[str, dict[str, float]] = {}
    if ends and len(models) >= 3:
        left_out = {model: fit_rates(key, [row for row in rows if row.model != model], others) for model in models}
    rates: dict[str, Fit] = {}
    for name, value in values.items():
        seen = [each[name] for each in left_out.values() if name in each]
        rates[name] = Fit(value, min(seen), max(seen)) if seen and len(seen) == len(models) else Fit(value)
    bytes_read = [features_of(row, "decode").weights for row in rows if row.decode_tokens_per_s]
    made = Calibration(
        device=device,
        unit=unit,
        runtime=runtime,
        rates=rates,
        tier=_tier(runtime, rows),
        rows=tuple(row.id for row in rows),
        models=tuple(models),
        formats=tuple(sorted({row.weights for row in rows})),
        weight_bytes=(min(bytes_read), max(bytes_read)),
        context=max(row.depth + row.generate for row in rows),
        note=UNEXPLAINED.get(runtime, ""),
    )
    errors = {str(phase): each for phase, each in errors_of(key, rows, with_own(others, made)).items() if each}
    if runtime not in UNEXPLAINED and _mean(errors.get("decode", [])) > _CONTRADICTION:
        return None
    for model, partial in left_out.items():
        if partial:
            refitted = replace(made, rates={name: Fit(value) for name, value in partial.items()})
            unseen = errors_of(key, [row for row in rows if row.model == model], with_own(others, refitted))
            for phase, each in unseen.items():
                if each:
                    errors.setdefault(f"{phase}_left_out", []).extend(each)
    return replace(made, errors={name: _mean(each) for name, each in errors.items()})


def with_own(found: Calibrations, own: Calibration) -> Calibrations:
    """Return what is known when one calibration is added; pools stay as they are."""
    return replace(found, calibrations=(*found.calibrations, own))


def _tier(runtime: str, rows: Sequence[Run]) -> Tier:
    if runtime in UNEXPLAINED:
        return "spec_only"
    # one model in one format moves the rates of the relatives to its own speed, no more
    return "calibrated" if len(models_of(rows)) >= 2 or knows_both(rows) else "family"


def _mean(residuals: Sequence[float]) -> float:
    return float(np.mean(np.abs(np.expm1(residuals)))) if residuals else 0.0


def summary(found: Calibrations) -> Iterable[str]:
    """Yield one line for each calibration and interval."""
    for each in found.calibrations:
        errors = ", ".join(f"{name} {value:.1%}" for name, value in each.errors.items())
        yield f"{each.device:20} {each.runtime:20} {len(each.rows):3} runs of {len(each.models)} models: {errors}"
    for (tier, phase), each in sorted(found.intervals.items()):
        yield f"90 % of {each.count:4} unseen runs within a factor of {each.factor:.2f}: {tier}, {phase}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
