"""What `lfm-arch explain` shows as wrong is wrong in that way, and what it shows as right is right."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lfm_arch.core.units import Bytes, BytesPerS
from lfm_arch.spec.expression import ExpressionError, evaluate, parse, parse_scalar
from lfm_arch.spec.language_codes import LANGUAGE_CODES
from lfm_arch.spec.place import PlaceRule
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.selector import select
from lfm_arch.spec.stack import expand, read_stack
from lfm_arch.spec.text_error import TextError
from lfm_arch.spec.tree import Source, plain

CODES = {each.code: each for each in LANGUAGE_CODES}
NAMES = {"hidden_size": 2048, "num_heads": 32, "base": 1, "params": 10, "vars": {"width": 8, "widths": [1536, 2048]}}
FIELDS: dict[str, Any] = {"bandwidth": BytesPerS, "size": Bytes}


def value_of(text: str) -> tuple[str, Any]:
    problems = Problems()
    root = read(Source("test.yaml", text), problems, Budget())
    assert root is not None, (text, problems.errors)
    content = plain(root)
    assert isinstance(content, dict)
    return next(iter(content.items()))


def try_expression(text: str) -> None:
    text = text.partition("  #")[0]
    if text.startswith("check:"):
        evaluate(parse(text.partition(":")[2].strip()), NAMES)
        return
    found = re.search(r'\$\{.*\}|"\d.*\}"', text)
    assert found is not None, text
    quoted = found[0].strip('"')
    evaluate(parse_scalar(quoted if "dims:" not in text else quoted.partition("}")[0] + "}"), NAMES)


def try_quantity(text: str) -> None:
    key, value = value_of(text)
    try:
        TypeAdapter(FIELDS[key]).validate_python(value)
    except ValidationError as error:
        raise TextError(error.errors()[0]["ctx"]["code"], "refused") from error  # pyright: ignore[reportTypedDictNotRequiredAccess]


def try_stack(text: str) -> None:
    expand(read_stack(value_of(text)[1]), known=("conv", "attn"))


def try_selector(text: str) -> None:
    layers = 16 if "16" in text or "14.." in text else 20
    select(next(iter(value_of(text)[1])), ["conv", "attn"] * (layers // 2))


def try_place(text: str) -> None:
    PlaceRule.of(value_of(text)[1]["$place"])


FAMILIES: list[tuple[range, Callable[[str], None]]] = [
    (range(301, 313), try_expression),
    (range(315, 318), try_quantity),
    (range(320, 325), try_stack),
    (range(330, 334), try_selector),
    (range(340, 342), try_place),
]


def family(code: str) -> Callable[[str], None] | None:
    return next((attempt for numbers, attempt in FAMILIES if int(code[1:]) in numbers), None)


@pytest.mark.parametrize("code", [code for code in CODES if family(code)])
def test_the_wrong_is_wrong_and_the_right_is_right(code: str) -> None:
    attempt = family(code)
    assert attempt is not None
    with pytest.raises(TextError) as raised:
        attempt(CODES[code].wrong)
    assert raised.value.code == code
    try:
        attempt(CODES[code].right)
    except ExpressionError as error:
        # a name that only a whole file has
        assert error.code == "E305"  # noqa: PT017


def test_all_are_explained() -> None:
    for each in LANGUAGE_CODES:
        assert each.title
        assert each.title[0].islower() or each.title[0] == "$"
        assert each.explanation.endswith(".")
        assert each.wrong
        assert each.right
        assert each.wrong != each.right
