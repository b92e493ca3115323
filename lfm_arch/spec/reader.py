"""YAML text to a located tree, in one pass over the parser's events, with every limit checked on the way.

Aliases become copies; tags, merge keys, duplicate keys and several documents in one file are refused.
"""

from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from lfm_arch.spec.problem import Problems
from lfm_arch.spec.scalar import BadNumber, leading_zero, resolve
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import List, Map, Mark, Node, Scalar, Source, copied

MAX_NODES = 100_000
MAX_DEPTH = 64
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Budget:
    """Nodes that all files of one document may still add."""

    def __init__(self, nodes: int = MAX_NODES) -> None:
        self.left = nodes

    def take(self, nodes: int = 1) -> bool:
        self.left -= nodes
        return self.left >= 0


class _StopError(Exception):
    """Reading cannot go on; the problem is already noted."""


@dataclass(slots=True)
class _Open:
    """A map or list that is not finished yet."""

    node: Map | List
    anchor: str | None
    key: Scalar | None = None
    height: int = 1
    nodes: int = 1


def read(source: Source, problems: Problems, budget: Budget) -> Map | None:
    """Return the top mapping of a text; None when it is too broken, with the reason in `problems`."""
    try:
        root = _Reader(source, problems, budget).read()
    except yaml.YAMLError as error:
        _syntax(error, source, problems)
        return None
    except _StopError:
        return None
    if root is None:
        start = Mark(source, 0, 0, 1)
        problems.add("E113", "the file is empty", start, help="begin with `lfm_arch: 1`, `kind: model` and `name: ...`")
        return None
    if not isinstance(root, Map):
        problems.add("E113", "the file is no mapping", root, because="a file says `key: value` at its top")
        return None
    return root


def read_value(source: Source, problems: Problems, budget: Budget) -> Node | None:
    """Return the tree of any YAML text, as `--set` takes it; None when it is broken."""
    try:
        return _Reader(source, problems, budget).read()
    except yaml.YAMLError as error:
        _syntax(error, source, problems)
    except _StopError:
        pass
    return None


