"""What a plain YAML scalar means: YAML 1.2's core schema, plus underscores between digits (`1_170_340_608`).

`1e-5` is a number, `on`, `no` and `12:30:45` are text, `0o17` is 15 and `017` is 17.
"""

import re
from dataclasses import dataclass

Value = str | int | float | bool | None

MAX_DIGITS = 80
_WORDS: dict[str, Value] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INT = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMERIC = frozenset("0123456789+-.")


@dataclass(frozen=True, slots=True)
class BadNumber:
    """Text that reads as a number which no spec can mean."""

    message: str


def resolve(text: str) -> Value | BadNumber:
    """Return what an unquoted scalar stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _INT.fullmatch(text):
        return int(text.replace("_", "")) if len(text) <= MAX_DIGITS else BadNumber(f"a number of {len(text)} digits")
    if _BASED.fullmatch(text):
        return int(text, 0) if len(text) <= MAX_DIGITS else BadNumber(f"a number of {len(text)} digits")
    if _FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        return value if abs(value) != float("inf") else BadNumber(f"`{text[:40]}` is too large for a number")
    if _NOT_FINITE.fullmatch(text):
        return BadNumber(f"`{text}` is no finite number")
    return text


def leading_zero(text: str) -> bool:
    """Whether YAML 1.1 readers would take this decimal number for an octal one, as `017`."""
    digits = text.lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits.isdigit()
