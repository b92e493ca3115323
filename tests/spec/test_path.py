"""Dotted paths into trees whose keys hold dots and brackets."""

import pytest

from lfm_arch.spec.path import find
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.tree import Map, Source, plain

TEXT = """\
a: {b: 1, b.c: 2}
overrides: {'attn[-1]': {mixer.k: 3, mixer: {l: 4}}, '0..1': {x: 5}}
list: [10, {k: 11}, [12]]
hole: {$choice: [null, {k: 13}]}
switch: {$switch: {on: a, cases: {x: {k: 14}}}}
"""


@pytest.fixture
def root() -> Map:
    tree = read(Source("x", TEXT), Problems(), Budget())
    assert tree is not None
    return tree


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", 1), ("a.b.c", 2), ("overrides.attn[-1].mixer.k", 3), ("overrides.attn[-1].mixer.l", 4),
        ("overrides.0..1.x", 5), ("list[0]", 10), ("list[1].k", 11), ("list[2][0]", 12), ("hole.k", 13),
        ("switch.k", 14),
    ],
)  # fmt: skip
def test_finds(path: str, value: object, root: Map) -> None:
    found = find(root, path)
    assert found.rest == ""
    assert plain(found.node) == value


@pytest.mark.parametrize(
    ("path", "rest"), [("a.x", "x"), ("list[9]", "[9]"), ("list.x", "x"), ("a.b.x", "x"), ("nothing", "nothing")]
)
def test_says_what_is_not_there(path: str, rest: str, root: Map) -> None:
    assert find(root, path).rest == rest
