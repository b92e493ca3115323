"""The coding of `$place`: every code is legal, every legal layout has a code."""

import itertools
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lfm_arch.spec.place import PlaceError, PlaceRule

FILL = "conv"


def gaps(layers: tuple[str, ...], kinds: set[str]) -> list[int]:
    """Count the fill layers between neighbours, by looking."""
    placed = [number for number, name in enumerate(layers) if name in kinds]
    return [b - a - 1 for a, b in itertools.pairwise(placed)]


def legal(rule: PlaceRule, layers: tuple[str, ...]) -> bool:
    """Check a layout against the rule's words, not against its coding."""
    kinds = {name for name, _ in rule.put}
    body = layers[len(rule.head) : len(layers) - len(rule.tail)]
    counts = all(body.count(name) == number for name, number in rule.put)
    inner = gaps(layers, kinds)
    # what is fixed inside head and inside tail is the author's business
    inner = inner[len([x for x in rule.head if x in kinds]) - 1 if any(x in kinds for x in rule.head) else 0 :]
    fixed_tail = len([x for x in rule.tail if x in kinds])
    inner = inner[: len(inner) - max(0, fixed_tail - 1)]
    high = rule.max_gap if rule.max_gap is not None else len(layers)
    return counts and all(rule.min_gap <= gap <= high for gap in inner)


def every_layout(rule: PlaceRule) -> set[tuple[str, ...]]:
    """Try all arrangements of the body."""
    size = rule.length - len(rule.head) - len(rule.tail)
    names = [FILL, *(name for name, _ in rule.put)]
    found = set()
    for body in itertools.product(names, repeat=size):
        layers = (*rule.head, *body, *rule.tail)
        if legal(rule, layers):
            found.add(layers)
    return found


def rules(most: int, kinds: int) -> st.SearchStrategy[PlaceRule]:
    """Make rules that have a layout."""
    blocks = st.sampled_from([FILL, "attn", "gla"][: kinds + 1])
    values = st.fixed_dictionaries(
        {
            "fill": st.just(FILL),
            "length": st.integers(1, most),
            "put": st.fixed_dictionaries({name: st.integers(0, 3) for name in ["attn", "gla"][:kinds]}),
            "min_gap": st.integers(0, 2),
            "max_gap": st.none() | st.integers(0, 4),
            "head": st.lists(blocks, max_size=2),
            "tail": st.lists(blocks, max_size=2),
        }
    )

    def made(value: dict[str, Any]) -> PlaceRule:
        try:
            return PlaceRule.of(value)
        except PlaceError:
            assume(condition=False)
            raise

    return values.map(made)


@given(rules(8, 2))
@settings(max_examples=60, deadline=None)
def test_codes_are_exactly_the_legal_layouts(rule: PlaceRule) -> None:
    expected = every_layout(rule)
    assert rule.layouts == len(expected)
    size = 1
    for high in rule.draws:
        size *= high + 1
    assume(size <= 20_000)
    decoded = {rule.decode(code) for code in itertools.product(*(range(high + 1) for high in rule.draws))}
    assert decoded == expected


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_encode_is_the_inverse_of_decode(data: st.DataObject) -> None:
    rule = data.draw(rules(60, 2))
    code = data.draw(st.tuples(*(st.integers(0, high) for high in rule.draws)))
    layers = rule.decode(code)
    assert legal(rule, layers)
    assert rule.encode(layers) == rule.canonical(code)
    assert rule.decode(rule.canonical(code)) == layers


def test_refuses_only_what_has_no_layout() -> None:
    for length, count, low, high, head, tail in itertools.product(
        range(1, 7), range(3), range(3), [None, 0, 1, 2], [[], ["attn"], ["attn", FILL]], [[], [FILL, "attn"]]
    ):
        value = {
            "fill": FILL, "length": length, "put": {"attn": count}, "min_gap": low, "max_gap": high, "head": head,
            "tail": tail,
        }  # fmt: skip
        if high is not None and high < low:
            continue
        bare = PlaceRule(FILL, length, (("attn", count),), low, high, tuple(head), tuple(tail))
        exists = length >= len(head) + len(tail) and bool(every_layout(bare))
        refused = nullcontext() if exists else pytest.raises(PlaceError, match=r"do not fit|without a layout")
        with refused:
            PlaceRule.of(value)


def test_counts_layouts_by_the_formula() -> None:
    rule = PlaceRule.of(
        {"fill": FILL, "length": 16, "put": {"attn": 6}, "min_gap": 1, "head": [FILL, FILL], "tail": [FILL]}
    )
    assert rule.layouts == 28  # C(16 - 2 - 1 - 5, 6)
    assert rule.decode((0,) * 6) == ("conv", "conv", *("attn", "conv") * 5, "attn", "conv", "conv", "conv")


def test_counts_astronomic_numbers_at_once() -> None:
    rule = PlaceRule.of({"fill": FILL, "length": 1024, "put": {"attn": 300, "gla": 200}, "max_gap": 9})
    assert rule.layouts > 10**200


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"length": 3}, "E340", "length"),
    ({"max_gap": 1, "length": 20, "head": ["attn"], "tail": ["attn"]}, "E340", "max_gap"),
    ({"max_gap": 0, "min_gap": 1}, "E341", "max_gap"),
    ({"min_gap": -1}, "E341", "min_gap"),
    ({"length": 0}, "E341", "length"),
    ({"length": 2000}, "E341", "length"),
    ({"length": True}, "E341", "length"),
    ({"length": "16"}, "E341", "length"),
    ({"put": {"conv": 2}}, "E341", "put.conv"),
    ({"put": {"attn": 1.5}}, "E341", "put.attn"),
    ({"put": {}}, "E341", "put"),
    ({"put": ["attn"]}, "E341", "put"),
    ({"fill": "a b"}, "E341", "fill"),
    ({"head": "conv"}, "E341", "head"),
    ({"tail": ["conv", 3]}, "E341", "tail[1]"),
    ({"gap": 1}, "E341", "gap"),
]


@pytest.mark.parametrize(("change", "code", "field"), WRONG, ids=str)
def test_refuses(change: dict[str, Any], code: str, field: str) -> None:
    good = {"fill": FILL, "length": 16, "put": {"attn": 6}, "min_gap": 1}
    with pytest.raises(PlaceError) as raised:
        PlaceRule.of({**good, **change})
    assert (raised.value.code, raised.value.field) == (code, field)


def test_says_which_key_is_missing() -> None:
    with pytest.raises(PlaceError, match="without `put`") as raised:
        PlaceRule.of({"fill": FILL, "length": 16})
    assert raised.value.code == "E341"


@pytest.mark.parametrize("code", [(0,), (0, 99), (0, -1), (0, True)], ids=str)
def test_refuses_a_foreign_code(code: tuple[int, ...]) -> None:
    rule = PlaceRule.of({"fill": FILL, "length": 6, "put": {"attn": 2}})
    with pytest.raises(PlaceError) as raised:
        rule.decode(code)
    assert raised.value.code == "E342"


@pytest.mark.parametrize(
    "layers",
    [("conv",) * 6, ("attn", "attn", "conv", "conv", "conv", "conv"), ("attn", "conv", "attn")],
    ids="-".join,
)
def test_refuses_a_foreign_layout(layers: tuple[str, ...]) -> None:
    rule = PlaceRule.of({"fill": FILL, "length": 6, "put": {"attn": 2}, "min_gap": 1})
    with pytest.raises(PlaceError) as raised:
        rule.encode(layers)
    assert raised.value.code == "E342"
