"""What alike devices have in common: medians of ratios that carry over from one data sheet to another."""

from collections.abc import Iterable
from dataclasses import replace
from statistics import median

from lfm_arch.hardware.calibration import Calibration, Calibrations, Pool
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.rate import circles, peak_for, ratios

_OWN = ("prompt",)
"""Rates that say more of one build than of a family."""


def pools(calibrations: Iterable[Calibration]) -> Iterable[Pool]:
    """Yield a pool for every group of devices that `circles` names."""
    groups: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for each in calibrations:
        if each.tier != "calibrated":
            continue
        profile = load_profile(each.device)
        own = carried(each)
        for _, key, runtime in circles(profile, profile.use(f"{each.runtime}@{each.unit}")):
            groups.setdefault((key, runtime), {})[f"{each.device}/{each.unit}/{each.runtime}"] = own
    for (key, runtime), members in sorted(groups.items()):
        names = sorted({name for own in members.values() for name in own})
        shared = {name: median(own[name] for own in members.values() if name in own) for name in names}
        # reading the cache and decode attention explain the same times: keep what most devices need
        reading = sum("kv" in own for own in members.values())
        arithmetic = sum("decode_attention" in own for own in members.values())
        if reading and arithmetic:
            shared.pop("decode_attention" if reading >= arithmetic else "kv")
        yield Pool(key, runtime, shared, tuple(sorted({name.partition("/")[0] for name in members})))


def without(found: Calibrations, keys: Iterable[tuple[str, str, str]]) -> Calibrations:
    """Return what would be known without some calibrations; pools stay as they are."""
    dropped = set(keys)
    kept = tuple(each for each in found.calibrations if (each.device, each.unit, each.runtime) not in dropped)
    return replace(found, calibrations=kept)


def repooled(found: Calibrations) -> Calibrations:
    """Return the same with pools of the calibrations that are in it."""
    return replace(found, pools=tuple(pools(found.calibrations)))


def carried(calibration: Calibration) -> dict[str, float]:
    """Return a calibration's rates as ratios to its own data sheet."""
    profile = load_profile(calibration.device)
    bandwidth = profile.bandwidth(calibration.unit)
    peaks: dict[str, float | None] = {}
    for name, weights, quantized in (("matmul_float", "f16", False), ("matmul_quantized", "q4_0", True)):
        peak = peak_for(profile, calibration.unit, weights, quantized=quantized)
        peaks[name] = None if peak is None else peak[1].dense
    rates = {name: fit.value for name, fit in calibration.rates.items() if name not in _OWN}
    return ratios(rates, None if bandwidth is None else bandwidth.value, peaks)
