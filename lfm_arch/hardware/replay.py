"""Published runs, counted and predicted again: what a fit needs to know of them, and how far predictions are off."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np

from lfm_arch.hardware.calibration import PHASES, Calibrations, Phase, Tier
from lfm_arch.hardware.estimate import estimate_work
from lfm_arch.hardware.formats import weight_format
from lfm_arch.hardware.parallel import overlap, shard
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import Run, reference_graph
from lfm_arch.hardware.resolve import Resolver
from lfm_arch.hardware.runtime import load_engine
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import (
    ACTIVATIONS,
    CACHE,
    EXPERT_FLOPS,
    HOPS,
    LINK,
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
    """Work of one run in one phase, on the busiest chip and summed over the model, and the time it took."""

    weights: float
    """Bytes of weights read, outside of routed experts."""
    experts: float
    """Bytes of routed experts read for one row of activations."""
    experts_batch: float
    """The same, for several rows."""
    streamed: float
    """Bytes of state and element-wise traffic, which goes at the rate of weights."""
    kv: float
    mixing: float
    matmul: float
    expert_matmul: float
    parts: float
    hops: float
    borders: float
    link: float
    """Bytes sent to other chips."""
    overlap: float
    """Share of the summed time that passes, where pieces of a prompt follow one another."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """One run predicted in one phase."""

    run: Run
    phase: Phase
    measured_s: float
    predicted_s: float
    tier: Tier

    @property
    def residual(self) -> float:
        """log(measured / predicted)."""
        return log(self.measured_s / self.predicted_s)

    @property
    def error(self) -> float:
        """Relative error of the predicted time."""
        return abs(self.predicted_s / self.measured_s - 1)


def scenario_of(run: Run, phase: Phase) -> Scenario:
    """Return the scenario that a run measured."""
    if phase == "prefill":
        prompt, generate, past = run.prompt or 1, 1, run.past
    else:
        prompt, generate, past = max(1, run.depth), run.generate, 0
    return Scenario(prompt, generate, run.batch, run.weights, chips=run.chips, parallel=run.parallel, past=past)


def measured_s(run: Run, phase: Phase) -> float | None:
    """Return the seconds of a run: its prompt, or one decoding step; None where it has none."""
    if phase == "prefill":
        rate = run.prefill_tokens_per_s
        return None if rate is None or run.prompt is None else run.batch * run.prompt / rate
    return None if run.decode_tokens_per_s is None else run.batch / run.decode_tokens_per_s


@cache
def features_of(run: Run, phase: Phase) -> Features:
    """Count a run."""
    scenario = scenario_of(run, phase)
    graph = reference_graph(run.model)
    work = shard(graph, _work(run.model, scenario), scenario)
    engine = load_engine(load_profile(run.device).use(f"{run.runtime}@{run.unit}").engine)
    table_RF: Array = work.table_PRF[0] if phase == "prefill" else np.tensordot(STEP_SHARES, work.table_PRF[1:], axes=1)
    chunks = -(-scenario.prompt // engine.prefill_chunk) if phase == "prefill" and engine.prefill_chunk else 1
    dense, experts = (work.read_bytes(table_RF, weight_format(run.weights)).T * _times(work, chunks)) @ work.repeats_R
    seconds = measured_s(run, phase)
    assert seconds is not None, f"{run.id} has no {phase} rate"

    def total(field: int) -> float:
        return float(table_RF[:, field] @ work.repeats_R)

    single = phase == "decode" and scenario.passes()[1].batch == 1
    link = load_profile(run.device).link
    exchanges = float((table_RF[:, HOPS] * _times(work, chunks)) @ work.repeats_R)
    piped = run.parallel == "pipeline"
    return Features(
        weights=float(dense),
        experts=float(experts) * single,
        experts_batch=float(experts) * (not single),
        streamed=(total(STATE) * engine.state_bits + total(ACTIVATIONS) * engine.activation_bits) / 8,
        kv=total(CACHE) * 2.0,
        mixing=total(MIXING),
        matmul=total(MATMUL),
        expert_matmul=total(EXPERT_FLOPS),
        parts=total(PARTS) * chunks,
        hops=0.0 if piped else exchanges,
        borders=exchanges if piped else 0.0,
        link=0.0
        if link is None or run.chips == 1
        else total(LINK) * engine.activation_bits / 8 / link.between(run.chips),
        overlap=overlap(scenario, chunks) if phase == "prefill" else 1.0,
        seconds=seconds,
    )


def _times(work: Work, chunks: int) -> Array:
    return np.where(work.layer_R, float(chunks), 1.0)


def resolver_for(key: Key, weights: str, found: Calibrations) -> Resolver:
    """Look rates up among some calibrations rather than those that ship."""
    profile = load_profile(key[0])
    use = profile.use(f"{key[2]}@{key[1]}")
    return Resolver(profile, use, weights, quantized=weight_format(weights).quantized, found=found)


def predict(key: Key, rows: Sequence[Run], found: Calibrations, *, data_sheet: bool = False) -> list[Prediction]:
    """Predict runs; those for which no rates are known are left out.

    With `data_sheet`, predictions take bandwidth and peaks at face value and know no overhead.
    """
    profile = load_profile(key[0])
    made: list[Prediction] = []
    for run in rows:
        resolver = resolver_for(key, run.weights, found)
        if not resolver.knows_weights or (data_sheet and profile.bandwidth(key[1]) is None):
            continue
        rates = resolver.data_sheet() if data_sheet else resolver.rates()
        for phase in PHASES:
            seconds = measured_s(run, phase)
            if seconds is None or (phase == "prefill" and not rates.matmul.value):
                continue
            scenario = scenario_of(run, phase)
            answer = estimate_work(
                reference_graph(run.model),
                _work(run.model, scenario),
                profile,
                scenario,
                runtime=f"{key[2]}@{key[1]}",
                rates=rates,
                found=found,
            )
            predicted = answer.step_s if phase == "decode" else answer.ttft_s
            made.append(Prediction(run, phase, seconds, predicted, answer.tiers[phase]))
    return made


def errors_of(key: Key, rows: Sequence[Run], found: Calibrations) -> dict[Phase, list[float]]:
    """Return log(measured / predicted) times by phase; nothing where no rates are known."""
    errors: dict[Phase, list[float]] = {phase: [] for phase in PHASES}
    for each in predict(key, rows, found):
        errors[each.phase].append(each.residual)
    return errors


@cache
def _work(model: str, scenario: Scenario) -> Work:
    return measure_work(reference_graph(model), scenario)
