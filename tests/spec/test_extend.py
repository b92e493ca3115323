"""Inheritance: what merges, what replaces, and where values say they come from."""

from typing import Any

import pytest

from lfm_arch.spec.extend import merge
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.tree import Map, Source, plain


def parse(text: str, name: str = "base.yaml") -> Map:
    problems = Problems()
    root = read(Source(name, text), problems, Budget())
    assert root is not None
    assert not problems.errors
    return root


def merged(base: str, child: str) -> tuple[Any, Problems]:
    problems = Problems()
    return plain(merge(parse(base), parse(child, "child.yaml"), problems)), problems


@pytest.mark.parametrize(
    ("base", "child", "result"),
    [
        ("a: {b: 1, c: 2}", "a: {c: 3, d: 4}", {"a": {"b": 1, "c": 3, "d": 4}}),
        ("a: [1, 2]", "a: [3]", {"a": [3]}),
        ("a: {type: x, k: 1}", "a: {type: y, l: 2}", {"a": {"type": "y", "l": 2}}),
        ("a: {type: x, k: 1}", "a: {type: x, l: 2}", {"a": {"type": "x", "k": 1, "l": 2}}),
        ("a: {type: x, k: 1}", "a: {l: 2}", {"a": {"type": "x", "k": 1, "l": 2}}),
        ("a: {b: 1}", "a: null", {"a": None}),
        ("a: {b: {c: 1}}", "a: {b: {$choice: [1, 2]}}", {"a": {"b": {"$choice": [1, 2]}}}),
        ("a: {$choice: [1, 2]}", "a: {b: 1}", {"a": {"b": 1}}),
        ("a: {type: {$choice: [x, y]}, k: 1}", "a: {type: x}", {"a": {"type": "x"}}),
        ("a: [1, 2]", "a: {$append: [3]}", {"a": [1, 2, 3]}),
        ("a: [1, 2]", "a: {$prepend: [0]}", {"a": [0, 1, 2]}),
        ("a: [1, 2, 1]", "a: {$remove: [1], $append: [5]}", {"a": [2, 5]}),
        ("a: [{n: x, s: 1}, {n: y}]", "a: {$remove: [{n: x}]}", {"a": [{"n": "y"}]}),
    ],
)
def test_merges(base: str, child: str, result: Any) -> None:
    value, problems = merged(base, child)
    assert value == result
    assert not problems.errors


@pytest.mark.parametrize(
    ("base", "child", "code"),
    [
        ("b: 1", "a: {$append: [3]}", "E121"),
        ("a: {b: 1}", "a: {$append: [3]}", "E121"),
        ("a: [1]", "a: {$append: 3}", "E121"),
        ("a: [1]", "a: {$append: [3], other: 1}", "E121"),
        ("a: [1]", "a: {$remove: [7]}", "E122"),
    ],
)
def test_refuses_edits_of_nothing(base: str, child: str, code: str) -> None:
    assert [each.code for each in merged(base, child)[1].errors] == [code]


def test_leaves_keep_their_places_and_what_they_replaced() -> None:
    base, child = parse("a: {b: 1, c: 2}"), parse("a: {c: 3}", "child.yaml")
    both = merge(base, child, Problems())
    assert isinstance(both, Map)
    inner = both.entries["a"]
    assert isinstance(inner, Map)
    assert str(inner.entries["b"].mark) == "base.yaml:1:8"
    assert str(inner.entries["c"].mark) == "child.yaml:1:8"
    assert inner.entries["c"].notes() == ("replaces the value at base.yaml:1:14",)


def test_neither_side_is_changed() -> None:
    base, child = parse("a: {b: [1], c: 2}"), parse("a: {b: {$append: [2]}, c: 3}", "child.yaml")
    merge(base, child, Problems())
    assert plain(base) == {"a": {"b": [1], "c": 2}}
    assert plain(child) == {"a": {"b": {"$append": [2]}, "c": 3}}
