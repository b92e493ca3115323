"""Selectors: which layers they mean, and that nothing is matched by accident."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfm_arch.spec.selector import SelectorError, parse_selector, select

BLOCKS = ["conv", "conv", "attn", "conv", "conv", "attn", "conv", "attn"]
GROUPS = ["stem"] * 2 + ["trunk"] * 6


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("2", [2]),
        (2, [2]),
        ("-1", [7]),
        (-8, [0]),
        ("0..1", [0, 1]),
        (" 0 .. 1 ", [0, 1]),
        ("6..", [6, 7]),
        ("-2..", [6, 7]),
        ("-3..-2", [5, 6]),
        ("3..-1", [3, 4, 5, 6, 7]),
        ("attn", [2, 5, 7]),
        ("attn[*]", [2, 5, 7]),
        ("attn[-1]", [7]),
        ("attn[0]", [2]),
        ("conv[3..4]", [4, 6]),
        ("conv[3..]", [4, 6]),
        ("conv[-2..]", [4, 6]),
        ("stem", [0, 1]),
        ("trunk[0]", [2]),
        ("odd", [1, 3, 5, 7]),
        ("even", [0, 2, 4, 6]),
        ("all", list(range(8))),
        ("none", []),
        ("attn[0], 0..2, 7", [0, 1, 2, 7]),
        ("odd,attn", [1, 2, 3, 5, 7]),
    ],
    ids=str,
)
def test_means(text: str | int, layers: list[int]) -> None:
    assert list(select(text, BLOCKS, GROUPS)) == layers


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("", "E330", ""),
        ("attn[", "E330", "["),
        ("attn[x]", "E330", "["),
        ("attn]", "E330", "]"),
        ("2,", "E330", ","),
        (",2", "E330", ","),
        ("..2", "E330", "."),
        ("a-b", "E330", "-"),
        ("1.5", "E330", "."),
        ("odd[1]", "E330", "odd[1]"),
        ("none, 2", "E330", "none"),
        ("5..2", "E330", "5..2"),
        ("-1..-4", "E330", "-1..-4"),
        ("99999999", "E330", "99999999"),
        ("attn[123456789]", "E330", "123456789"),
        ("8", "E332", "8"),
        ("-9", "E332", "-9"),
        ("6..8", "E332", "6..8"),
        ("0, attn[3]", "E332", "attn[3]"),
        ("attn[1..3]", "E332", "attn[1..3]"),
        ("8..", "E331", "8.."),
        ("5..-4", "E331", "5..-4"),
        ("atn", "E333", "atn"),
        ("conv, gla", "E333", "gla"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refuses(text: str, code: str, at: str) -> None:
    with pytest.raises(SelectorError) as raised:
        select(text, BLOCKS, GROUPS)
    assert raised.value.code == code
    assert text[raised.value.start : raised.value.end] == at


def test_refuses_a_block_that_no_layer_is_made_of() -> None:
    with pytest.raises(SelectorError) as raised:
        select("gla", BLOCKS, known=("gla", "conv", "attn"))
    assert raised.value.code == "E331"


def test_odd_of_one_layer_matches_nothing() -> None:
    with pytest.raises(SelectorError) as raised:
        select("odd", ["conv"])
    assert raised.value.code == "E331"


def test_refuses_a_very_long_selector() -> None:
    with pytest.raises(SelectorError) as raised:
        parse_selector("1," * 5000)
    assert raised.value.code == "E330"


def test_suggests_the_nearest_name() -> None:
    with pytest.raises(SelectorError) as raised:
        select("atn[0]", BLOCKS)
    assert raised.value.help == "did you mean `attn`?"


def test_tells_which_names_it_speaks_of() -> None:
    assert parse_selector("attn[0], 3, conv, attn, odd").names == ("attn", "conv")


@given(st.sets(st.integers(0, 7), min_size=1))
def test_lists_of_numbers_mean_themselves(numbers: set[int]) -> None:
    assert set(select(", ".join(map(str, numbers)), BLOCKS)) == numbers


@given(st.integers(0, 7), st.integers(0, 7))
def test_ranges_include_both_ends_and_may_count_from_the_end(first: int, last: int) -> None:
    first, last = sorted((first, last))
    expected = tuple(range(first, last + 1))
    assert select(f"{first}..{last}", BLOCKS) == expected
    assert select(f"{first - 8}..{last - 8}", BLOCKS) == expected


@given(st.text(alphabet="0123456789.-,[]* abcodevntra_", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    found: tuple[int, ...] = ()
    refused: SelectorError | None = None
    try:
        found = select(text, BLOCKS, GROUPS)
    except SelectorError as error:
        refused = error
    assert all(0 <= layer < 8 for layer in found)
    if refused is not None:
        assert refused.message
        assert refused.code.startswith("E33")
        assert 0 <= refused.start <= refused.end <= max(1, len(text))
