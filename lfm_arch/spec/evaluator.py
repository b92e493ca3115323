"""Computing an expression over names; the rules are told in `expression`."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from lfm_arch.spec.syntax import Access, Call, Chain, ExpressionError, Link, ListOf, Literal, Node, Reference, Unary
from lfm_arch.spec.text_error import did_you_mean

MAX_BITS = 256
MAX_ELEMENTS = 1_000_000


def _kind(value: object) -> str:
    """Name a value's type in the words of the file."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value[:40]!r}"
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow,
}  # fmt: skip
FUNCTIONS: dict[str, tuple[str, str]] = {
    "div": ("div(a, b)", "a / b as a whole number; a remainder is an error"),
    "ceil_to": ("ceil_to(x, multiple)", "the next multiple at or above x"),
    "floor_to": ("floor_to(x, multiple)", "the next multiple at or below x"),
    "round_to": ("round_to(x, multiple)", "the nearest multiple; halves go up"),
    "min": ("min(a, b, ...) or min(list)", "the smallest"),
    "max": ("max(a, b, ...) or max(list)", "the largest"),
    "sum": ("sum(a, b, ...) or sum(list)", "all added up"),
    "count": ("count(list) or count(list, value)", "how many elements, or how many that equal the value"),
    "abs": ("abs(x)", "without its sign"),
    "log2": ("log2(x)", "the logarithm to base 2, a fraction"),
}
"""Name -> how it is written, and what it gives."""
_MANY = 1000
_ARITY = {
    "div": (2, 2), "ceil_to": (2, 2), "floor_to": (2, 2), "round_to": (2, 2), "min": (1, _MANY), "max": (1, _MANY),
    "sum": (1, _MANY), "count": (1, 2), "abs": (1, 1), "log2": (1, 1),
}  # fmt: skip


