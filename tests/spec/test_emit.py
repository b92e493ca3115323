"""Plain values as YAML text."""

import random
from typing import Any

import pytest

from lfm_arch.spec.emit import emit
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.tree import Source, plain

TEXTS = [
    "plain words", "", " ", "3", "true", "null", "~", "1e5", "0x10", "a: b", "a #b", "- x", "'q'", '"q"', "{x}", "[x]",
    "*x", "&x", "!x", "%x", "@x", "`x", "x\ny", "é", "\u2028", "\x85", "017", "5 s", "12 KiB", "none",
    "3*(2*conv attn)",
]  # fmt: skip
SCALARS: list[Any] = [*TEXTS, 0, 1, -5, 10**9, 1.0, 1e-5, 1.5e300, True, False, None]


def back(value: Any) -> Any:
    problems = Problems()
    root = read(Source("x", emit(value)), problems, Budget())
    assert root is not None, (emit(value), problems.errors)
    assert not problems.errors
    return plain(root)


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_scalars(value: Any) -> None:
    for shape in ({"k": value}, {"k": {"l": value}}, {"k": [value]}, {"k": [{"l": value}]}):
        found = back(shape)
        assert found == shape
        assert repr(found) == repr(shape)


def test_trees() -> None:
    rng = random.Random(0)

    def tree(depth: int) -> Any:
        kind = rng.randrange(3) if depth < 4 else 2
        if kind == 0:
            return {rng.choice(TEXTS[:-1]) or "k": tree(depth + 1) for _ in range(rng.randrange(5))}
        if kind == 1:
            return [tree(depth + 1) for _ in range(rng.randrange(5))]
        return rng.choice(SCALARS)

    for _ in range(300):
        value = {f"k{number}": tree(0) for number in range(rng.randrange(1, 5))}
        assert back(value) == value
