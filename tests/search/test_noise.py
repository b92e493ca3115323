"""How much two measurements differ by chance."""

import random
from statistics import stdev

import pytest

from lfm_arch.search.noise import Noise, measured_noise, noise_of
from lfm_arch.search.record import Record


def test_one_architecture_gives_its_own_spread() -> None:
    values = [2.5, 2.7, 2.6]
    found = noise_of([values])
    assert found is not None
    assert found.spread == pytest.approx(stdev(values))
    assert found.freedom == 2


def test_architectures_are_pooled_around_their_own_means() -> None:
    found = noise_of([[1.0, 1.2], [9.0, 9.2], [5.0]])
    assert found is not None
    assert found.spread == pytest.approx(stdev([1.0, 1.2]))
    assert found.freedom == 2


@pytest.mark.parametrize("values", [[], [[2.5]], [[2.5], [2.6]]], ids=["nothing", "one", "one each"])
def test_single_trainings_tell_no_spread(values: list[list[float]]) -> None:
    assert noise_of(values) is None


@pytest.mark.parametrize("seeds", [2, 3, 6], ids="{} seeds".format)
def test_equal_architectures_are_told_apart_one_time_in_ten(seeds: int) -> None:
    draw = random.Random(0)
    wrong = trials = 0
    for _ in range(4_000):
        found = noise_of([[draw.gauss(0, 1) for _ in range(seeds)]])
        assert found is not None
        trials += 1
        wrong += abs(draw.gauss(0, 1) - draw.gauss(0, 1)) > found.floor(1)
    assert wrong / trials == pytest.approx(0.1, abs=0.02)


def test_many_degrees_of_freedom_are_nearly_normal() -> None:
    assert Noise(1.0, 10_000).t == pytest.approx(1.645)


def test_a_reused_measurement_is_not_counted_again() -> None:
    quality = {"bits_per_byte": [2.5, 2.6]}
    own = Record(number=0, name="a", outcome="complete", quality=quality)
    again = Record(number=1, name="b", outcome="complete", quality={**quality, "reused_from": 0})
    found = measured_noise([own, again], "bits_per_byte")
    assert found is not None
    assert found.freedom == 1
