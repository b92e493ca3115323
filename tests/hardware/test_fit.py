"""Bounded least squares on relative error, and conformal quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfm_arch.hardware.fit import conformal, fit_relative

INF = [np.inf, np.inf]


@given(
    st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=4, max_size=8),
    st.floats(1e-3, 1e3),
    st.floats(1e-3, 1e3),
)
def test_recovers_what_made_the_times(rows: list[tuple[float, float]], a: float, b: float) -> None:
    columns = np.array(rows)
    if np.linalg.cond(columns) > 50:
        return
    times = columns @ [a, b]
    assert fit_relative(columns, times, lower=[0, 0], upper=INF) == pytest.approx([a, b], rel=1e-3)


def test_equals_weighted_least_squares_when_no_bound_binds() -> None:
    rng = np.random.default_rng(0)
    columns = rng.uniform(1, 2, (12, 3))
    times = columns @ [1.0, 2.0, 3.0] * rng.uniform(0.95, 1.05, 12)
    expected = np.linalg.lstsq(columns / times[:, None], np.ones(12), rcond=None)[0]
    assert expected.min() > 0
    found = fit_relative(columns, times, lower=[0] * 3, upper=[np.inf] * 3)
    assert found == pytest.approx(expected, rel=1e-4)


def test_keeps_its_bounds() -> None:
    columns = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = fit_relative(columns, np.array([5.0, 5.0]), lower=[0, 7], upper=[2, 9])
    assert found == pytest.approx([2, 7])


def test_never_negative_where_least_squares_would_be() -> None:
    columns = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    found = fit_relative(columns, np.array([3.0, 2.0, 1.0]), lower=[0, 0], upper=INF)
    assert found.min() >= 0


def test_known_time_is_taken_off() -> None:
    columns = np.array([[1.0], [2.0]])
    found = fit_relative(columns, np.array([3.0, 5.0]), known=np.array([1.0, 1.0]), lower=[0], upper=[np.inf])
    assert found == pytest.approx([2.0])


def test_errors_are_relative() -> None:
    # one measurement a thousand times longer must not drown the other
    columns = np.array([[1.0], [1000.0]])
    found = fit_relative(columns, np.array([1.0, 2000.0]), lower=[0], upper=[np.inf])
    assert found[0] == pytest.approx(1.2)


@pytest.mark.parametrize(("count", "rank"), [(9, 9), (19, 18), (99, 90), (3, 3)])
def test_conformal_takes_the_rank_that_covers(count: int, rank: int) -> None:
    assert conformal([(-1) ** k * k for k in range(1, count + 1)]) == rank
