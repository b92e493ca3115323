"""The tree of an expression: small frozen nodes that know where in the text they stand."""

from dataclasses import dataclass

from lfm_arch.spec.text_error import TextError


class ExpressionError(TextError):
    """An expression is written wrongly or cannot be computed."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, null, true or false."""

    value: int | float | str | bool | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[3, 5, 7]`."""

    items: tuple["Node", ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Access:
    """One step into a value: `.name` has a `name`, `[index]` an `index`."""

    name: str
    index: "Node | None"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reference:
    """`name`, then steps into it."""

    name: str
    steps: tuple[Access, ...]
    start: int
    end: int

    @property
    def name_end(self) -> int:
        return self.start + len(self.name)

    @property
    def path(self) -> tuple[str | int, ...]:
        """The steps that are known without evaluating: `a.b[0][i]` -> `("a", "b", 0)`."""
        parts: list[str | int] = [self.name]
        for step in self.steps:
            if step.index is None:
                parts.append(step.name)
                continue
            value = step.index.value if isinstance(step.index, Literal) else None
            if isinstance(value, bool) or not isinstance(value, int | str):
                break
            parts.append(value)
        return tuple(parts)


@dataclass(frozen=True, slots=True)
class Call:
    """`ceil_to(x, 256)`."""

    name: str
    args: tuple["Node", ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    word: str
    operand: "Node"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Link:
    """An operator and what stands right of it."""

    word: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Chain:
    """`first op operand op operand ...`, all of one level, computed from the left."""

    first: "Node"
    links: tuple[Link, ...]
    start: int
    end: int


Node = Literal | ListOf | Reference | Call | Unary | Chain
