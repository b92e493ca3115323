"""Tokens of the expression language."""

import re
from dataclasses import dataclass

from lfm_arch.core.units import UNITS, parse_quantity
from lfm_arch.spec.syntax import ExpressionError

KEYWORDS = {"or", "and", "not", "in", "is"}
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<number>\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<text>'[^'\n]*'|"[^"\n]*")
  | (?P<op>\*\*|//|==|!=|<=|>=|&&|\|\||[-+*/%<>()\[\],.!=^])
    """,
    re.VERBOSE,
)
_UNIT = re.compile(
    "[ ]?(" + "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True)) + r")(?![A-Za-z0-9_(\[.])"
)
_UNDERSCORED = re.compile(r"\d+(_\d+)*(\.\d+(_\d+)*)?([eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is number, name, text, op or end."""

    kind: str
    text: str
    start: int
    end: int
    value: int | float | str | None = None


def tokens(text: str, start: int, end: int) -> list[Token]:
    """Cut `text[start:end]` into tokens; offsets are those of `text`."""
    found: list[Token] = []
    at = start
    while at < end:
        match = _TOKEN.match(text, at, end)
        if match is None:
            raise _stray(text, at)
        stop = match.end()
        kind = str(match.lastgroup)
        if kind == "number":
            token = _number(text, at, stop, end)
            found.append(token)
            stop = token.end
        elif kind == "text":
            found.append(Token("text", match[0], at, stop, match[0][1:-1]))
        elif kind != "space":
            found.append(Token(kind, match[0], at, stop))
        at = stop
    found.append(Token("end", "the end", end, end))
    return found


def _stray(text: str, at: int) -> ExpressionError:
    char = text[at]
    if char in "$}{":
        return ExpressionError(
            "E312",
            f"`{char}` inside an expression",
            at,
            at + 1,
            because="an expression is the whole value, `${...}`; values are never glued into text",
            help="compute the whole value in one `${...}`",
        )
    if char in "'\"":
        return ExpressionError("E301", "text without its closing quote", at, len(text), help=f"close it with {char}")
    return ExpressionError("E301", f"unexpected character {char!r}", at, at + 1)


def _number(text: str, start: int, stop: int, end: int) -> Token:
    written = text[start:stop]
    if not _UNDERSCORED.fullmatch(written) or re.match(r"0\d", written):
        raise ExpressionError(
            "E311",
            f"`{written}` is not a number",
            start,
            stop,
            because="digits, single underscores between them, no leading zero, an exponent of at most three digits",
        )
    plain = written.replace("_", "")
    if len(plain) > 80:
        raise ExpressionError(
            "E310", f"a number of {len(plain)} digits", start, stop, because="numbers stay below 2**256"
        )
    unit = _UNIT.match(text, stop, end)
    if unit is not None:
        quantity = parse_quantity(f"{plain} {unit[1]}")
        if quantity is not None:
            return Token("number", text[start : unit.end()], start, unit.end(), quantity[0])
    after = re.compile(r"[ ]?([A-Za-z_][A-Za-z0-9_]*)").match(text, stop, end)
    if after is not None and after[1] not in KEYWORDS:
        near = {"K": "`k` (1000) or `Ki` (1024)", "KB": "`kB` (1000 bytes) or `KiB` (1024 bytes)"}.get(after[1])
        raise ExpressionError(
            "E311",
            f"`{after[1]}` is not a unit",
            after.start(1),
            after.end(1),
            because="a number may be followed by a unit or an operator",
            help=f"write {near}" if near else "units: k M G T, Ki Mi Gi Ti, B kB KiB ..., s ms us, FLOP/s, GB/s, W, J",
        )
    value = int(plain) if plain.isdigit() else float(plain)
    if value == float("inf"):
        raise ExpressionError("E310", f"`{written}` is too large", start, stop, because="numbers stay finite")
    return Token("number", written, start, stop, value)
