"""Fronts and volumes, against definitions and sampling."""

import random

import pytest

from lfm_arch.search.pareto import dominates, front, hypervolume


def points(count: int, size: int, seed: int) -> list[tuple[float, ...]]:
    draw = random.Random(seed)
    return [tuple(draw.randrange(8) / 8 for _ in range(size)) for _ in range(count)]


@pytest.mark.parametrize("size", [1, 2, 3], ids="{} objectives".format)
@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_nothing_dominates(size: int, seed: int) -> None:
    cloud = points(40, size, seed)
    chosen = {cloud[place] for place in front(cloud)}
    assert chosen == {point for point in cloud if not any(dominates(other, point) for other in cloud)}
    assert len(front(cloud)) == len(chosen), "equal points are named once"


def test_a_front_is_ordered_by_its_first_objective() -> None:
    cloud = [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0), (2.0, 2.5)]
    assert front(cloud) == [1, 2, 0]


@pytest.mark.parametrize("size", [1, 2, 3, 4], ids="{} objectives".format)
def test_volume_is_the_share_of_dominated_samples(size: int) -> None:
    cloud = points(12, size, seed=size)
    draw = random.Random(0)
    samples = [tuple(draw.random() for _ in range(size)) for _ in range(20_000)]
    dominated = sum(any(all(a <= b for a, b in zip(point, each, strict=True)) for point in cloud) for each in samples)
    assert hypervolume(cloud, (1.0,) * size) == pytest.approx(dominated / len(samples), abs=0.015)


def test_volume_by_hand() -> None:
    assert hypervolume([(1.0, 3.0), (2.0, 1.0)], (4.0, 4.0)) == 3 * 1 + 2 * 2
    assert hypervolume([(5.0, 0.0)], (4.0, 4.0)) == 0.0
    assert hypervolume([], (4.0, 4.0)) == 0.0
