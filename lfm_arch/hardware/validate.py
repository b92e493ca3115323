"""How far predictions are off on published runs that the fit did not see, by device, runtime and overall.

Splits: `model` leaves one model out of what one runtime on one device was fitted on; `device` leaves out all runs of a
device, so that it borrows; `vendor` leaves out all devices of a vendor; `data_sheet` takes bandwidth and peaks at face
value. Whoever has another way to predict makes `Prediction`s of the same runs and calls `score`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp
from typing import Literal

import numpy as np

from lfm_arch.graph.count import totals
from lfm_arch.hardware.calibrate import fit_key, with_own
from lfm_arch.hardware.calibration import PHASES, TIERS, Calibrations, Interval, Phase, Tier
from lfm_arch.hardware.fit import conformal
from lfm_arch.hardware.pool import repooled, without
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import Run, reference_graph
from lfm_arch.hardware.regress import UNEXPLAINED, models_of
from lfm_arch.hardware.replay import Key, Prediction, predict

Split = Literal["model", "device", "vendor", "data_sheet"]
SPLITS: tuple[Split, ...] = ("model", "device", "vendor", "data_sheet")

Groups = Mapping[Key, Sequence[Run]]
Predictions = Mapping[Split, Sequence[Prediction]]

_ENOUGH = 10
"""Left-out runs from which on an interval is taken."""
_ALIKE = 1.25
"""Ratio of parameters up to which two models are a hard pair."""
_TIE = 1.02
"""Ratio of measured speeds below which two models are not told apart by the measurement."""
_MOVED = 1.05
"""Change of the ratio of two speeds with the context, from which on a pair depends on it."""


def predictions(groups: Groups, found: Calibrations, splits: Iterable[Split] = SPLITS) -> dict[Split, list[Prediction]]:
    """Predict every run without having seen it, once for each split that applies to it.

    Args:
        groups: runs by device, unit and runtime.
        found: the fits on all of them.
        splits: those wanted.
    """
    wanted = set(splits)
    made: dict[Split, list[Prediction]] = {split: [] for split in SPLITS if split in wanted}
    for key, rows in groups.items():
        if key[2] in UNEXPLAINED:
            continue
        if "model" in wanted:
            made["model"] += _without_model(key, rows, found)
        profile = load_profile(key[0])
        if profile.bandwidth(key[1]) is None:
            continue
        if "device" in wanted:
            device = [each for each in groups if each[0] == key[0]]
            made["device"] += predict(key, rows, repooled(without(found, device)))
        if "vendor" in wanted:
            vendor = [each for each in groups if load_profile(each[0]).vendor == profile.vendor]
            made["vendor"] += predict(key, rows, repooled(without(found, vendor)))
        if "data_sheet" in wanted:
            made["data_sheet"] += predict(key, rows, found, data_sheet=True)
    return made


def _without_pairs(key: Key, rows: Sequence[Run], found: Calibrations) -> list[tuple[Prediction, Prediction]]:
    others = repooled(without(found, [key]))
    made: list[tuple[Prediction, Prediction]] = []
    for a, b in combinations(models_of(rows), 2):
        if not _alike_in_size(a, b):
            continue
        rest = [row for row in rows if row.model not in (a, b)]
        own = fit_key(key, rest, others, ends=False) if rest else None
        known = others if own is None else with_own(others, own)
        unseen = predict(key, [row for row in rows if row.model in (a, b)], known)
        made += hard_pairs(unseen)
    return made


def _without_model(key: Key, rows: Sequence[Run], found: Calibrations) -> list[Prediction]:
    models = models_of(rows)
    if len(models) < 2:
        return []
    others = repooled(without(found, [key]))
    made: list[Prediction] = []
    for model in models:
        own = fit_key(key, [row for row in rows if row.model != model], others, ends=False)
        known = others if own is None else with_own(others, own)
        made += predict(key, [row for row in rows if row.model == model], known)
    return made


def intervals(made: Predictions) -> dict[tuple[Tier, Phase], Interval]:
    """Measure by tier and phase what factor holds 90 % of the runs that were not seen."""
    residuals: dict[tuple[Tier, Phase], list[float]] = {}
    for each in (each for split in made.values() for each in split):
        residuals.setdefault((each.tier, each.phase), []).append(each.residual)
    return {name: Interval(exp(conformal(each)), len(each)) for name, each in residuals.items() if len(each) >= _ENOUGH}


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of some predictions in one phase."""

    count: int
    median: float
    """Of the absolute relative error of the time."""
    p90: float
    bias: float
    """Median of predicted over measured time, less one."""
    coverage: float | None = None
    """Share inside the 90 % interval, which was taken from other devices; None where intervals are not made."""


@dataclass(frozen=True, slots=True)
class Order:
    """Pairs of runs on one device that a prediction puts in the right order."""

    pairs: int
    right: int

    @property
    def share(self) -> float | None:
        return self.right / self.pairs if self.pairs else None


