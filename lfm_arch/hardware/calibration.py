"""What published measurements say a runtime makes of a device: rates, fitted by `calibrate`, never edited by hand.

Calibrations are kept apart from profiles, so that fitting again touches no data sheet.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Tier = Literal["measured", "calibrated", "family", "class", "spec_only"]
TIERS: tuple[Tier, ...] = ("measured", "calibrated", "family", "class", "spec_only")
"""How well an answer is known, best first.

`measured`: rates measured on this machine. `calibrated`: fitted on published runs of this device and runtime.
`family`: borrowed from alike devices or the same runtime on others of the vendor. `class`: borrowed from all devices
with such a unit. `spec_only`: data sheet alone.
"""

Phase = Literal["prefill", "decode"]
PHASES: tuple[Phase, ...] = ("decode", "prefill")

RATES: tuple[str, ...] = (
    "weights",
    "experts",
    "experts_batch",
    "expert_matmul",
    "kv",
    "decode_attention",
    "matmul_float",
    "matmul_quantized",
    "attention",
    "part",
    "kernel",
    "prompt",
    "hop",
    "border",
    "activations",
    "state",
    "half_tokens",
)
"""What a calibration may hold.

In byte/s: `weights`; `experts` for one token and `experts_batch` for several; `kv`; `activations`; `state`. In FLOP/s:
`decode_attention`, `matmul_float`, `matmul_quantized`, `expert_matmul`, `attention`. In seconds: `part` for each mixer
and channel mixer, `kernel` for each kernel, `prompt` for each prompt, `hop` for each exchange between chips
that share a layer, `border` where one chip hands a token to the next.
`half_tokens`: rows of activations at which a matrix product reaches half its rate.
"""


def worse(*tiers: Tier) -> Tier:
    """Return the weakest of some tiers."""
    return TIERS[max(map(TIERS.index, tiers))]


@dataclass(frozen=True, slots=True)
class Fit:
    """One fitted number."""

    value: float
    low: float | None = None
    """Ends of its 90 % interval by leaving out one model at a time; None where that cannot be done."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """A runtime on one unit of a device."""

    device: str
    unit: str
    runtime: str
    rates: Mapping[str, Fit]
    tier: Tier = "calibrated"
    """`family` where one model in one format was measured; `spec_only` where the runs do not say how they were made."""
    rows: tuple[str, ...] = ()
    """Ids in the shipped table of measurements."""
    models: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    weight_bytes: tuple[float, float] = (0.0, float("inf"))
    """Smallest and largest weights that were read per token."""
    context: int = 0
    """Longest context measured."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """Mean relative errors: `decode`, `prefill` on the fitted rows, `decode_left_out`, `prefill_left_out`."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """What alike devices have in common, as ratios that carry over: see `rate.ratios`."""

    key: str
    """`family:apple-m`, `vendor:NVIDIA`, `kind:gpu`."""
    runtime: str
    """Empty for all runtimes."""
    ratios: Mapping[str, float]
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """A factor f such that 90 % of the left-out measurements lay between 1/f and f times the prediction."""

    factor: float
    count: int
    """Left-out measurements behind it."""


@dataclass(frozen=True, slots=True)
class Calibrations:
    """All that `calibrate` found."""

    fitted: str
    calibrations: tuple[Calibration, ...]
    pools: tuple[Pool, ...]
    intervals: Mapping[tuple[Tier, Phase], Interval]

    def find(self, device: str, unit: str, runtime: str) -> Calibration | None:
        return next(
            (c for c in self.calibrations if (c.device, c.unit, c.runtime) == (device, unit, runtime)),
            None,
        )

    def pool(self, key: str, runtime: str) -> Pool | None:
        return next((p for p in self.pools if (p.key, p.runtime) == (key, runtime)), None)

    def interval(self, tier: Tier, phase: Phase) -> Interval:
        """Return the interval of a tier, never narrower than that of a better one.

        Rates measured on the spot are given that of `calibrated`: nobody publishes runs to check them on.
        """
        upto = TIERS[: max(1, TIERS.index(tier)) + 1]
        known = [self.intervals[each, phase] for each in upto if (each, phase) in self.intervals]
        return max(known, key=lambda each: each.factor) if known else Interval(2.0, 0)


@cache
def shipped() -> Calibrations:
    """Load the calibrations that ship."""
    entry = files("lfm_arch.hardware") / "calibrations.json"
    return decode(json.loads(entry.read_text(encoding="utf-8")))


def decode(data: Mapping[str, Any]) -> Calibrations:
    """Read what `encode` wrote."""
    return Calibrations(
        fitted=data["fitted"],
        calibrations=tuple(
            Calibration(
                **{
                    **row,
                    "rates": {name: Fit(*value) for name, value in row["rates"].items()},
                    **{name: tuple(row[name]) for name in ("rows", "models", "formats", "weight_bytes")},
                }
            )
            for row in data["calibrations"]
        ),
        pools=tuple(Pool(**{**row, "devices": tuple(row["devices"])}) for row in data["pools"]),
        intervals={
            (tier, phase): Interval(*value)
            for tier, phases in data["intervals"].items()
            for phase, value in phases.items()
        },
    )


def encode(found: Calibrations) -> dict[str, Any]:
    """Return plain data for JSON, with numbers cut to the digits that mean something."""
    intervals: dict[str, dict[str, list[float]]] = {}
    for (tier, phase), each in found.intervals.items():
        intervals.setdefault(tier, {})[phase] = [_short(each.factor), each.count]
    return {
        "fitted": found.fitted,
        "calibrations": [
            {
                "device": each.device,
                "unit": each.unit,
                "runtime": each.runtime,
                "tier": each.tier,
                "rates": {
                    name: [_short(part) for part in (fit.value, fit.low, fit.high) if part is not None]
                    for name, fit in each.rates.items()
                },
                "rows": list(each.rows),
                "models": list(each.models),
                "formats": list(each.formats),
                "weight_bytes": [_short(value) for value in each.weight_bytes],
                "context": each.context,
                "errors": {name: _short(value) for name, value in each.errors.items()},
                "note": each.note,
            }
            for each in found.calibrations
        ],
        "pools": [
            {
                "key": each.key,
                "runtime": each.runtime,
                "ratios": {name: _short(value) for name, value in each.ratios.items()},
                "devices": list(each.devices),
            }
            for each in found.pools
        ],
        "intervals": intervals,
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
