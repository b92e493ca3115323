"""A document made ready for settling: every node knows its path, expressions are parsed, decisions are read.

Each value has a level, found from what it depends on: 0 is the same for every candidate, 1 is settled once for each
candidate, 2 for each layer or use. A search settles only what its decisions change.
"""

import re
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from typing import Any

from lfm_arch.core.errors import Diagnostic, Place
from lfm_arch.core.units import parse_quantity
from lfm_arch.spec.document import Document
from lfm_arch.spec.expression import Expression, is_expression, parse_scalar
from lfm_arch.spec.extend import is_edit, is_hole
from lfm_arch.spec.hole import Hole, read_hole
from lfm_arch.spec.path import find
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.syntax import Reference
from lfm_arch.spec.text_error import TextError
from lfm_arch.spec.tree import Level, List, Map, Mark, Node, Scalar, join, plain, walk

SECTIONS = ("vars", "dims", "featurizers", "operators", "blocks", "norm", "heads")
"""What an expression may look into, as `operators.attn.head_dim`; a bare name is one of `dims`."""
_TEXTS = ("lfm_arch", "kind", "name", "doc", "extends", "constraints")
"""Top-level keys whose values are never expressions; constraints are read as such later, without `${}`."""


BROKEN: Any = object()
"""The plan of a value whose mistake is already noted: what depends on it is not settled, and says nothing more."""
MAX_CHAIN = 32


