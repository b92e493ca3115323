"""Stack strings: what they mean, what is refused, and folding back."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfm_arch.spec.stack import (
    MAX_LAYERS,
    Block,
    Item,
    Repeat,
    StackError,
    depth,
    expand,
    fold_stack,
    parse_stack,
    read_stack,
    write_stack,
    written_blocks,
)

LETTERS = {"c": "conv", "A": "attn", "g": "gla"}


def layers(text: str) -> tuple[str, ...]:
    return tuple(LETTERS[letter] for letter in text)


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("conv", "c"),
        ("conv attn", "cA"),
        ("3*conv", "ccc"),
        ("3*(2*conv attn) 3*(conv attn) conv", "ccAccAccAcAcAcAc"),
        ("2 * ( conv\n attn )", "cAcA"),
        ("(conv (attn))", "cA"),
        ("2*(2*(conv) attn)", "ccAccA"),
        ("1*attn", "A"),
    ],
)
def test_means(text: str, layout: str) -> None:
    items = parse_stack(text)
    assert expand(items) == layers(layout)
    assert depth(items) == len(layout)


@pytest.mark.parametrize(
    ("value", "layout"),
    [
        (["conv", {"repeat": 2, "of": ["conv", "attn"]}], "ccAcA"),
        ([{"repeat": 2, "of": "2*conv attn"}, "3*gla"], "ccAccAggg"),
        ([{"repeat": 0, "of": "attn"}, "conv"], "c"),
        ("2*conv", "cc"),
    ],
    ids=str,
)
def test_list_form_means(value: object, layout: str) -> None:
    assert expand(read_stack(value)) == layers(layout)


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("", "E320", ""),
        ("   ", "E320", "   "),
        ("()", "E320", ")"),
        ("conv )", "E320", ")"),
        ("(conv", "E320", "("),
        ("conv, attn", "E320", ","),
        ("2 conv", "E320", "2"),
        ("conv*2", "E320", "*"),
        ("2*", "E320", "2*"),
        ("2*3*conv", "E320", "2*"),
        ("*conv", "E320", "*"),
        ("x-y", "E320", "-"),
        ("0*conv", "E322", "0"),
        ("02*conv", "E322", "02"),
        ("100001*conv", "E322", "100001"),
        (f"{10**30}*conv", "E322", str(10**30)),
        ("(" * 30 + "conv" + ")" * 30, "E323", "("),
        ("conv " * 5000, "E323", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refuses(text: str, code: str, at: str | None) -> None:
    with pytest.raises(StackError) as raised:
        parse_stack(text)
    assert raised.value.code == code
    if at is not None:
        assert text[raised.value.start : raised.value.end] == at


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        ([], "E320", ""),
        (3, "E324", ""),
        (None, "E324", ""),
        (["conv", 3], "E324", "[1]"),
        ([{"repeat": 2}], "E324", "[0]"),
        ([{"repeat": 2, "of": "conv", "off": 1}], "E324", "[0].off"),
        ([{"repeat": -1, "of": "conv"}], "E322", "[0].repeat"),
        ([{"repeat": True, "of": "conv"}], "E322", "[0].repeat"),
        ([{"repeat": 10**9, "of": "conv"}], "E322", "[0].repeat"),
        ([{"repeat": 2, "of": ["conv", "at tn)"]}], "E320", "[0].of[1]"),
        ([{"repeat": 2, "of": {}}], "E324", "[0].of"),
    ],
    ids=str,
)
def test_refuses_list_forms(value: object, code: str, field: str) -> None:
    with pytest.raises(StackError) as raised:
        read_stack(value)
    assert (raised.value.code, raised.value.field) == (code, field)


def test_refuses_endless_lists() -> None:
    value: Any = ["conv"]
    for _ in range(100):
        value = [{"repeat": 2, "of": value}]
    with pytest.raises(StackError) as raised:
        read_stack(value)
    assert raised.value.code == "E323"


def test_refuses_a_billion_layers_without_making_them() -> None:
    started = time.perf_counter()
    for text in ("99999*99999*conv", "1000*(1000*(1000*conv))", "100000*(" * 15 + "conv" + ")" * 15):
        with pytest.raises(StackError) as raised:
            expand(parse_stack(text))
        assert raised.value.code in ("E322", "E320")
    assert len(expand(parse_stack(f"{MAX_LAYERS}*conv"))) == MAX_LAYERS
    assert time.perf_counter() - started < 1


def test_names_what_is_not_there() -> None:
    text = "2*(conv atn)"
    with pytest.raises(StackError) as raised:
        expand(parse_stack(text), known=("conv", "attn"))
    assert raised.value.code == "E321"
    assert text[raised.value.start : raised.value.end] == "atn"
    assert raised.value.help == "did you mean `attn`?"


def test_knows_where_blocks_are_written() -> None:
    text = "2*(conv attn) conv"
    written = list(written_blocks(parse_stack(text)))
    assert [text[block.start : block.end] for block in written] == [block.name for block in written]
    assert len(written) == 3


ITEMS: st.SearchStrategy[Item] = st.recursive(
    st.builds(Block, st.sampled_from(list(LETTERS.values()))),
    lambda inner: st.builds(Repeat, st.integers(1, 4), st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=8,
)


@given(st.lists(ITEMS, min_size=1, max_size=4))
def test_writing_and_parsing_are_inverse(items: list[Item]) -> None:
    assert expand(parse_stack(write_stack(items))) == expand(items)


@given(st.lists(st.sampled_from(list(LETTERS.values())), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_folding_keeps_the_layers(names: list[str]) -> None:
    assert expand(parse_stack(fold_stack(names))) == tuple(names)


@given(st.lists(ITEMS, min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_fold_is_no_longer_than_how_a_person_wrote_it(items: list[Item]) -> None:
    names = expand(items)
    if len(names) <= 60:
        assert words(fold_stack(names)) <= words(write_stack(items))


def words(text: str) -> int:
    """Count names, counts and pairs of brackets."""
    return len(text.replace("*", " ").replace("(", " ( ").replace(")", " ").split())


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("ccAccAccAcAcAcAc", "3*(2*conv attn) 3*(conv attn) conv"),
        ("cccc", "4*conv"),
        ("cAcAcAcA", "4*(conv attn)"),
        ("cccA" * 30 + "c", "30*(3*conv attn) conv"),
        ("cgA" * 500 + "A", "500*(conv gla attn) attn"),
        ("ccAcccAccc", "2*conv 2*(attn 3*conv)"),
        ("", ""),
    ],
    ids=lambda value: str(value)[:20],
)
def test_folds(layout: str, text: str) -> None:
    assert fold_stack(layers(layout)) == text


def test_folds_long_stacks_in_bounded_time() -> None:
    names = [("conv", "attn", "gla")[(number * number + number // 7) % 3] for number in range(2000)]
    started = time.perf_counter()
    assert expand(parse_stack(fold_stack(names))) == tuple(names)
    assert time.perf_counter() - started < 10
