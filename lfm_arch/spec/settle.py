"""Settling a plan for one candidate: decisions are asked, expressions computed, nothing is validated.

What depends on no decision is settled once for all candidates and kept on its node.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lfm_arch.spec.decision import Ask, Decision
from lfm_arch.spec.draw import Draws
from lfm_arch.spec.expression import Expression, evaluate
from lfm_arch.spec.hole import Hole
from lfm_arch.spec.place import PlaceRule
from lfm_arch.spec.plan import BROKEN, SECTIONS, Plan
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.scalar import Value
from lfm_arch.spec.text_error import TextError
from lfm_arch.spec.tree import UNSETTLED, List, Map, Node, Scalar, made


class UnsettledError(Exception):
    """A value cannot be settled; why is already noted."""


class At(NamedTuple):
    """For whom a layered value is settled."""

    layer: int
    use: str = ""
    """The place that names the operator or block in question."""


_FAILED: Any = object()
_ABSENT: Any = object()


class Settler:
    """One candidate being decided."""

    def __init__(self, plan: Plan, draws: Draws, ask: Ask, problems: Problems) -> None:
        self.plan = plan
        self.draws = draws
        self.ask = ask
        self.problems = problems
        self.genome: dict[str, Value] = {}
        """What was asked and answered, in order."""
        self.forced: dict[int, Node] = {}
        """Decisions, by the id of their hole, that are not asked because a check wants one outcome."""
        self.kept: dict[Any, Any] = {}
        """Parts made for this candidate, by node."""
        self._memo: dict[int, Any] = {}
        self._heads: dict[int, Node | None] = {}
        self._depth = 0

    # values

    def value(self, node: Node, at: At | None = None) -> Any:
        """Return the plain value of a node; a decision that is not taken is null.

        Raises:
            UnsettledError: something in it is wrong, and noted.
        """
        value = self._value(node, at)
        return None if value is _ABSENT else value

    def was_read(self, node: Node) -> bool:
        """Whether this candidate reads a value; one that is always the same counts as read."""
        plan = node.plan
        return (
            self.plan.level(node) == 0 or id(node) in self._memo or (isinstance(plan, Hole) and id(plan) in self._heads)
        )

    def _value(self, node: Node, at: At | None) -> Any:
        level = self.plan.level(node)
        if level == 0:
            value = node.settled
            if value is UNSETTLED:
                value = node.settled = self._settled_for_all(node, at)
            elif value is _FAILED:
                self.problems.extend(self.plan.always_wrong.get(id(node), ()))
        elif level == 1:
            value = self._memo.get(id(node), UNSETTLED)
            if value is UNSETTLED:
                value = self._memo[id(node)] = self._attempt(node, at)
        else:
            value = self._attempt(node, at)
        if value is _FAILED:
            raise UnsettledError
        return value

    def _settled_for_all(self, node: Node, at: At | None) -> Any:
        """Settle what no decision changes, once; every candidate that reads it is told what is wrong with it."""
        told, self.problems = self.problems, Problems()
        try:
            value = self._attempt(node, at)
        finally:
            own, self.problems = self.problems, told
            self.problems.extend((*own.errors, *own.warnings))
        if value is _FAILED:
            self.plan.always_wrong[id(node)] = own.errors
        return value

    def _attempt(self, node: Node, at: At | None) -> Any:
        try:
            return self._compute(node, at)
        except UnsettledError:
            return _FAILED

    def _compute(self, node: Node, at: At | None) -> Any:
        plan = node.plan
        if plan is None:
            if isinstance(node, Scalar):
                return node.value
            return self._container(node, at)
        if isinstance(plan, Expression):
            return self.evaluate(plan, node, at)
        if isinstance(plan, Hole):
            head = self.outcome(plan, at)
            return _ABSENT if head is None else self._value(head, at)
        assert plan is BROKEN, f"no plan: {plan!r}"
        raise UnsettledError

    def _container(self, node: Node, at: At | None) -> Any:
        """Settle all children, so that every mistake among them is noted."""
        failed = False
        if isinstance(node, Map):
            fields: dict[str, Any] = {}
            for key, child in node.entries.items():
                if key.startswith("x-"):
                    continue
                try:
                    value = self._value(child, at)
                except UnsettledError:
                    failed = True
                    continue
                if value is not _ABSENT:
                    fields[key] = value
            result: Any = fields
        else:
            assert isinstance(node, List), f"no node: {node!r}"
            items: list[Any] = []
            for child in node.items:
                try:
                    value = self._value(child, at)
                except UnsettledError:
                    failed = True
                    continue
                if value is not _ABSENT:
                    items.append(value)
            result = items
        if failed:
            raise UnsettledError
        return result

    def head(self, node: Node, at: At | None = None) -> Node | None:
        """Follow decisions and expressions at this node only, to a scalar, map or list; None when nothing is there.

        Raises:
            UnsettledError: it is wrong, and noted.
        """
        steps = 0
        while node.plan is not None:
            steps += 1
            assert steps < 100, f"{node.path} leads nowhere"
            if isinstance(node.plan, Hole):
                taken = self.outcome(node.plan, at)
                if taken is None:
                    return None
                node = taken
            elif isinstance(node.plan, Expression):
                twin = made(node, self.value(node, at))
                twin.path = node.path
                return twin
            else:
                raise UnsettledError
        return node

    # decisions

    def outcome(self, hole: Hole, at: At | None) -> Node | None:
        """Take a decision; None when it is not taken and has no prior."""
        shared = self.plan.level(hole.node) < 2
        if shared and id(hole) in self._heads:
            return self._heads[id(hole)]
        taken = self._take(hole, at)
        if shared:
            self._heads[id(hole)] = taken
        return taken

    def _take(self, hole: Hole, at: At | None) -> Node | None:
        if id(hole) in self.forced:
            return self.forced[id(hole)]
        if hole.when is not None and not self._condition(hole, at):
            return hole.prior if hole.kind != "choice" or hole.prior is None else self.draws.prior_node(hole)
        if hole.kind == "switch":
            return self._case(hole, at)
        suffix = self._suffix(hole, at)
        if hole.kind == "place":
            rule = self.place_rule(hole, at)
            return self.draws.layout(hole, rule, self._answer)
        return self.draws.outcome(hole, suffix, self._answer)

    def _answer(self, decision: Decision) -> Value:
        """Ask once for each path."""
        if decision.path in self.genome:
            return self.genome[decision.path]
        answer = self.ask(decision)
        if not decision.allows(answer):
            self.problems.add(
                "E612",
                f"{decision.path} = {answer!r}"[:200],
                path=decision.path,
                because=f"it is {decision.domain()}",
            )
            raise UnsettledError
        self.genome[decision.path] = answer
        return answer

    def _condition(self, hole: Hole, at: At | None) -> bool:
        assert hole.when is not None, "a condition is asked for where one is written"
        node = hole.node.entries["when"]
        value = self.evaluate(hole.when, node, at)
        if isinstance(value, bool):
            return value
        self.problems.add("E603", f"`when` is {value!r}"[:100], node, hole.node.path, because="it is true or false")
        raise UnsettledError

    def _case(self, hole: Hole, at: At | None) -> Node:
        assert hole.on is not None, "a switch was checked"
        assert isinstance(hole.body, Map), "a switch was checked"
        written = hole.body.entries["on"]
        value = self.evaluate(hole.on, written, at)
        cases = hole.body.entries["cases"]
        assert isinstance(cases, Map), "a switch was checked"
        key = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if key not in cases.entries:
            self.problems.add(
                "E609",
                f"no case for {key[:80]}",
                cases,
                hole.node.path,
                because="every value that `on` can have needs a case",
                help=f"add `{key[:80]}: ...`; there are {', '.join(list(cases.entries)[:12])}",
            )
            raise UnsettledError
        return cases.entries[key]

    def _suffix(self, hole: Hole, at: At | None) -> str:
        if hole.scope == "spec":
            return ""
        if at is None:
            self.problems.add(
                "E611",
                f"{hole.path} is decided anew for each {'use' if hole.scope == 'use' else 'layer'}",
                hole.node,
                hole.node.path,
                because="what is the same for the whole model cannot depend on it",
                help="name the decision under `vars` when it is one for all",
            )
            raise UnsettledError
        if hole.scope == "use":
            return f"@{at.use}"
        if hole.scope == "layer":
            return f"@{at.layer}"
        first = at.layer // hole.every * hole.every
        return f"@{first}..{first + hole.every - 1}"

    def place_rule(self, hole: Hole, at: At | None = None) -> PlaceRule:
        """Return the settled rule of a `$place`."""
        settled = self.value(hole.body, at)
        try:
            return self.draws.rule(json.dumps(settled), settled)
        except TextError as error:
            node = self.plan.below(hole.body, error.field)
            self.problems.add(
                error.code, error.message, node, hole.node.path, because=error.because, help=error.help
            )  # fmt: skip
            raise UnsettledError from None

    # expressions

    def evaluate(self, expression: Expression, node: Node, at: At | None) -> Any:
        """Compute an expression that stands at `node`."""
        self._depth += 1
        try:
            value = evaluate(expression, Names(self, at))
        except TextError as error:
            self.problems.mistake(error, node, node.path, expression.text)
            raise UnsettledError from None
        except RecursionError:
            # far from the bottom of the stack again before anything is said
            if self._depth > 1:
                raise
            self.problems.add("E352", "expressions that read each other too deeply", node, node.path)
            raise UnsettledError from None
        finally:
            self._depth -= 1
        return plain_value(value)


def plain_value(value: Any) -> Any:
    """Turn views into dicts and lists."""
    if isinstance(value, Mapping):
        return {key: plain_value(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain_value(each) for each in value]
    return value


class Names(Mapping[str, Any]):
    """What an expression may say: every dim by its name, and `vars.x`, `operators.attn.head_dim` and the like."""

    def __init__(self, settler: Settler, at: At | None) -> None:
        self._settler = settler
        self._at = at

    def __getitem__(self, name: str) -> Any:
        dims = self._settler.plan.dims
        if dims is not None and name in dims.entries:
            return self._settler.value(dims.entries[name], self._at)
        if name in SECTIONS:
            section = self._settler.plan.root.get(name)
            if section is not None:
                return _entered(self._settler, section, self._at)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        dims = self._settler.plan.dims
        yield from dims.entries if dims is not None else ()
        yield from (name for name in SECTIONS if name in self._settler.plan.root.entries)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _View(Mapping[str, Any]):
    """A map of which only what is read is settled."""

    def __init__(self, settler: Settler, node: Map, at: At | None) -> None:
        self._settler = settler
        self._node = node
        self._at = at

    def __getitem__(self, key: str) -> Any:
        return _entered(self._settler, self._node.entries[key], self._at)

    def __iter__(self) -> Iterator[str]:
        return iter(self._node.entries)

    def __len__(self) -> int:
        return len(self._node.entries)


def _entered(settler: Settler, node: Node, at: At | None) -> Any:
    head = settler.head(node, at)
    if head is None:
        return None
    if isinstance(head, Map):
        return _View(settler, head, at)
    return settler.value(head, at)