class Plan:
    """A compiled document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.root = document.root
        self.problems: Problems = document.problems
        self.holes: list[Hole] = []
        self.always_wrong: dict[int, tuple[Diagnostic, ...]] = {}
        """What is wrong with values that no decision changes, by node."""
        self._by_path: dict[str, Node] = {}
        self.dims = self._map("dims")
        for key, node in self.root.entries.items():
            if key.startswith("x-"):
                continue
            node.path, node.key = key, self.root.keys[key]
            if key in _TEXTS:
                self._name_paths(node)
            else:
                self._compile(node)
        for name in ("dims", "vars"):
            self._read_quantities(self.root.get(name))
        self._check_names()
        self._find_levels()

    @property
    def start(self) -> Mark:
        """Where to point for what is missing at the top."""
        return next(iter(self.root.keys.values()), self.root.mark)

    def _map(self, key: str) -> Map | None:
        node = self.root.get(key)
        return node if isinstance(node, Map) else None

    def _name_paths(self, node: Node) -> None:
        for path, each in walk(node, node.path):
            each.path = path

    def _compile(self, node: Node) -> None:
        if isinstance(node, Scalar):
            self._compile_scalar(node)
        elif isinstance(node, List):
            for number, child in enumerate(node.items):
                child.path = f"{node.path}[{number}]"
                self._compile(child)
        elif is_hole(node):
            assert isinstance(node, Map), "a decision is a map"
            self._compile_hole(node)
        else:
            assert isinstance(node, Map), f"no node: {node!r}"
            if is_edit(node):
                edit = next(key for key in node.entries if key.startswith("$"))
                self.problems.add("E121", f"`{edit}`, but nothing is inherited here", node.keys[edit], node.path)
            for key, child in node.entries.items():
                child.path, child.key = join(node.path, key), node.keys[key]
                if not key.startswith("x-"):
                    self._compile(child)

    def _compile_scalar(self, node: Scalar) -> None:
        text = node.value
        if not isinstance(text, str) or "${" not in text:
            return
        try:
            node.plan = parse_scalar(text)
        except TextError as error:
            self.problems.mistake(error, node, node.path, text)
            node.plan = BROKEN

    def _compile_hole(self, node: Map) -> None:
        hole = read_hole(node, self.problems)
        node.plan = hole or BROKEN
        for key, child in node.entries.items():
            child.path = join(node.path, key)
        if hole is None:
            # the parts of a broken decision may hold mistakes of their own
            for child in node.entries.values():
                self._compile_quietly(child)
            return
        self.holes.append(hole)
        if hole.kind in ("choice", "subset", "perm"):
            for number, (option, label) in enumerate(zip(hole.options, hole.labels, strict=True)):
                word = label if isinstance(label, str) and label.isidentifier() else number
                option.path = f"{node.path}({word})"
                self._compile(option)
        elif hole.kind == "switch":
            assert isinstance(hole.body, Map), "a switch was checked"
            cases = hole.body.entries["cases"]
            assert isinstance(cases, Map), "a switch was checked"
            for key, option in cases.entries.items():
                option.path = f"{node.path}({key})"
                self._compile(option)
        else:
            self._compile(hole.body)

    def _compile_quietly(self, node: Node) -> None:
        for path, each in walk(node, node.path):
            each.path = path
            if isinstance(each, Scalar) and isinstance(each.value, str) and is_expression(each.value):
                self._compile_scalar(each)

    def _read_quantities(self, node: Node | None) -> None:
        """Turn `1.3 G` under dims and vars into numbers, so that they can be computed with."""
        if node is None:
            return
        for _, each in walk(node):
            if isinstance(each, Scalar) and each.plain and isinstance(each.value, str):
                quantity = parse_quantity(each.value)
                if quantity is not None:
                    each.value = quantity[0]

    def _check_names(self) -> None:
        """Decisions that share a name are one decision, so they must be the same."""
        named: dict[str, Hole] = {}
        for hole in self.holes:
            first = named.setdefault(hole.path, hole)
            if first is not hole and (
                first.kind != hole.kind or first.scope != hole.scope or plain(first.body) != plain(hole.body)
            ):
                self.problems.add(
                    "E610",
                    f"two different decisions are called `{hole.path}`",
                    hole.node.get("name") or hole.node,
                    hole.node.path,
                    because="decisions of one name are one decision",
                    help="give one of them another name, or the same values",
                    notes=(f"the other one is at {first.node.mark}",),
                )

    # what values depend on

    def _find_levels(self) -> None:
        """Give every node its level, in an order in which what is read comes first; refuse circles and long chains."""
        nodes = {id(each): each for key in self.root.entries for _, each in walk(self.root.entries[key])}
        reads = {number: [id(each) for each in self._reads(node)] for number, node in nodes.items()}
        while True:
            sorter = TopologicalSorter(reads)
            try:
                order = list(sorter.static_order())
                break
            except CycleError as error:
                self._refuse_circle([nodes[number] for number in error.args[1]], reads)
        chains: dict[int, int] = {}
        for number in order:
            node = nodes[number]
            node.level = self._level(node)
            chain = max((chains[each] for each in reads[number]), default=0)
            chains[number] = chain + isinstance(node.plan, Expression)
            if chains[number] == MAX_CHAIN + 1:
                self.problems.add(
                    "E352",
                    f"a chain of more than {MAX_CHAIN} expressions that read each other ends here",
                    node,
                    node.path,
                    because="nobody can follow it",
                )
                node.plan = BROKEN

    def _reads(self, node: Node) -> list[Node]:
        """Return the nodes whose values a value is made of."""
        plan = node.plan
        if isinstance(plan, Expression):
            return self.referred(plan)
        if isinstance(plan, Hole):
            expressions = [each for each in (plan.when, plan.on) if each is not None]
            bounds = [each for each in (plan.low, plan.high, plan.prior) if each is not None]
            return (
                self.outcomes(plan)
                + bounds
                + [each for expression in expressions for each in self.referred(expression)]
            )
        if isinstance(node, Map):
            return list(node.entries.values())
        return list(node.items) if isinstance(node, List) else []

    def _refuse_circle(self, circle: list[Node], reads: dict[int, list[int]]) -> None:
        # containers are on the way too; what a reader wrote are the expressions
        written = [each for each in circle[:-1] if each.plan is not None] or circle[:-1]
        written.sort(key=lambda each: (each.mark.line, each.mark.column))
        shown = " -> ".join(each.path for each in (*written, written[0]))
        first = written[0]
        self.problems.add(
            "E351",
            f"these read each other in a circle: {shown}",
            first,
            first.path,
            because="a value is computed from values that are there before it",
            notes=tuple(f"{each.path} is at {each.mark}" for each in written[1:8]),
        )
        # containers keep what they hold: another circle may go through them
        for each in circle:
            if each.plan is not None:
                each.plan = BROKEN
                reads[id(each)] = [id(other) for other in self._reads(each)]

    def level(self, node: Node) -> Level:
        """Return what a value depends on; of a node that was merged later, from its parts."""
        if node.level is None:
            node.level = self._level(node)
        return node.level

    def _level(self, node: Node) -> Level:
        plan = node.plan
        own = 0
        if isinstance(plan, Hole) and plan.kind != "switch":
            own = 1 if plan.scope == "spec" else 2
        return max(own, max((self.level(each) for each in self._reads(node)), default=0))

    @staticmethod
    def outcomes(hole: Hole) -> list[Node]:
        """Return the nodes that a decision may come out as, or is made of."""
        if hole.options:
            return list(hole.options)
        if hole.kind == "switch":
            assert isinstance(hole.body, Map), "a switch was checked"
            cases = hole.body.entries["cases"]
            return list(cases.entries.values()) if isinstance(cases, Map) else []
        return [hole.body]

    def referred(self, expression: Expression) -> list[Node]:
        """Return the nodes that an expression reads, as deep as its text says."""
        found: list[Node] = []
        for reference in expression.references:
            node = self.reach(reference)
            if node is not None:
                found.append(node)
        return found

    def reach(self, reference: Reference) -> Node | None:
        """Follow the fixed part of a reference; None for an unknown name."""
        first, *steps = reference.path
        if self.dims is not None and first in self.dims.entries:
            node: Node = self.dims.entries[str(first)]
        elif first in SECTIONS and str(first) in self.root.entries:
            node = self.root.entries[str(first)]
        else:
            return None
        for step in steps:
            if isinstance(node, Map) and node.plan is None and isinstance(step, str) and step in node.entries:
                node = node.entries[step]
            elif isinstance(node, List) and isinstance(step, int) and -len(node.items) <= step < len(node.items):
                node = node.items[step]
            else:
                break
        return node

    def place(self, path: str) -> Place | None:
        """Return where a dotted path was written, or the part of it that was; paths through decisions name options."""
        if not self._by_path:
            for key, top in self.root.entries.items():
                self._by_path |= {each.path: each for _, each in walk(top) if each.path}
                self._by_path.setdefault(key, top)
        here = path
        while here:
            node = self._by_path.get(here)
            if node is not None and (here == path or not isinstance(node, Scalar)):
                return (node.where if here == path else node.key or node.mark).place()
            if node is not None:
                return node.mark.place()
            here = re.sub(r"(\[\d+\]|\([^()]*\)|(^|\.)[^.\[\]()]*|.)$", "", here)
        return None

    @staticmethod
    def below(node: Node, field: str) -> Node:
        """Return the part of a value that a small language complains about, `put.attn` or `[1].repeat`."""
        return find(node, field.removeprefix(".")).node if field else node

    def depends(self, node: Node, on: Callable[[Hole], bool] = lambda _: True) -> list[Hole]:
        """Return the decisions that a value may read, in order, through all references."""
        found: dict[int, Hole] = {}
        seen: set[int] = set()

        def visit(each: Node) -> None:
            if id(each) in seen:
                return
            seen.add(id(each))
            plan = each.plan
            if isinstance(plan, Hole):
                for expression in (plan.when, plan.on):
                    for other in self.referred(expression) if expression is not None else ():
                        visit(other)
                if plan.kind != "switch" and on(plan):
                    found[id(plan)] = plan
                for other in self.outcomes(plan):
                    visit(other)
            elif isinstance(plan, Expression):
                for other in self.referred(plan):
                    visit(other)
            elif isinstance(each, Map):
                for other in each.entries.values():
                    visit(other)
            elif isinstance(each, List):
                for other in each.items:
                    visit(other)

        visit(node)
        return list(found.values())
