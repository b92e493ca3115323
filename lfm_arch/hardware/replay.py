"""Published runs, counted and predicted again: what a fit needs to know of them, and how far predictions are off."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np

from lfm_arch.hardware.calibration import Calibrations, Phase
from lfm_arch.hardware.estimate import estimate_work
from lfm_arch.hardware.formats import weight_format
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.rate import Resolver
from lfm_arch.hardware.reference import Run, reference_graph
from lfm_arch.hardware.runtime import load_engine
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import (
    ACTIVATIONS,
    CACHE,
    DENSE,
    EXPERT,
    MATMUL,
    MIXING,
    PARTS,
    STATE,
    STEP_SHARES,
    Array,
    Work,
    measure_work,
)

Key = tuple[str, str, str]
"""Device, unit, runtime."""


@dataclass(frozen=True, slots=True)
class Features:
    """Work of one run in one phase, summed over the model, and the time it took."""

    weights: float
    """Bytes of weights read."""
    streamed: float
    """Bytes of state and element-wise traffic, which goes at the rate of weights."""
    kv: float
    mixing: float
    matmul: float
    parts: float
    seconds: float


def scenario_of(run: Run, phase: Phase) -> Scenario:
    """Return the scenario that a run measured."""
    if phase == "prefill":
        return Scenario(prompt=run.prompt or 1, generate=1, weights=run.weights)
    return Scenario(prompt=max(1, run.depth), generate=run.generate, weights=run.weights)


def features_of(run: Run, phase: Phase) -> Features:
    """Count a run."""
    scenario = scenario_of(run, phase)
    work = _work(run.model, scenario)
    engine = load_engine(load_profile(run.device).use(f"{run.runtime}@{run.unit}").engine)
    table_RF: Array = work.table_PRF[0] if phase == "prefill" else np.tensordot(STEP_SHARES, work.table_PRF[1:], axes=1)
    bits_R = work.weight_bits(weight_format(run.weights))
    chunks = -(-scenario.prompt // engine.prefill_chunk) if phase == "prefill" and engine.prefill_chunk else 1

    repeats_R = np.where(work.layer_R, chunks, 1)

    def total(field: int) -> float:
        return float(table_RF[:, field] @ work.repeats_R)

    rate = run.prefill_tokens_per_s if phase == "prefill" else run.decode_tokens_per_s
    assert rate is not None, f"{run.id} has no {phase} rate"
    return Features(
        weights=float(((table_RF[:, DENSE] + table_RF[:, EXPERT]) * bits_R * repeats_R) @ work.repeats_R) / 8,
        streamed=(total(STATE) * engine.state_bits + total(ACTIVATIONS) * engine.activation_bits) / 8,
        kv=total(CACHE) * 2.0,
        mixing=total(MIXING),
        matmul=total(MATMUL),
        parts=total(PARTS) * chunks,
        seconds=(scenario.prompt if phase == "prefill" else 1) / rate,
    )


def resolver_for(key: Key, weights: str, found: Calibrations) -> Resolver:
    """Look rates up among some calibrations rather than those that ship."""
    profile = load_profile(key[0])
    use = profile.use(f"{key[2]}@{key[1]}")
    return Resolver(profile, use, weights, quantized=weight_format(weights).quantized, found=found)


def errors_of(
    key: Key, rows: Sequence[Run], found: Calibrations, *, data_sheet: bool = False
) -> dict[Phase, list[float]]:
    """Return log(measured / predicted) times by phase; nothing where no rates are known.

    With `data_sheet`, predictions take bandwidth and peaks at face value and know no overhead.
    """
    profile = load_profile(key[0])
    errors: dict[Phase, list[float]] = {"decode": [], "prefill": []}
    for run in rows:
        resolver = resolver_for(key, run.weights, found)
        if not resolver.knows_weights or (data_sheet and profile.bandwidth(key[1]) is None):
            continue
        rates = resolver.data_sheet() if data_sheet else resolver.rates()
        measured = {"decode": run.decode_tokens_per_s, "prefill": run.prefill_tokens_per_s if run.prompt else None}
        for phase, each in errors.items():
            if measured[phase] is None or (phase == "prefill" and not rates.matmul.value):
                continue
            scenario = scenario_of(run, phase)
            made = estimate_work(
                reference_graph(run.model),
                _work(run.model, scenario),
                profile,
                scenario,
                runtime=f"{key[2]}@{key[1]}",
                rates=rates,
            )
            predicted = made.step_s if phase == "decode" else made.ttft_s
            each.append(log(features_of(run, phase).seconds / predicted))
    return errors


@cache
def _work(model: str, scenario: Scenario) -> Work:
    return measure_work(reference_graph(model), scenario)
