"""Which layers stand for a deep stack: shares, order and spread are kept."""

from collections import Counter

import pytest

from lfm_arch.quality.depth import spread


def kept(layout: str, wanted: int) -> str:
    kinds = [(letter,) for letter in layout]
    return "".join(layout[number] for number in spread(range(len(layout)), kinds, wanted))


@pytest.mark.parametrize(
    ("layout", "wanted", "expected"),
    [
        ("ccAccAccAcAcAcAc", 8, "ccAcAcAc"),
        ("cAcAcAcAcAcAcAcA", 8, "cAcAcAcA"),
        ("cccccccccccccccc", 8, "cccccccc"),
        ("ccAcccAcccAcccAcccAccAcc", 12, "ccAcccAcccAc"),
        ("cccccccAcccccccc", 4, "cAcc"),
        ("AcSmAcSm", 4, "AcSm"),
        ("cA", 1, "cA"),
        ("c", 1, "c"),
    ],
)
def test_the_pattern_stays(layout: str, wanted: int, expected: str) -> None:
    assert kept(layout, wanted) == expected


@pytest.mark.parametrize("wanted", range(3, 20))
def test_shares_are_within_one_layer(wanted: int) -> None:
    layout = "ccAcScAcScAcScAcScAcScAc"
    found = Counter(kept(layout, wanted))
    for letter, count in Counter(layout).items():
        assert abs(found[letter] - count * wanted / len(layout)) <= 1
    assert sum(found.values()) == max(wanted, 3)


def test_a_minority_within_a_class_may_vanish_but_no_class_does() -> None:
    kinds = [("A", number == 3) for number in range(8)] + [("c", False)] * 30
    chosen = spread(range(38), kinds, 4)
    assert {kinds[number][0] for number in chosen} == {"A", "c"}
    assert len(chosen) == 4


def test_layers_are_spread_over_the_whole_depth() -> None:
    chosen = spread(range(40), [("c",)] * 40, 4)
    assert chosen == [5, 15, 25, 35]
