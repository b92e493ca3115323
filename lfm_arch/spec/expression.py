"""Expressions: exact arithmetic over the names of a file, `${ceil_to(hidden_size * 8 / 3, 256)}`.

    is_expression(text)          whether a scalar is one
    parse_scalar("${a * 2}")     -> Expression; offsets count from the `$`
    parse("a * 2 <= 1.3 G")      -> Expression, as constraints write it
    expression.references        what it reads, for the order of evaluation
    evaluate(expression, names)  -> the typed value

The rules, all of them visible in the file that uses them:

- Whole numbers are exact and stay whole under `+ - * // % **` and `div`. `/` always gives a fraction (a float), so that
  a field for whole numbers refuses it at once and not only for the candidates where a remainder is left.
  `div(a, b)` is exact: a remainder is an error. `//` floors.
- `ceil_to`, `floor_to`, `round_to` move a number to a multiple of a whole number; halves go up.
- true and false are no numbers, text is compared and nothing else, `and`/`or`/`not` want true or false.
- A number may carry a unit: `12 KiB` is 12288.
- Nothing takes unbounded time or memory: length, nesting, the size of whole numbers and the elements that functions
  walk over are bounded. There is no way to call anything but the functions below.

`names` is any mapping. It is only asked for the names that are read (`true or x` does not ask for x), so a lazy
mapping may evaluate on demand; a missing name is a `KeyError`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lfm_arch.spec.evaluator import FUNCTIONS, Evaluator
from lfm_arch.spec.grammar import MAX_LENGTH, Parser
from lfm_arch.spec.syntax import Call, Chain, ExpressionError, ListOf, Literal, Node, Reference, Unary

__all__ = [
    "FUNCTIONS",
    "Expression",
    "ExpressionError",
    "Reference",
    "evaluate",
    "is_expression",
    "parse",
    "parse_scalar",
]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. Equal text, equal expression."""

    text: str
    """All of the scalar, `${` and `}` included when it was written so."""
    root: Node

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every name that it may read, in the order written, with the steps into it and its place in the text."""
        return tuple(_references(self.root))

    @property
    def names(self) -> tuple[str, ...]:
        """First names of its references, each once."""
        return tuple(dict.fromkeys(reference.name for reference in self.references))


def is_expression(text: str) -> bool:
    """Whether a scalar is meant as an expression: it starts with `${`."""
    return text.lstrip().startswith("${")


def parse(text: str) -> Expression:
    """Parse a bare expression, as `num_heads % num_kv_heads == 0`.

    Raises:
        ExpressionError: E301 syntax, E302 too long or too deep, E310 and E311 numbers, E312 `$` or braces inside.
    """
    _check_length(text)
    return Expression(text, Parser(text, 0, len(text)).whole())


def parse_scalar(text: str) -> Expression:
    """Parse `${...}`, the whole scalar. Offsets count from the start of `text`.

    Raises:
        ExpressionError: as `parse`; E312 when something stands around the braces.
    """
    _check_length(text)
    stripped = text.rstrip()
    start = len(text) - len(text.lstrip())
    if not stripped.startswith("${", start) or not stripped.endswith("}"):
        closing = stripped.find("}")
        at = closing + 1 if 0 <= closing < len(stripped) - 1 else max(0, len(stripped) - 1)
        raise ExpressionError(
            "E312",
            "text around an expression" if closing >= 0 else "an expression without its closing `}`",
            at,
            len(stripped),
            because="an expression is the whole value, `${...}`, and keeps its type",
            help="write one `${...}` and nothing else" if closing >= 0 else "end it with }",
        )
    return Expression(text, Parser(text, start + 2, len(stripped) - 1).whole())


def evaluate(expression: Expression, names: Mapping[str, Any]) -> Any:
    """Compute the value. Names are looked up in `names`; steps `.key` and `[index]` go into mappings and lists.

    Raises:
        ExpressionError: E303 to E310, at the characters that are wrong.
    """
    return Evaluator(names).value(expression.root)


def _check_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            "E302",
            f"an expression of {len(text):,} characters",
            0,
            MAX_LENGTH,
            because=f"at most {MAX_LENGTH:,}",
            help="name parts of it under `dims`",
        )


def _references(node: Node) -> Iterator[Reference]:
    match node:
        case Reference(steps=steps):
            yield node
            for step in steps:
                if step.index is not None:
                    yield from _references(step.index)
        case Call(args=nodes) | ListOf(items=nodes):
            for each in nodes:
                yield from _references(each)
        case Unary(operand=operand):
            yield from _references(operand)
        case Chain(first=first, links=links):
            yield from _references(first)
            for link in links:
                yield from _references(link.operand)
        case Literal():
            pass
