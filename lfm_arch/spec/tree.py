"""The located tree: every value of a file with the place where it was written and the places it replaced."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lfm_arch.core.errors import Place
from lfm_arch.spec.scalar import Value

MAX_EXCERPT = 500
# what YAML counts as the end of a line
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def lines_of(text: str) -> list[str]:
    """Cut a text where YAML does; one more than there are breaks."""
    return _BREAK.split(text)


@dataclass(slots=True, eq=False)
class Source:
    """One file, or one edit on the command line."""

    name: str
    text: str
    via: "Mark | None" = None
    """The `extends` entry that brought it in."""
    shown: str | None = None
    """What messages quote, when it is not the text: the whole of a `--set`."""
    _lines: list[str] = field(default_factory=list)

    def line(self, number: int) -> str:
        """Return a line, counted from 0."""
        if not self._lines:
            self._lines = lines_of(self.text if self.shown is None else self.shown)
        return self._lines[number] if number < len(self._lines) else ""


class Mark(NamedTuple):
    """A span on one line of a source; line and columns count from 0."""

    source: Source
    line: int
    column: int
    end: int

    def place(self) -> Place:
        line = self.source.line(self.line)
        excerpt = line if len(line) <= MAX_EXCERPT else ""
        return Place(self.source.name, self.line + 1, self.column + 1, max(self.end, self.column + 1) + 1, excerpt)

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line + 1}:{self.column + 1}"


Level = int
"""0: always the same. 1: settled once for each candidate. 2: settled for each layer or use."""
UNSETTLED: Any = object()


class Node:
    """A value of the tree. Nodes are not changed once a file is loaded: merging makes new ones."""

    __slots__ = ("deletes", "key", "level", "made", "mark", "path", "plan", "replaced", "settled")

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.key: Mark | None = None
        """Where the key stands that leads here, once it is compiled."""
        self.path = ""
        """Dotted path in the whole document, once it is compiled."""
        self.plan: Any = None
        """A `Hole` or `Expression`, when the value is yet to be settled."""
        self.level: Level | None = None
        """What the value depends on; None until it is asked for."""
        self.settled: Any = UNSETTLED
        """The value, where it depends on no decision and was asked for."""
        self.made: dict[Any, Any] | None = None
        """The parts that were made of it, where it depends on no decision."""
        self.replaced: tuple[Mark, ...] = ()
        """Where the values stood that this one took the place of, the nearest first."""
        self.deletes = False
        """Whether it is a null that takes away something inherited."""

    @property
    def where(self) -> Mark:
        """Where to point for the value as a whole: at its key, when it is long."""
        return self.mark if self.key is None or isinstance(self, Scalar) else self.key

    def notes(self) -> tuple[str, ...]:
        """Tell where the value came from, when it was not simply written in the file that is read."""
        notes: list[str] = []
        via = self.mark.source.via
        if via is not None:
            chain: list[str] = []
            while via is not None and len(chain) < 4:
                chain.append(str(via))
                via = via.source.via
            notes.append(f"inherited through `extends` at {', '.join(chain)}")
        if self.replaced:
            notes.append(f"replaces the value at {', '.join(map(str, self.replaced[:4]))}")
        return tuple(notes)


class Scalar(Node):
    """A number, text, truth value or null."""

    __slots__ = ("plain", "text", "value")

    def __init__(self, mark: Mark, value: Value, text: str, *, plain: bool = True) -> None:
        super().__init__(mark)
        self.value = value
        self.text = text
        self.plain = plain
        """Written without quotes."""


class Map(Node):
    """Keys in the order they were written. `keys` says where each key stands."""

    __slots__ = ("entries", "flow", "keys")

    def __init__(self, mark: Mark, *, flow: bool = False) -> None:
        super().__init__(mark)
        self.entries: dict[str, Node] = {}
        self.keys: dict[str, Mark] = {}
        self.flow = flow

    def get(self, key: str) -> Node | None:
        return self.entries.get(key)


class List(Node):
    """Values in order."""

    __slots__ = ("flow", "items")

    def __init__(self, mark: Mark, *, flow: bool = False) -> None:
        super().__init__(mark)
        self.items: list[Node] = []
        self.flow = flow


def plain(node: Node) -> object:
    """Return the Python value of a closed tree: dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Map):
        return {key: plain(child) for key, child in node.entries.items()}
    assert isinstance(node, List)
    return [plain(child) for child in node.items]


def copied(node: Node) -> Node:
    """Return a deep copy, so that an alias is a copy and never the same thing twice."""
    if isinstance(node, Scalar):
        twin: Node = Scalar(node.mark, node.value, node.text, plain=node.plain)
    elif isinstance(node, Map):
        twin = Map(node.mark, flow=node.flow)
        twin.entries = {key: copied(child) for key, child in node.entries.items()}
        twin.keys = dict(node.keys)
    else:
        assert isinstance(node, List)
        twin = List(node.mark, flow=node.flow)
        twin.items = [copied(child) for child in node.items]
    twin.replaced, twin.deletes = node.replaced, node.deletes
    return twin


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node below and including this one with its path, in the order of the file."""
    yield path, node
    if isinstance(node, Map):
        for key, child in node.entries.items():
            yield from walk(child, join(path, key))
    elif isinstance(node, List):
        for number, child in enumerate(node.items):
            yield from walk(child, f"{path}[{number}]")


def join(path: str, key: str) -> str:
    """Return the path of a key below a path."""
    return f"{path}.{key}" if path else key


def made(template: Node, value: object) -> Node:
    """Return a tree that holds `value` and stands where `template` stands."""
    if isinstance(value, dict):
        node = Map(template.mark, flow=True)
        for key, child in value.items():
            node.entries[str(key)] = made(template, child)
            node.keys[str(key)] = template.mark
    elif isinstance(value, list | tuple):
        node = List(template.mark, flow=True)
        node.items = [made(template, child) for child in value]
    else:
        assert value is None or isinstance(value, str | int | float | bool), f"no scalar: {value!r}"
        node = Scalar(template.mark, value, str(value))
    node.replaced = template.replaced
    return node
