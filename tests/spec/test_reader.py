"""Located trees out of text, and every limit on the way."""

import time

import pytest
import yaml

from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.tree import List, Map, Scalar, Source, plain, walk


def tree(text: str) -> tuple[Map | None, Problems]:
    problems = Problems()
    return read(Source("file.yaml", text), problems, Budget()), problems


def good(text: str) -> Map:
    root, problems = tree(text)
    assert root is not None
    assert not problems.errors
    return root


def test_knows_where_values_and_keys_stand() -> None:
    root = good("a:\n  b: 3\n  c: [x, 'y z']\n")
    inner = root.entries["a"]
    assert isinstance(inner, Map)
    assert str(inner.keys["c"]) == "file.yaml:3:3"
    items = inner.entries["c"]
    assert isinstance(items, List)
    place = items.items[1].mark.place()
    assert (place.line, place.column, place.end_column) == (3, 10, 15)
    assert place.excerpt == "  c: [x, 'y z']"


def test_quoted_text_stays_text() -> None:
    assert plain(good("a: '3'\nb: \"true\"\nc: 3\n")) == {"a": "3", "b": "true", "c": 3}


def test_keys_are_what_is_written() -> None:
    assert plain(good("2: a\nnull: b\n0..1: c\n")) == {"2": "a", "null": "b", "0..1": "c"}


def test_aliases_are_copies() -> None:
    root = good("a: &x {k: [1, 2]}\nb: *x\n")
    assert plain(root) == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}}
    assert root.entries["a"] is not root.entries["b"]
    # a mistake in the copy is shown where it was written
    assert root.entries["b"].mark == root.entries["a"].mark


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028", "\x85"], ids=repr)
def test_counts_lines_as_the_parser_does(newline: str) -> None:
    root = good(f"a: 1{newline}b: 2{newline}")
    place = root.entries["b"].mark.place()
    assert (place.line, place.excerpt) == (2, "b: 2")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: [1,\n", 1, 7), ("a: b: c", 1, 5), ("a:\n  b: 1\n c: 2", 3, 2), ("a: \x00", 1, 4), ("a: {b: ${c}}", 1, 9)],
)
def test_points_at_broken_syntax(text: str, line: int, column: int) -> None:
    root, problems = tree(text)
    assert root is None
    [each] = problems.errors
    assert each.code == "E104"
    assert each.place is not None
    assert (each.place.line, each.place.column) == (line, column)


def test_helps_with_expressions_in_flow_style() -> None:
    [each] = tree("a: {b: ${c}}")[1].errors
    assert '"${name}"' in each.help


BOMB = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "[" * 10_000, "E109"),
        ("\n".join(" " * depth + "a:" for depth in range(2000)), "E109"),
        (BOMB, "E110"),
        ("a: [" + "1," * 200_000 + "1]", "E110"),
        ("a: &a [*a]", "E111"),
        ("a: &a {b: &b [*a]}", "E111"),
    ],
    ids=["flow", "block", "bomb", "long", "itself", "itself deeper"],
)
def test_limits_hold_in_bounded_time(text: str, code: str) -> None:
    started = time.process_time()
    _, problems = tree(text)
    assert [each.code for each in problems.errors] == [code]
    assert time.process_time() - started < 5


def test_depth_counts_what_aliases_bring() -> None:
    deep = "x: &x " + "[" * 40 + "]" * 40 + "\n"
    _, problems = tree(deep + "y: " + "[" * 30 + "*x" + "]" * 30)
    assert [each.code for each in problems.errors] == ["E109"]


def test_goes_on_after_mistakes_of_form() -> None:
    root, problems = tree("a: !!int 3\na: 4\nb: .inf\n<<: {c: 1}\n")
    assert root is not None
    assert [each.code for each in problems.errors] == ["E108", "E105", "E114", "E106"]


def test_a_long_line_has_no_excerpt() -> None:
    root = good(f"a: '{'x' * 600}'\n")
    assert root.entries["a"].mark.place().excerpt == ""
    assert isinstance(root.entries["a"], Scalar)


def test_the_parser_in_python_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "k: &k [1, {x: 'y'}]\na: {b: *k, c: 1e5, d: \"q\"}\ne:\n- f\n"
    fast = good(text)
    monkeypatch.setattr("lfm_arch.spec.reader._Loader", yaml.SafeLoader)
    slow = good(text)
    assert plain(slow) == plain(fast)
    assert [(path, str(each.mark)) for path, each in walk(slow)] == [
        (path, str(each.mark)) for path, each in walk(fast)
    ]
    for broken, code in (("a: b: c", "E104"), ("a: " + "[" * 2000, "E109"), ("a: \x00", "E104"), ("a: *b", "E111")):
        assert [each.code for each in tree(broken)[1].errors] == [code]
