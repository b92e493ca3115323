import itertools

import pytest

from lfm_arch.report.chart import Column, Point, columns, scatter, steps, ticks


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (9.5, 30.2), (-3, 4), (1e-4, 1.3e-4), (5, 5), (0, 0), (1e9, 3e9)], ids=str
)
def test_ticks_cover_the_range_in_equal_round_steps(low: float, high: float) -> None:
    made = ticks(low, high)
    assert made[0] <= low
    assert made[-1] >= high
    assert 2 <= len(made) <= 9
    gaps = {round((b - a) / (made[1] - made[0]), 6) for a, b in itertools.pairwise(made)}
    assert gaps == {1.0}


def test_marks_stand_where_their_values_are() -> None:
    svg = scatter(
        [Point(0, 0, "a", "front"), Point(10, 1, "b", "dominated")], x_title="x", y_title="y", name="two points"
    )
    # axes run 0..10 and 0..1, so the points are opposite corners of the frame
    assert 'cx="64.0" cy="378.0"' in svg
    assert 'cx="702.0" cy="16.0"' in svg


def test_the_front_is_a_staircase_that_never_rises_to_the_right() -> None:
    front = [Point(1, 3, "a", "front"), Point(2, 2, "b", "front"), Point(4, 1, "c", "front")]
    svg = scatter(front, x_title="x", y_title="y", name="front")
    line = svg.split('class="front-line" points="')[1].split('"')[0]
    heights = [float(pair.split(",")[1]) for pair in line.split()]
    assert heights == sorted(heights), "svg's y grows downwards"


def test_columns_are_as_high_as_their_sums() -> None:
    svg = columns(
        [Column("0", (("weights", 1.0), ("cache", 1.0))), Column("1", (("weights", 2.0),))],
        y_title="t",
        y_format=str,
        name="bars",
    )
    heights = [float(part.split('"')[0]) for part in svg.split(' height="')[1:]]
    assert heights[0] + heights[1] == pytest.approx(heights[2], abs=0.02)


def test_one_value_is_a_chart_too() -> None:
    assert "polyline" in steps([0.5], x_title="n", y_title="v", name="one")


def test_an_axis_where_more_is_better_runs_backwards() -> None:
    points = [Point(10, 1, "fast", "front"), Point(0, 0, "slow", "front")]
    svg = scatter(points, x_title="speed", y_title="loss", name="two", maximize=(True, False))
    fast, slow = (float(part.split('"')[0]) for part in svg.split('cx="')[1:])
    assert fast < slow


def test_units_change_values_and_intervals_alike() -> None:
    scaled = Point(0.002, 2, "a", "front", x_interval=(0.001, 0.004)).scaled(1e3, 1)
    assert (scaled.x, scaled.y, scaled.x_interval, scaled.y_interval) == (2.0, 2, (1.0, 4.0), None)
