"""Fit calibrations to the published measurements: `python -m lfm_arch.hardware.calibrate [--check]`.

For every device, unit and runtime with enough runs, rates are fitted by `fit_relative`, decoding first, then prefill
with what decoding settled. What the runs cannot tell apart is not fitted:

    weights, part            two models or formats whose bytes for each part differ
    weights alone            any run, on a unit whose bandwidth nobody states
    kv, decode_attention     one model at two depths; whichever of the two explains the times, or both
    matmul                   one prompt length
    attention                two prompt lengths, or four models that differ in attention
    prompt                   three prompt lengths, or four models that differ in size

The rest stays borrowed, and is held at what the estimate would borrow while the others are fitted. Intervals come from
predictions of measurements that the fit did not see.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from lfm_arch.hardware.calibration import Calibration, Calibrations, Fit, Interval, Phase, Tier, encode
from lfm_arch.hardware.fit import conformal, fit_relative
from lfm_arch.hardware.formats import weight_format
from lfm_arch.hardware.pool import pools
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import Run, runs
from lfm_arch.hardware.replay import Key, errors_of, features_of, resolver_for

_UNEXPLAINED = {"cerebras": "speed of a service; wafers for each copy and their links are not published"}
"""Runtimes whose runs say too little of how they were made to count as calibrations."""
_SHARE = (0.05, 1.05)
"""Of the bandwidth, what a fit may reach."""
_CONTRADICTION = 0.2
"""Mean error from which on the runs of one runtime are taken to contradict one another."""
_ENOUGH = 10
"""Left-out runs from which on an interval is taken."""


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
    groups: dict[Key, list[Run]] = {}
    for row in measured:
        groups.setdefault(row.key, []).append(row)
    found = Calibrations("", (), (), {})
    # the second round holds what one device cannot tell at what the others say
    for _ in range(2):
        fitted = [fit_key(key, rows, found) for key, rows in groups.items()]
        calibrations = tuple(each for each in fitted if each is not None)
        found = Calibrations(datetime.now(UTC).date().isoformat(), calibrations, tuple(pools(calibrations)), {})
    return replace(found, intervals=intervals(groups, found))


def fit_key(key: Key, rows: Sequence[Run], found: Calibrations) -> Calibration | None:
    """Fit one runtime on one device; None when its runs identify nothing or contradict one another."""
    device, unit, runtime = key
    others = without(found, [key])
    values = fit_rates(key, rows, others)
    if not values:
        return None
    models = sorted({row.model for row in rows})
    left_out: dict[str, dict[str, float]] = {}
    if len(models) >= 3:
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
        tier="spec_only" if runtime in _UNEXPLAINED else "calibrated",
        rows=tuple(row.id for row in rows),
        models=tuple(models),
        formats=tuple(sorted({row.weights for row in rows})),
        weight_bytes=(min(bytes_read), max(bytes_read)),
        context=max(row.depth + row.generate for row in rows),
        note=_UNEXPLAINED.get(runtime, ""),
    )
    errors = {str(phase): each for phase, each in errors_of(key, rows, _with(others, made)).items() if each}
    if runtime not in _UNEXPLAINED and _mean(errors.get("decode", [])) > _CONTRADICTION:
        return None
    for model, partial in left_out.items():
        if partial:
            refitted = replace(made, rates={name: Fit(value) for name, value in partial.items()})
            unseen = errors_of(key, [row for row in rows if row.model == model], _with(others, refitted))
            for phase, each in unseen.items():
                if each:
                    errors.setdefault(f"{phase}_left_out", []).extend(each)
    return replace(made, errors={name: _mean(each) for name, each in errors.items()})


def fit_rates(key: Key, rows: Sequence[Run], found: Calibrations) -> dict[str, float]:
    """Return the rates that some runs identify, decoding before prefill."""
    if not rows:
        return {}
    held = _hold(key, rows[0].weights, found)
    values = _fit_decode(key, [row for row in rows if row.decode_tokens_per_s], held)
    if values and key[2] not in _UNEXPLAINED:
        values |= _fit_prefill([row for row in rows if row.prefill_tokens_per_s and row.prompt], _settle(held, values))
    return values


@dataclass(frozen=True, slots=True)
class Held:
    """Seconds for each unit of what is not fitted."""

    per_weight: float
    per_kv: float
    per_decode_attention: float
    part: float
    prompt: float
    attention_share: float
    """Rate of attention as a share of the matmul rate."""


def _fit_decode(key: Key, rows: Sequence[Run], held: Held) -> dict[str, float]:
    work = [features_of(row, "decode") for row in rows]
    if not work:
        return {}
    seconds = np.array([each.seconds for each in work])
    columns = np.array([[w.weights + w.streamed, w.parts, w.kv, w.mixing] for w in work])
    kv_known = columns[:, 2] * held.per_kv + columns[:, 3] * held.per_decode_attention
    if key[2] in _UNEXPLAINED:
        known = columns[:, 0] * held.per_weight + kv_known
        return {"part": float(fit_relative(columns[:, 1:2], seconds, known=known, lower=[0.0], upper=[np.inf])[0])}
    bandwidth = load_profile(key[0]).bandwidth(key[1])
    low, high = 0.0, np.inf
    if bandwidth is not None:
        low, high = 1 / (_SHARE[1] * bandwidth.value), 1 / (_SHARE[0] * bandwidth.value)
    density = columns[:, 0] / columns[:, 1]
    knows_part = density.max() / density.min() >= 1.5
    if not knows_part and bandwidth is not None:
        return {}
    depths = [[w.kv for w, row in zip(work, rows, strict=True) if row.model == model] for model in _models(rows)]
    knows_kv = max(map(_spread, depths)) >= 3
    open_ends = [np.inf if knows else 0.0 for knows in (knows_part, knows_kv, knows_kv)]
    known = np.zeros(len(work))
    if not knows_part:
        known += columns[:, 1] * held.part
    if not knows_kv:
        known += kv_known
    x = fit_relative(columns, seconds, known=known, lower=[low, 0.0, 0.0, 0.0], upper=[high, *open_ends])
    found = {"weights": 1 / x[0]}
    if knows_part:
        found["part"] = x[1]
    times = columns.max(0) * x
    for name, number in (("kv", 2), ("decode_attention", 3)):
        # a term that stays below a thousandth of the other explains nothing
        if knows_kv and times[number] > 1e-3 * max(times[2:]):
            found[name] = 1 / x[number]
    return {name: float(value) for name, value in found.items()}


def _fit_prefill(rows: Sequence[Run], held: Held) -> dict[str, float]:
    if not rows:
        return {}
    work = [features_of(row, "prefill") for row in rows]
    quantized = np.array([weight_format(row.weights).quantized for row in rows])
    lengths = {row.prompt or 0 for row in rows}
    many = len(_models(rows)) >= 4
    knows_attention = _spread(lengths) >= 2 or (many and _spread([w.mixing / w.matmul for w in work]) >= 2)
    knows_start = len(lengths) >= 3 or (many and _spread([w.matmul for w in work]) >= 3)
    columns = np.zeros((len(rows), 4))
    columns[:, 0] = [w.matmul for w in work] * ~quantized
    columns[:, 1] = [w.matmul for w in work] * quantized
    columns[:, 2] = [w.mixing for w in work]
    columns[:, 3] = 1.0
    if not knows_attention:
        # attention at its share of the matmul rate adds to the matmul columns in that proportion
        columns[:, :2] += np.where(columns[:, :2] > 0, columns[:, 2:3] / held.attention_share, 0.0)
    seconds = np.array([each.seconds for each in work])
    known = np.array([w.streamed * held.per_weight + w.kv * held.per_kv + w.parts * held.part for w in work])
    known += 0.0 if knows_start else held.prompt
    upper = [np.inf, np.inf, np.inf if knows_attention else 0.0, np.inf if knows_start else 0.0]
    x = fit_relative(columns, seconds, known=known, lower=[0.0] * 4, upper=upper)
    found = {name: 1 / x[k] for k, name in enumerate(("matmul_float", "matmul_quantized", "attention")) if x[k] > 0}
    if knows_start:
        found["prompt"] = x[3]
    return {name: float(value) for name, value in found.items()}


def _hold(key: Key, weights: str, found: Calibrations) -> Held:
    """Return what the estimate would borrow for a runtime without runs of its own."""
    resolver = resolver_for(key, weights, found)
    part, prompt = (resolver.seconds(name).value or 0.0 for name in ("part", "prompt"))
    share = resolver.attention_share()
    if not resolver.knows_weights:
        return Held(0.0, 0.0, 0.0, part, prompt, share)
    rates = resolver.rates()
    per = [_per(rate.value) for rate in (rates.weights, rates.kv, rates.decode_attention)]
    return Held(*per, part=part, prompt=prompt, attention_share=share)


def _settle(held: Held, values: Mapping[str, float]) -> Held:
    explained = "kv" in values or "decode_attention" in values
    return replace(
        held,
        per_weight=_per(values.get("weights")),
        per_kv=_per(values.get("kv")) if explained else held.per_kv,
        part=values.get("part", held.part),
    )


def intervals(groups: Mapping[Key, Sequence[Run]], found: Calibrations) -> dict[tuple[Tier, Phase], Interval]:
    """Measure how far predictions of each tier are off on runs that they did not see."""
    residuals: dict[tuple[Tier, Phase], list[float]] = {}

    def add(tier: Tier, key: Key, rows: Sequence[Run], known: Calibrations, *, data_sheet: bool = False) -> None:
        for phase, each in errors_of(key, rows, known, data_sheet=data_sheet).items():
            residuals.setdefault((tier, phase), []).extend(each)

    for key, rows in groups.items():
        if key[2] in _UNEXPLAINED:
            continue
        models = _models(rows)
        alone = without(found, [key])
        for model in models if len(models) >= 3 else ():
            rest = fit_key(key, [row for row in rows if row.model != model], alone)
            if rest is not None:
                add("calibrated", key, [row for row in rows if row.model == model], _with(alone, rest))
        profile = load_profile(key[0])
        if profile.bandwidth(key[1]) is None:
            continue
        no_device = _repooled(without(found, [each for each in groups if each[0] == key[0]]))
        if resolver_for(key, rows[0].weights, no_device).rates().weights.tier == "family":
            add("family", key, rows, no_device)
        vendor = [each for each in groups if load_profile(each[0]).vendor == profile.vendor]
        add("class", key, rows, _repooled(without(found, vendor)))
        add("spec_only", key, rows, found, data_sheet=True)
    return {
        name: Interval(float(np.exp(conformal(each))), len(each))
        for name, each in residuals.items()
        if len(each) >= _ENOUGH
    }


def without(found: Calibrations, keys: Iterable[Key]) -> Calibrations:
    """Return what would be known without some calibrations; pools stay as they are."""
    dropped = set(keys)
    kept = tuple(each for each in found.calibrations if (each.device, each.unit, each.runtime) not in dropped)
    return replace(found, calibrations=kept)


def _with(found: Calibrations, own: Calibration) -> Calibrations:
    return replace(found, calibrations=(*found.calibrations, own))


def _repooled(found: Calibrations) -> Calibrations:
    return replace(found, pools=tuple(pools(found.calibrations)))


def _models(rows: Sequence[Run]) -> list[str]:
    return sorted({row.model for row in rows})


def _spread(values: Iterable[float]) -> float:
    seen = list(values)
    return max(seen) / min(seen)


def _per(value: float | None) -> float:
    return 0.0 if not value else 1 / value


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
