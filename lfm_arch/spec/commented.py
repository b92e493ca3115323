"""A YAML text as its author laid it out: leaves, branches, comments and blank lines, for the formatter.

The located tree that specs are read from forgets comments and styles; this one forgets what values mean.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from lfm_arch.spec.tree import lines_of

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Position = tuple[int, int]
"""Line and column, from 0."""


@dataclass(slots=True)
class Comment:
    """`text` begins with `#`. `leaf` is the number of the leaf that stands before it, -1 at the start of the file."""

    text: str
    at: Position
    leaf: int
    own_line: bool


@dataclass(slots=True)
class Leaf:
    """A scalar, an alias or empty brackets. `style` is one of: plain, ', ", |, >, *, []."""

    number: int
    value: str
    style: str
    anchor: str
    start: Position
    end: Position
    header: str = ""
    """What stands behind `|` or `>`: indicators."""
    body: tuple[str, ...] = ()
    """The lines of a block scalar without their indentation."""


@dataclass(slots=True)
class Branch:
    """A mapping or a list. In a list, keys are None."""

    is_map: bool
    flow: bool
    anchor: str
    start: Position
    end: Position = (0, 0)
    """Behind the closing bracket; only of flow style."""
    entries: list[tuple[Leaf | None, "Tree"]] = field(default_factory=list)
    last: int = -1
    """Number of the last leaf inside."""


Tree = Leaf | Branch


@dataclass(slots=True)
class Commented:
    """A whole file."""

    root: Tree | None
    leaves: list[Leaf]
    comments: deque[Comment]
    lines: list[str]

    def blank_above(self, line: int) -> bool:
        return line > 0 and not self.lines[line - 1].strip()

    def opens_line(self, at: Position) -> bool:
        """Whether nothing but list dashes stands before it on its line."""
        return not self.lines[at[0]][: at[1]].replace("-", " ").strip()


def read_commented(text: str) -> Commented:
    """Read a text that is known to be YAML of one document without tags."""
    lines = lines_of(text)
    leaves: list[Leaf] = []
    open_branches: list[Branch] = []
    keys: list[Leaf | None] = []
    root: Tree | None = None

    def put(tree: Tree) -> None:
        nonlocal root
        if not open_branches:
            root = tree
            return
        branch = open_branches[-1]
        if not branch.is_map:
            branch.entries.append((None, tree))
        elif keys[-1] is None:
            assert isinstance(tree, Leaf), "a key is a scalar"
            keys[-1] = tree
        else:
            branch.entries.append((keys[-1], tree))
            keys[-1] = None

    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, ScalarEvent | AliasEvent):
            leaf = _leaf(event, len(leaves), lines)
            leaves.append(leaf)
            put(leaf)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            is_map = isinstance(event, MappingStartEvent)
            start = _position(event.start_mark)
            open_branches.append(Branch(is_map, bool(event.flow_style), event.anchor or "", start))
            keys.append(None)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            done = open_branches.pop()
            keys.pop()
            done.end = _position(event.end_mark)
            if done.entries:
                done.last = len(leaves) - 1
                put(done)
                continue
            value = "{}" if done.is_map else "[]"
            leaves.append(Leaf(len(leaves), value, "[]", done.anchor, done.start, done.end))
            put(leaves[-1])
    return Commented(root, leaves, _comments(lines, leaves), lines)


def _position(mark: Any) -> Position:
    return mark.line, mark.column


def _leaf(event: Any, number: int, lines: list[str]) -> Leaf:
    start, end = _position(event.start_mark), _position(event.end_mark)
    if isinstance(event, AliasEvent):
        return Leaf(number, str(event.anchor), "*", "", start, end)
    style = event.style or "plain"
    leaf = Leaf(number, event.value, style, event.anchor or "", start, end)
    if style in "|>":
        _read_block(leaf, lines)
    return leaf


def _read_block(leaf: Leaf, lines: list[str]) -> None:
    """Keep the lines of a block scalar as they are, and say where it really ends."""
    line, column = leaf.start
    head = lines[line][column:]
    found = head.find(leaf.style)
    indicators = re.match(r"[|>]([-+0-9]*)", head[found:])
    chomping = "".join(char for char in (indicators[1] if indicators else "") if char in "+-")
    last = leaf.end[0] if leaf.end[1] or leaf.end[0] >= len(lines) - 1 else leaf.end[0] - 1
    body = lines[line + 1 : last + 1]
    while body and not body[-1].strip():
        body.pop()
    first = next((each for each in body if each.strip()), "")
    spaces = len(first) - len(first.lstrip(" "))
    content = next((each for each in leaf.value.split("\n") if each.strip()), "")
    inner = len(content) - len(content.lstrip(" "))
    indent = spaces - inner
    kept = [each[indent:] if each.strip() or len(each) > indent else "" for each in body]
    if chomping == "+":
        kept += [""] * (len(leaf.value) - len(leaf.value.rstrip("\n")) - bool(body))
    # content that begins with a space says its indentation, two, itself
    leaf.header = f"{leaf.style}{'2' if inner or (kept and not kept[0]) else ''}{chomping}"
    leaf.body = tuple(kept)
    leaf.end = (line, column + found + 1 + len(indicators[1] if indicators else ""))


def _comments(lines: list[str], leaves: list[Leaf]) -> deque[Comment]:
    """Find every `#` that is not inside a scalar."""
    found: deque[Comment] = deque()
    inside: dict[int, list[Leaf]] = {}
    skipped: set[int] = set()
    for leaf in leaves:
        for line in range(leaf.start[0], leaf.end[0] + 1):
            inside.setdefault(line, []).append(leaf)
        if leaf.body or leaf.style in "|>":
            skipped.update(range(leaf.start[0] + 1, leaf.start[0] + 1 + _height(leaf, lines)))
    before = -1
    for number, line in enumerate(lines):
        here = inside.get(number, [])
        at = -1
        if number not in skipped:
            at = _comment_start(line, number, here)
        left = [leaf.number for leaf in here if at < 0 or leaf.start < (number, at)]
        before = max([before, *left])
        if at >= 0:
            found.append(Comment(line[at:].rstrip(), (number, at), before, not line[:at].strip()))
    return found


def _height(leaf: Leaf, lines: list[str]) -> int:
    """Lines of the source that a block scalar's body takes; blank ones behind it do not matter."""
    return sum(1 for _ in leaf.body) if leaf.start[0] + 1 + len(leaf.body) <= len(lines) else len(lines) - leaf.start[0]


def _comment_start(line: str, number: int, leaves: list[Leaf]) -> int:
    spans = [
        (leaf.start[1] if leaf.start[0] == number else 0, leaf.end[1] if leaf.end[0] == number else len(line))
        for leaf in leaves
        if leaf.style != "[]"
    ]
    at = line.find("#")
    while at >= 0:
        if not any(start <= at < end for start, end in spans):
            return at
        at = line.find("#", at + 1)
    return -1
