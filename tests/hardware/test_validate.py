"""Validation: nothing that is predicted was seen, and the sums are right."""

from dataclasses import replace
from typing import Any

import pytest

from lfm_arch.hardware.calibrate import by_key
from lfm_arch.hardware.calibration import Calibrations, shipped
from lfm_arch.hardware.reference import Run, runs, unused
from lfm_arch.hardware.replay import Prediction
from lfm_arch.hardware.validate import (
    common,
    context_pairs,
    covered,
    hard_pairs,
    intervals,
    order,
    predictions,
    score,
    unseen_pairs,
)

PHONE = ("snapdragon-8-elite", "cpu", "llama.cpp-cpu")
GROUPS = {key: rows for key, rows in by_key(runs()).items() if key in (PHONE, ("apple-m4", "gpu", "llama.cpp-metal"))}


def made_up(run: Run, measured: float, predicted: float, **more: Any) -> Prediction:
    return Prediction(replace(run, **more), "decode", measured, predicted, "calibrated")


RUN = next(run for run in runs() if run.id == "m1704")


LIED_OF = "lfm2-2.6b"


def _lie(run: Run) -> Run:
    lying = run.model == LIED_OF and run.decode_tokens_per_s
    return replace(run, decode_tokens_per_s=9.0) if lying else run


def test_a_model_left_out_does_not_matter_to_its_prediction() -> None:
    made = predictions(GROUPS, shipped(), ["model"])["model"]
    liar = {key: [_lie(run) for run in rows] for key, rows in GROUPS.items()}
    lied = predictions(liar, shipped(), ["model"])["model"]
    before = {e.run.id: e.predicted_s for e in made if e.run.model == LIED_OF and e.phase == "decode"}
    after = {e.run.id: e.predicted_s for e in lied if e.run.model == LIED_OF and e.phase == "decode"}
    assert before
    assert after == pytest.approx(before)


def test_a_device_left_out_borrows() -> None:
    made = predictions(GROUPS, shipped(), ["device"])["device"]
    assert {each.tier for each in made} <= {"family", "class"}
    assert {each.run.device for each in made} == {"snapdragon-8-elite", "apple-m4"}


def test_a_score_sums_up() -> None:
    some = [made_up(RUN, 1.0, predicted) for predicted in (0.9, 1.0, 1.2)]
    found = score(some, {0: True, 1: True, 2: False})
    assert found is not None
    assert (found.count, found.median, found.bias) == (3, pytest.approx(0.1), pytest.approx(0.0))
    assert found.coverage == pytest.approx(2 / 3)
    assert score([]) is None


def test_an_interval_is_taken_from_other_devices() -> None:
    far = [made_up(RUN, 1.0, 3.0, id=f"x{n}") for n in range(20)]
    near = [made_up(RUN, 1.0, 1.05, id=f"y{n}", device="apple-m4") for n in range(20)]
    inside = covered({"model": [*far, *near]}, "model")
    # the far ones are judged by the near device, and the other way round
    assert not any(inside[n] for n in range(20))
    assert all(inside[n] for n in range(20, 40))


def test_intervals_need_enough_runs() -> None:
    few = [made_up(RUN, 1.0, 1.1, id=f"x{n}") for n in range(9)]
    assert intervals({"model": few}) == {}
    ((_, found),) = intervals({"model": [*few, made_up(RUN, 1.0, 1.1, id="x9")]}).items()
    assert (found.factor, found.count) == (pytest.approx(1.1), 10)


def test_pairs_are_of_different_models_of_alike_size() -> None:
    one, two = made_up(RUN, 1.0, 1.0, model="lfm2-1.2b"), made_up(RUN, 1.5, 0.9, id="b", model="llama-3.2-1b")
    large, tie = made_up(RUN, 2.0, 2.0, id="c", model="qwen3-8b"), made_up(RUN, 1.01, 1.0, id="d", model="llama-3.2-1b")
    assert hard_pairs([one, two, large]) == [(one, two)]
    assert hard_pairs([one, tie]) == []
    assert order([(one, two)]) == order(hard_pairs([one, two]))
    assert order([(one, two)]).share == 0.0


def test_a_pair_depends_on_the_context() -> None:
    series = [
        made_up(RUN, 1.0, 1.0, id="a", model="lfm2-1.2b", depth=1024),
        made_up(RUN, 2.0, 2.0, id="b", model="lfm2-1.2b", depth=4096),
        made_up(RUN, 1.0, 1.0, id="c", model="llama-3.2-1b", depth=1024),
        made_up(RUN, 3.0, 2.5, id="d", model="llama-3.2-1b", depth=4096),
    ]
    found = context_pairs(series)
    assert (found.pairs, found.right) == (1, 1)


def test_ways_are_compared_on_the_runs_they_share() -> None:
    one, two = made_up(RUN, 1.0, 1.0), made_up(RUN, 1.0, 2.0, id="b")
    assert common([one, two], [two]) == [[two], [two]]


def test_two_models_are_told_apart_without_having_seen_either() -> None:
    found = order(p for p in unseen_pairs({PHONE: GROUPS[PHONE]}, shipped()) if p[0].phase == "decode")
    assert found.pairs >= 2
    assert found.right == found.pairs


def test_nothing_is_known_of_no_runs() -> None:
    assert predictions({}, Calibrations("", (), (), {})) == {"model": [], "device": [], "vendor": [], "data_sheet": []}


def test_every_row_of_the_collection_is_used_or_has_its_reason() -> None:
    whole = sum(int(row["count"]) for row in unused() if row["what"] == "row")
    assert whole + sum(run.id.startswith("m") for run in runs()) == 1258