class _Reader:
    def __init__(self, source: Source, problems: Problems, budget: Budget) -> None:
        self.source = source
        self.problems = problems
        self.budget = budget
        self.stack: list[_Open] = []
        self.root: Node | None = None
        # anchor -> finished node, its height and its number of nodes
        self.anchors: dict[str, tuple[Node, int, int]] = {}

    def read(self) -> Node | None:
        documents = 0
        for event in yaml.parse(self.source.text, Loader=_Loader):
            if isinstance(event, ScalarEvent):
                self.scalar(event)
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self.begin(event)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self.end(event)
            elif isinstance(event, AliasEvent):
                self.alias(event)
            elif isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.stop("E112", "a second document in one file", self.mark(event), help="remove the line `---`")
        return self.root

    def mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        stop = end.column if end.line == start.line else len(self.source.line(start.line))
        return Mark(self.source, start.line, start.column, max(stop, start.column + 1))

    def stop(self, code: str, message: str, mark: Mark, *, because: str = "", help: str = "") -> None:
        self.problems.add(code, message, mark, because=because, help=help)
        raise _StopError

    def spend(self, nodes: int, mark: Mark) -> None:
        if not self.budget.take(nodes):
            self.stop(
                "E110",
                f"more than {MAX_NODES:,} values",
                mark,
                because="aliases are copies, and all files of a spec together hold at most that many values",
                help="say repetition with `stack` and `repeat`",
            )

    def tagged(self, event: Any, mark: Mark) -> None:
        tag = event.tag
        if tag is not None:
            tag = tag.replace("tag:yaml.org,2002:", "!!")
        if tag is not None and not (isinstance(event, ScalarEvent) and tag == "!"):
            self.problems.add(
                "E108",
                f"the tag `{tag[:60]}`",
                mark,
                because="a value's type is what its field declares; YAML tags would say it twice",
                help="remove the tag; quote the value when it is text",
            )

    def scalar(self, event: Any) -> None:
        mark = self.mark(event)
        self.spend(1, mark)
        self.tagged(event, mark)
        plain = event.style is None or event.style == ""
        text: str = event.value
        value = resolve(text) if plain else text
        if isinstance(value, BadNumber):
            self.problems.add("E114", value.message, mark, because="numbers are finite", help="quote it if it is text")
            value = None
        elif plain and leading_zero(text) and not self.expects_key():
            self.problems.add(
                "W101",
                f"`{text}` is {value} here, and {int(text, 8) if set(text) <= set('01234567+-') else 'text'} to others",
                mark,
                because="YAML 1.1 reads a leading zero as octal",
                help=f"write {value}",
                severity="warning",
            )
        node = Scalar(mark, value, text, plain=plain)
        if event.anchor:
            self.anchors[event.anchor] = (node, 1, 1)
        self.put(node, 1, 1)

    def expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].node, Map) and self.stack[-1].key is None

    def begin(self, event: Any) -> None:
        mark = self.mark(event)
        self.spend(1, mark)
        self.tagged(event, mark)
        if self.expects_key():
            self.stop("E107", "a key that is a list or a mapping", mark, because="keys are words")
        if len(self.stack) >= MAX_DEPTH:
            self.too_deep(mark)
        node = (Map if isinstance(event, MappingStartEvent) else List)(mark, flow=bool(event.flow_style))
        if event.anchor:
            # known, but not finished: an alias inside it would copy without end
            self.anchors.pop(event.anchor, None)
        self.stack.append(_Open(node, event.anchor))

    def too_deep(self, mark: Mark) -> None:
        self.stop("E109", f"nested deeper than {MAX_DEPTH}", mark, because="no spec needs it")

    def end(self, event: Any) -> None:
        done = self.stack.pop()
        end = event.end_mark
        mark = done.node.mark
        if end.line == mark.line:
            done.node.mark = mark._replace(end=max(end.column, mark.column + 1))
        if done.anchor:
            self.anchors[done.anchor] = (done.node, done.height, done.nodes)
        self.put(done.node, done.height, done.nodes)

    def alias(self, event: Any) -> None:
        mark = self.mark(event)
        found = self.anchors.get(event.anchor)
        if found is None:
            inside = any(each.anchor == event.anchor for each in self.stack)
            self.stop(
                "E111",
                f"`*{event.anchor}` stands inside `&{event.anchor}`" if inside else f"unknown alias `*{event.anchor}`",
                mark,
                because="an alias copies something that was written completely above it",
                help="" if inside else did_you_mean(event.anchor, self.anchors),
            )
        assert found is not None
        node, height, nodes = found
        self.spend(nodes, mark)
        if len(self.stack) + height > MAX_DEPTH:
            self.too_deep(mark)
        if self.expects_key() and not isinstance(node, Scalar):
            self.stop("E107", "a key that is a list or a mapping", mark, because="keys are words")
        self.put(copied(node), height, nodes)

    def put(self, node: Node, height: int, nodes: int) -> None:
        """Hang a finished node where it belongs."""
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        parent.height = max(parent.height, height + 1)
        parent.nodes += nodes
        if isinstance(parent.node, List):
            parent.node.items.append(node)
        elif parent.key is None:
            assert isinstance(node, Scalar), f"a key is a scalar, not {type(node).__name__}"
            parent.key = node
        else:
            self.entry(parent.node, parent.key, node)
            parent.key = None

    def entry(self, owner: Map, key: Scalar, node: Node) -> None:
        # 2, null and true are fine as keys: what counts is what is written
        name = key.text
        if name == "<<" and key.plain:
            self.problems.add(
                "E106",
                "a merge key `<<`",
                key.mark,
                because="it hides where values come from, and lists cannot be merged with it",
                help="inherit a file with `extends`, or name the thing under `operators` or `blocks` and use its name",
            )
            return
        if name in owner.entries:
            self.problems.add(
                "E105",
                f"duplicate key `{name}`",
                key.mark,
                because="one of the two would be ignored",
                notes=(f"first at {owner.keys[name]}",),
            )
            return
        owner.entries[name] = node
        owner.keys[name] = key.mark


_HINTS = {
    "mapping values are not allowed": "a text that contains `: ` needs quotes",
    "cannot start any token": "indent with spaces; quote text that starts with %, @ or `",
    "could not find expected ':'": "a key needs `: ` behind it, and nested keys the same indentation",
    "did not find expected key": "check the indentation, and quote text that contains `: ` or ends in `:`",
}


def _syntax(error: yaml.YAMLError, source: Source, problems: Problems) -> None:
    """Say a parser's complaint at its place."""
    position = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    if position is not None:
        line, column = position.line, position.column
    else:
        before = source.text[: getattr(error, "position", 0) or 0]
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
    while line > 0 and not source.line(line).strip():
        # the end of the file is no place to look at
        line, column = line - 1, len(source.line(line - 1))
    excerpt = source.line(line)
    hint = next((tip for words, tip in _HINTS.items() if words in what), "")
    if "${" in excerpt and "expected ',' or" in what:
        hint = 'inside {...} and [...], quote expressions: "${name}"'
    if "nesting depth" in what:
        # the parser looks ahead, and gives up before the reader counts
        problems.add("E109", f"nested deeper than {MAX_DEPTH}", Mark(source, line, column, column + 1))
        return
    context = getattr(error, "context", None)
    problems.add(
        "E104",
        f"this is no YAML: {what}",
        Mark(source, line, min(column, len(excerpt)), min(column, len(excerpt)) + 1),
        because=f"{context} of line {error.context_mark.line + 1}" if context and error.context_mark else "",  # pyright: ignore[reportAttributeAccessIssue]
        help=hint,
    )
