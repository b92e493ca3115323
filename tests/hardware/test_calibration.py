"""Calibrations: what ships is what the fit gives, and intervals say how well."""

import json
from dataclasses import replace

import pytest

from lfm_arch.hardware import calibrate, regress
from lfm_arch.hardware.calibration import TIERS, Calibration, Calibrations, Phase, decode, encode, shipped, worse
from lfm_arch.hardware.pool import repooled, without
from lfm_arch.hardware.reference import Run, runs
from lfm_arch.hardware.replay import errors_of

PHONE = ("snapdragon-8-elite", "cpu", "llama.cpp-cpu")


def rows_of(key: tuple[str, str, str]) -> list[Run]:
    return [run for run in runs() if run.key == key]


def test_what_is_written_can_be_read() -> None:
    assert decode(json.loads(json.dumps(encode(shipped())))) == shipped()


def test_tiers_are_ordered() -> None:
    assert worse("calibrated", "class", "family") == "class"
    assert worse("measured") == "measured"


def test_an_interval_is_never_narrower_than_that_of_a_better_tier() -> None:
    phases: tuple[Phase, ...] = ("prefill", "decode")
    for phase in phases:
        factors = [shipped().interval(tier, phase).factor for tier in TIERS]
        assert factors == sorted(factors)
        assert factors[-1] > 1


def test_intervals_stand_on_enough_runs() -> None:
    assert all(each.count >= 30 for each in shipped().intervals.values())


@pytest.mark.parametrize("each", shipped().calibrations, ids=lambda each: f"{each.device}-{each.runtime}")
def test_rates_are_positive_and_inside_their_ends(each: Calibration) -> None:
    assert each.rates
    assert each.rows
    for name, fit in each.rates.items():
        assert fit.value >= 0, name
        if fit.low is not None and fit.high is not None:
            assert fit.low <= fit.high, name


def test_fitting_again_gives_what_ships() -> None:
    others = repooled(without(shipped(), [PHONE]))
    again = calibrate.fit_key(PHONE, rows_of(PHONE), others)
    assert again is not None
    # relatives have moved since the last round, so rates that trade against each other move a little too
    now = errors_of(PHONE, rows_of(PHONE), calibrate.with_own(others, again))
    for phase, then in errors_of(PHONE, rows_of(PHONE), shipped()).items():
        assert now[phase] == pytest.approx(then, abs=0.05)


@pytest.mark.slow
def test_fitting_everything_again_changes_nothing() -> None:
    again = encode(calibrate.calibrate(runs())) | {"fitted": ""}
    assert again == encode(shipped()) | {"fitted": ""}


class TestWhatRunsCannotTell:
    def test_one_model_in_one_format_is_known_like_a_relative(self) -> None:
        rows = [run for run in rows_of(PHONE) if run.model == "llama-3.2-1b"]
        own = calibrate.fit_key(PHONE, rows, shipped())
        assert own is not None
        assert own.tier == "family"

    def test_one_run_moves_the_rates_of_the_relatives_to_its_speed(self) -> None:
        key = ("apple-m3-max-30c", "gpu", "llama.cpp-metal")
        others = repooled(without(shipped(), [key]))
        run = replace(rows_of(key)[0], prompt=None, prefill_tokens_per_s=None)
        slow = replace(run, decode_tokens_per_s=(run.decode_tokens_per_s or 0.0) * 0.8)
        for each in (run, slow):
            own = calibrate.fit_key(key, [each], others)
            assert own is not None
            (residual,) = errors_of(key, [each], calibrate.with_own(others, own))["decode"]
            (before,) = errors_of(key, [each], others)["decode"]
            assert abs(residual) < 0.5 * abs(before) or abs(residual) < 0.02

    def test_two_formats_tell_reading_from_overhead(self) -> None:
        key = ("apple-m4", "gpu", "llama.cpp-metal")
        rows = [run for run in rows_of(key) if run.model == "llama-2-7b"]
        assert {"weights", "part"} <= set(regress.fit_rates(key, rows, shipped()))

    def test_one_depth_does_not_tell_the_cost_of_the_cache(self) -> None:
        rows = [run for run in rows_of(PHONE) if run.depth == 1024]
        found = regress.fit_rates(PHONE, rows, shipped())
        assert "weights" in found
        assert not {"kv", "decode_attention"} & set(found)

    def test_one_prompt_length_and_few_models_do_not_tell_attention(self) -> None:
        key = ("apple-m4", "gpu", "llama.cpp-metal")
        assert "attention" not in regress.fit_rates(key, rows_of(key), shipped())

    def test_no_runs_give_nothing(self) -> None:
        assert regress.fit_rates(PHONE, [], shipped()) == {}


def test_a_fit_recovers_the_rates_that_made_the_runs() -> None:
    """Runs as a device would give them whose rates we chose: the fit must find these."""
    truth = shipped().find(*PHONE)
    assert truth is not None
    made = []
    for run in rows_of(PHONE):
        errors = errors_of(PHONE, [run], shipped())
        decode_rate, prefill_rate = run.decode_tokens_per_s, run.prefill_tokens_per_s
        assert decode_rate is not None
        assert prefill_rate is not None
        # exp(error) is measured over predicted time, so this is the predicted rate
        factor = {phase: 2.718281828459045 ** each[0] for phase, each in errors.items() if each}
        made.append(
            replace(
                run,
                decode_tokens_per_s=decode_rate * factor["decode"],
                prefill_tokens_per_s=prefill_rate * factor["prefill"],
            )
        )
    found = regress.fit_rates(PHONE, made, shipped())
    for name in ("weights", "part", "decode_attention", "matmul_quantized", "attention"):
        assert found[name] == pytest.approx(truth.rates[name].value, rel=0.02), name


def test_runs_that_contradict_one_another_are_no_calibration() -> None:
    rows = rows_of(PHONE)
    wrong = [
        replace(run, decode_tokens_per_s=(run.decode_tokens_per_s or 1) * (5 if number % 2 else 1))
        for number, run in enumerate(rows)
    ]
    assert calibrate.fit_key(PHONE, wrong, shipped()) is None


def test_without_calibrations_there_is_still_an_interval() -> None:
    assert Calibrations("", (), (), {}).interval("class", "decode").factor >= 2
