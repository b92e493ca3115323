"""The open check: a space's default candidate, then every branch of every decision, taken once with all others at their
priors. A mistake inside a branch is a mistake of the file, though no candidate may ever be drawn with it.

A branch that is right in itself and yet never fits the default candidate is only worth a warning: constraints are there
to leave such candidates out.
"""

from collections.abc import Iterator

from lfm_arch.core.errors import Diagnostic
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.hole import Hole
from lfm_arch.spec.lint import lint
from lfm_arch.spec.plan import Plan
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.space import Space
from lfm_arch.spec.tree import List, Map, Node, Scalar, walk

MAX_BRANCHES = 5000


def check_space(space: Space) -> ArchSpec | None:
    """Note every mistake of a space; return its default candidate's architecture when that one is right."""
    problems = space.plan.problems
    _check_kind(space)
    broken = bool(problems.errors)
    settler = Settler(space.plan, space.draws, lambda decision: decision.prior, problems)
    default = space.assemble(settler, everything=True)
    _check_priors(space, settler)
    branches = list(_branches(space.plan))
    if len(branches) > MAX_BRANCHES:
        problems.add(
            "E614",
            f"{len(branches):,} branches",
            space.plan.start,
            because=f"all of them are checked, and at most {MAX_BRANCHES:,} are",
            help="write $int or $float where options are numbers",
        )
        return None
    seen = {_key(each) for each in problems.errors}
    for hole, branch, chosen in branches:
        _check_branch(space, hole, branch, chosen, seen)
    if broken or problems.errors:
        return None
    lint(space.plan, space.checks, default if space.kind == "model" else None)
    return default


def _check_kind(space: Space) -> None:
    problems, holes = space.plan.problems, space.plan.holes
    decisions = [hole for hole in holes if hole.kind != "switch"]
    if space.kind == "model":
        for hole in decisions:
            problems.add(
                "E601",
                f"{hole.path} is left open",
                hole.node.where,
                hole.node.path,
                because="a model has no decision left",
                help="write one value, or kind: space",
            )
    elif space.kind == "space" and not decisions and not problems.errors:
        problems.add(
            "E602",
            "a space without a decision",
            space.document.root.get("kind"),
            "kind",
            because="there is nothing to search",
            help="write kind: model, or leave something open: {$choice: [...]}",
        )


def _check_priors(space: Space, settler: Settler) -> None:
    """A layout that is named as prior must be one of the layouts."""
    for hole in space.plan.holes:
        if hole.kind == "place" and hole.prior is not None:
            try:
                complaint = space.draws.prior_complaint(hole, settler.place_rule(hole))
            except UnsettledError:
                continue
            if complaint:
                space.plan.problems.add(
                    "E606", "the prior is no layout of this $place", hole.prior, hole.node.path, because=complaint
                )


def _branches(plan: Plan) -> Iterator[tuple[Hole, Node, dict[int, Node]]]:
    """Yield every outcome that is written, with the decisions that lead to it."""
    stack: list[tuple[Node, dict[int, Node]]] = [
        (node, {}) for key, node in plan.root.entries.items() if not key.startswith("x-")
    ]
    while stack:
        node, chosen = stack.pop()
        hole = node.plan
        if isinstance(hole, Hole):
            for branch in outcomes(hole):
                taken = {**chosen, id(hole): branch}
                if hole.kind != "switch":
                    yield hole, branch, taken
                stack.append((branch, taken))
        elif isinstance(node, Map) and hole is None:
            stack.extend((child, chosen) for child in node.entries.values())
        elif isinstance(node, List):
            stack.extend((child, chosen) for child in node.items)


def outcomes(hole: Hole) -> list[Node]:
    """Return outcomes of a decision that show what is wrong with any: every option, both ends of a range."""
    if hole.kind in ("choice", "switch"):
        return Plan.outcomes(hole)
    if hole.kind in ("int", "float"):
        return [each for each in (hole.low, hole.high) if each is not None]
    if hole.kind in ("subset", "perm"):
        every = List(hole.node.mark, flow=True)
        every.path, every.items = hole.node.path, list(hole.options)
        return [every]
    return []


def _check_branch(space: Space, hole: Hole, branch: Node, chosen: dict[int, Node], seen: set[object]) -> None:
    problems = Problems()
    settler = Settler(space.plan, space.draws, lambda decision: decision.prior, problems)
    settler.forced = chosen
    space.assemble(settler, everything=True)
    inside = {each.mark for _, each in walk(branch)}
    always_wrong = {each for told in space.plan.always_wrong.values() for each in told}
    elsewhere: list[Diagnostic] = []
    for each in problems.errors:
        if _key(each) in seen:
            continue
        at_home = each.place is not None and any(
            mark.place().file == each.place.file
            and mark.line + 1 == each.place.line
            and mark.column < each.place.column <= mark.end
            for mark in inside
        )
        # a switch is about one decision, whatever the others are
        its_own = (at_home and each not in problems.combined) or each.code == "E609"
        if its_own or each in always_wrong:
            seen.add(_key(each))
            space.plan.problems.take(each)
        else:
            elsewhere.append(each)
    if elsewhere and not space.plan.problems.errors:
        first = elsewhere[0]
        space.plan.problems.add(
            "W601",
            f"taking {_shown(branch)} for {hole.path} fails with the priors of all else: {first.code} {first.message}",
            branch,
            hole.node.path,
            because="such candidates are left out of a search, and every draw of them is a draw lost",
            severity="warning",
        )


def _shown(branch: Node) -> str:
    if isinstance(branch, Scalar):
        return branch.text[:40] or "null"
    kind = branch.get("type") if isinstance(branch, Map) else None
    return kind.text[:40] if isinstance(kind, Scalar) else "this"


def _key(each: Diagnostic) -> object:
    return (each.code, each.message, each.place)