class Evaluator:
    """Walks one tree; counts the elements that functions look at."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self.elements = 0

    def value(self, node: Node) -> Any:
        match node:
            case Literal(value=value):
                return self.bounded(value, node)
            case Reference():
                return self.lookup(node)
            case Unary(word="not", operand=operand):
                return not self.truth(operand)
            case Unary(operand=operand):
                return self.bounded(-self.number(operand), node)
            case Chain():
                return self.chain(node)
            case ListOf(items=items):
                return [self.value(item) for item in items]
            case Call():
                return self.call(node)

    def chain(self, node: Chain) -> Any:
        first = node.links[0].word
        if first in ("and", "or"):
            # `any`/`all` stop early, and so does this: what is not needed is not asked for
            operands = (self.truth(each) for each in (node.first, *(link.operand for link in node.links)))
            return any(operands) if first == "or" else all(operands)
        if first in _ARITHMETIC:
            value = self.number(node.first)
            for link in node.links:
                value = self.arithmetic(value, link, node)
            return value
        return self.compare(node.first, node.links[0])

    def arithmetic(self, left: int | float, link: Link, node: Chain) -> int | float:
        right = self.number(link.operand)
        word, where = link.word, link.operand
        if word in ("//", "%") and not (isinstance(left, int) and isinstance(right, int)):
            raise ExpressionError(
                "E307",
                f"`{word}` of {left} and {right}",
                node.start,
                where.end,
                because=f"`{word}` is for whole numbers",
                help="`/` divides fractions; floor_to(x, 1) makes a whole number of one",
            )
        if word in ("/", "//", "%") and right == 0:
            raise ExpressionError("E309", f"{left} {word} 0", where.start, where.end, because="nothing divides by zero")
        if word == "**":
            self.check_power(left, right, node, where)
        try:
            result = _ARITHMETIC[word](left, right)
        except (OverflowError, ZeroDivisionError) as error:
            raise self.too_large(node.start, where.end) from error
        if isinstance(result, complex):
            raise ExpressionError("E307", f"{left} ** {right} is no real number", node.start, where.end)
        return self.bounded(result, node)

    def check_power(self, left: int | float, right: int | float, node: Node, where: Node) -> None:
        if left == 0 and right < 0:
            raise ExpressionError("E309", f"0 ** {right}", node.start, where.end, because="nothing divides by zero")
        # before computing: 9 ** 9 ** 9 has 370 million digits
        whole = isinstance(left, int) and isinstance(right, int)
        if whole and abs(left) > 1 and int(left).bit_length() * right > 2 * MAX_BITS:
            raise self.too_large(node.start, where.end)

    def compare(self, first: Node, link: Link) -> bool:
        word, second = link.word, link.operand
        if word in ("is", "is not"):
            if not isinstance(second, Literal) or not (second.value is None or isinstance(second.value, bool)):
                raise ExpressionError(
                    "E307",
                    f"`{word}` something other than null, true or false",
                    second.start,
                    second.end,
                    help="write `==` or `!=`",
                )
            return (self.value(first) is second.value) == (word == "is")
        left, right = self.value(first), self.value(second)
        if word in ("in", "not in"):
            return self.member(left, right, first, second) == (word == "in")
        if word in ("==", "!="):
            return self.equal(left, right, first, second) == (word == "==")
        for value, node in ((left, first), (right, second)):
            if not _is_number(value):
                raise self.wrong_type("a number", value, node)
        return _COMPARE[word](left, right)

    def equal(self, left: Any, right: Any, first: Node, second: Node) -> bool:
        for value, node in ((left, first), (right, second)):
            if isinstance(value, Mapping) or _is_list(value):
                raise self.wrong_type("a number, text, true, false or null", value, node)
        return _same(left, right)

    def member(self, left: Any, right: Any, first: Node, second: Node) -> bool:
        if isinstance(left, Mapping) or _is_list(left):
            raise self.wrong_type("a number, text, true, false or null", left, first)
        if not isinstance(right, Mapping) and not _is_list(right):
            raise self.wrong_type("a list or a mapping", right, second)
        self.walk(right, second)
        return any(_same(left, each) for each in right)

    def truth(self, node: Node) -> bool:
        value = self.value(node)
        if not isinstance(value, bool):
            raise self.wrong_type("true or false", value, node)
        return value

    def number(self, node: Node) -> Any:
        value = self.value(node)
        if not _is_number(value):
            raise self.wrong_type("a number", value, node)
        return value

    def lookup(self, node: Reference) -> Any:
        try:
            value = self.names[node.name]
        except KeyError:
            raise ExpressionError(
                "E305",
                f"unknown name `{node.name}`",
                node.start,
                node.name_end,
                help=did_you_mean(node.name, self.names),
            ) from None
        reached = node.name
        for step in node.steps:
            value = self.step(value, step, reached)
            reached += f".{step.name}" if step.index is None else "[...]"
        return self.bounded(value, node)

    def step(self, value: Any, step: Access, reached: str) -> Any:
        key = step.name if step.index is None else self.value(step.index)
        if isinstance(key, str) and isinstance(value, Mapping):
            try:
                return value[key]
            except KeyError:
                raise ExpressionError(
                    "E306",
                    f"`{reached}` has no `{key[:60]}`",
                    step.start,
                    step.end,
                    help=did_you_mean(key, value),
                ) from None
        if type(key) is int and _is_list(value):
            if not -len(value) <= key < len(value):
                raise ExpressionError(
                    "E306",
                    f"`{reached}` has {len(value)} elements, none is number {key}",
                    step.start,
                    step.end,
                    because="the first is number 0",
                )
            return value[key]
        wanted = "a name goes into a mapping, a whole number into a list"
        raise ExpressionError("E306", f"`{reached}` is {_kind(value)}", step.start, step.end, because=wanted)

    def call(self, node: Call) -> Any:
        if node.name not in FUNCTIONS:
            raise ExpressionError(
                "E303",
                f"unknown function `{node.name}`",
                node.start,
                node.start + len(node.name),
                because="the functions are " + ", ".join(FUNCTIONS),
                help=did_you_mean(node.name, FUNCTIONS),
            )
        fewest, most = _ARITY[node.name]
        if not fewest <= len(node.args) <= most:
            raise ExpressionError(
                "E304",
                f"`{node.name}` with {len(node.args)} argument{'' if len(node.args) == 1 else 's'}",
                node.start,
                node.end,
                help=f"write {FUNCTIONS[node.name][0]}: {FUNCTIONS[node.name][1]}",
            )
        return self.bounded(getattr(self, f"_{node.name}")(node), node)

    def _div(self, node: Call) -> int:
        left, right = (self.whole(arg) for arg in node.args)
        if right == 0:
            raise ExpressionError("E309", f"div({left}, 0)", node.args[1].start, node.args[1].end)
        if left % right:
            raise ExpressionError(
                "E308",
                f"{right} does not divide {left}: the remainder is {left % right}",
                node.start,
                node.end,
                because="div is exact",
                help="change one of them, or say what you want: `//` floors, ceil_to and floor_to round",
            )
        return left // right

    def to_multiple(self, node: Call, toward: Callable[[Fraction], int]) -> int:
        value, multiple = self.number(node.args[0]), self.whole(node.args[1])
        if multiple < 1:
            raise ExpressionError(
                "E307", f"a multiple of {multiple}", node.args[1].start, node.args[1].end, because="it is 1 or more"
            )
        return toward(Fraction(value) / multiple) * multiple

    def _ceil_to(self, node: Call) -> int:
        return self.to_multiple(node, math.ceil)

    def _floor_to(self, node: Call) -> int:
        return self.to_multiple(node, math.floor)

    def _round_to(self, node: Call) -> int:
        return self.to_multiple(node, lambda parts: math.floor(parts + Fraction(1, 2)))

    def numbers(self, node: Call) -> list[Any]:
        """Return the arguments, or the elements of the one argument that is a list."""
        first = node.args[0]
        value = self.value(first)
        if len(node.args) > 1 or not _is_list(value):
            return [self.number(arg) for arg in node.args]
        self.walk(value, first)
        for number, each in enumerate(value):
            if not _is_number(each):
                raise self.wrong_type(f"a number as element {number}", each, first)
        return list(value)

    def _min(self, node: Call) -> Any:
        return min(self.not_empty(node))

    def _max(self, node: Call) -> Any:
        return max(self.not_empty(node))

    def _sum(self, node: Call) -> Any:
        return sum(self.numbers(node))

    def not_empty(self, node: Call) -> list[Any]:
        values = self.numbers(node)
        if not values:
            raise ExpressionError("E307", f"`{node.name}` of an empty list", node.start, node.end)
        return values

    def _count(self, node: Call) -> int:
        where = node.args[0]
        elements = self.value(where)
        if not isinstance(elements, Mapping) and not _is_list(elements):
            raise self.wrong_type("a list or a mapping", elements, where)
        if len(node.args) == 1:
            return len(elements)
        self.walk(elements, where)
        wanted = self.value(node.args[1])
        return sum(_same(wanted, each) for each in elements)

    def _abs(self, node: Call) -> Any:
        return abs(self.number(node.args[0]))

    def _log2(self, node: Call) -> float:
        value = self.number(node.args[0])
        if value <= 0:
            raise ExpressionError("E307", f"log2({value})", node.start, node.end, because="only of numbers above 0")
        return math.log2(value)

    def whole(self, node: Node) -> int:
        value = self.number(node)
        if not isinstance(value, int):
            raise ExpressionError(
                "E307",
                f"{value} is not a whole number",
                node.start,
                node.end,
                help="`/` gives a fraction; div(a, b) and `//` give whole numbers",
            )
        return value

    def walk(self, elements: Any, node: Node) -> None:
        self.elements += len(elements)
        if self.elements > MAX_ELEMENTS:
            raise ExpressionError(
                "E310",
                f"more than {MAX_ELEMENTS:,} elements to look at",
                node.start,
                node.end,
                because="it takes too long",
            )

    def bounded(self, value: Any, node: Node) -> Any:
        if isinstance(value, int):
            if value.bit_length() > MAX_BITS:
                raise self.too_large(node.start, node.end)
        elif isinstance(value, float) and not math.isfinite(value):
            raise self.too_large(node.start, node.end)
        return value

    @staticmethod
    def too_large(start: int, end: int) -> ExpressionError:
        return ExpressionError(
            "E310",
            "the result is too large",
            start,
            end,
            because=f"whole numbers stay below 2**{MAX_BITS}, others finite",
        )

    @staticmethod
    def wrong_type(wanted: str, value: Any, node: Node) -> ExpressionError:
        return ExpressionError("E307", f"{_kind(value)}, where {wanted} should stand", node.start, node.end)


def _same(left: Any, right: Any) -> bool:
    """Whether two plain values are equal; true is not 1, and nothing equals a mapping or a list."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(right, Mapping) or _is_list(right):
        return False
    return left == right