def score(made: Sequence[Prediction], inside: Mapping[int, bool] | None = None) -> Score | None:
    """Sum up the errors of predictions of one phase; None for none.

    Args:
        made: predictions.
        inside: whether each lay in its interval, by position.
    """
    if not made:
        return None
    errors = np.array([each.error for each in made])
    ratios = np.array([each.predicted_s / each.measured_s for each in made])
    covered = None if inside is None else sum(inside.values()) / len(inside)
    return Score(
        len(made), float(np.median(errors)), float(np.quantile(errors, 0.9)), float(np.median(ratios) - 1), covered
    )


def covered(made: Predictions, split: Split) -> dict[int, bool]:
    """Say of each prediction of a split whether the run lies in its interval, by position.

    The interval of a run is taken from predictions of other devices, as that of a new device would be.
    """
    everything = [each for some in made.values() for each in some]
    cache: dict[str, Calibrations] = {}
    inside: dict[int, bool] = {}
    for number, each in enumerate(made[split]):
        device = each.run.device
        if device not in cache:
            rest = [other for other in everything if other.run.device != device]
            cache[device] = Calibrations("", (), (), intervals({split: rest}))
        factor = cache[device].interval(each.tier, each.phase).factor
        inside[number] = abs(each.residual) <= np.log(factor)
    return inside


def order(pairs: Iterable[tuple[Prediction, Prediction]]) -> Order:
    """Count the pairs that a prediction puts in the measured order."""
    seen = list(pairs)
    right = sum((a.measured_s > b.measured_s) == (a.predicted_s > b.predicted_s) for a, b in seen)
    return Order(len(seen), right)


def hard_pairs(made: Sequence[Prediction]) -> list[tuple[Prediction, Prediction]]:
    """Return pairs of different models of alike size that were run alike on one device and runtime."""
    pairs = (pair for group in _alike(made, _setting) for pair in combinations(group, 2))
    return [
        (a, b)
        for a, b in pairs
        if a.run.model != b.run.model
        and _alike_in_size(a.run.model, b.run.model)
        and _apart(a.measured_s / b.measured_s, _TIE)
    ]


def unseen_pairs(groups: Groups, found: Calibrations) -> list[tuple[Prediction, Prediction]]:
    """Predict hard pairs of which the fit of their device has seen neither, as a search meets its candidates."""
    return [
        pair
        for key, rows in groups.items()
        if key[2] not in UNEXPLAINED and len(models_of(rows)) >= 2
        for pair in _without_pairs(key, rows, found)
    ]


def _alike_in_size(a: str, b: str) -> bool:
    sizes = sorted(totals(reference_graph(name)).params for name in (a, b))
    return sizes[1] <= _ALIKE * sizes[0]


def context_pairs(made: Sequence[Prediction]) -> Order:
    """Count pairs of models whose ratio of speeds moves with the context: which of both loses less is to be told."""
    pairs = right = 0
    for group in _alike(made, lambda each: (*each.run.key, each.phase, each.run.weights)):
        series: dict[str, dict[int, Prediction]] = {}
        for each in group:
            at = each.run.depth if each.phase == "decode" else (each.run.prompt or 0) + each.run.past
            series.setdefault(each.run.model, {})[at] = each
        for a, b in combinations(series.values(), 2):
            shared = sorted(set(a) & set(b))
            if len(shared) < 2:
                continue
            near, far = shared[0], shared[-1]
            measured = (a[far].measured_s / b[far].measured_s) / (a[near].measured_s / b[near].measured_s)
            predicted = (a[far].predicted_s / b[far].predicted_s) / (a[near].predicted_s / b[near].predicted_s)
            if _apart(measured, _MOVED):
                pairs += 1
                right += (measured > 1) == (predicted > 1)
    return Order(pairs, right)


def only(made: Iterable[Prediction], phase: Phase) -> list[Prediction]:
    """Return the predictions of one phase."""
    return [each for each in made if each.phase == phase]


def common(*those: Sequence[Prediction]) -> list[list[Prediction]]:
    """Cut predictions of several ways to those runs and phases that all of them predict."""
    keys = set.intersection(*({(each.run.id, each.phase) for each in some} for some in those))
    return [[each for each in some if (each.run.id, each.phase) in keys] for some in those]


def _setting(each: Prediction) -> tuple[object, ...]:
    run = each.run
    asked = (run.depth, run.generate) if each.phase == "decode" else (run.prompt, run.past)
    return (*run.key, each.phase, run.weights, run.batch, run.chips, *asked)


def _alike(made: Iterable[Prediction], key: Callable[[Prediction], tuple[object, ...]]) -> Iterable[list[Prediction]]:
    groups: dict[tuple[object, ...], dict[str, Prediction]] = {}
    for each in made:
        # several runs of one model under one setting count once
        groups.setdefault(key(each), {}).setdefault(each.run.id, each)
    return [list(group.values()) for group in groups.values()]


def _apart(ratio: float, least: float) -> bool:
    return max(ratio, 1 / ratio) >= least


__all__ = ["PHASES", "SPLITS", "TIERS", "Order", "Score", "Split", "predictions", "score"]
