"""Every question that a space could ask, found without deciding it: how deep stacks get, how much layouts place.

A size that depends on decisions is settled for each combination of their values, as long as those are few, else for
their ends and priors: the greatest that comes out counts.
"""

from collections.abc import Callable, Iterator
from itertools import islice, product
from typing import Any

from lfm_arch.spec.decision import Decision
from lfm_arch.spec.hole import Hole
from lfm_arch.spec.open_check import outcomes
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.scalar import Value
from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.space import Space
from lfm_arch.spec.tree import Node, Scalar, walk

MAX_COMBINATIONS = 2000
MAX_VALUES = 64


def all_decisions(space: Space) -> tuple[Decision, ...]:
    """Return every question, in the order of the file; layered ones for each layer up to the greatest depth."""
    found: dict[str, Decision] = {}
    depth: int | None = None
    for hole in space.plan.holes:
        if hole.kind == "switch":
            continue
        if hole.kind == "place":
            asked: list[Decision] = _layout_decisions(space, hole)
        else:
            if hole.scope in ("layer", "group") and depth is None:
                depth = greatest_depth(space)
            asked = [
                each for suffix in _suffixes(space, hole, depth or 0) for each in space.draws.decisions(hole, suffix)
            ]
        for each in asked:
            found.setdefault(each.path, each)
    return tuple(found.values())


def greatest_depth(space: Space) -> int:
    """Return the number of layers of the deepest candidate."""
    section = space.plan.root.get("depth_groups")
    if section is None:
        return 0

    def depth(settler: Settler) -> int:
        return len(space.groups.read(settler)[0])

    return max(_over_choices(space, section, depth), default=0)


def _layout_decisions(space: Space, hole: Hole) -> list[Decision]:
    def ask(settler: Settler) -> list[Decision]:
        return space.draws.places(hole, settler.place_rule(hole))

    return max(_over_choices(space, hole.body, ask), key=len, default=[])


def _suffixes(space: Space, hole: Hole, depth: int) -> Iterator[str]:
    if hole.scope == "spec":
        yield ""
    elif hole.scope == "layer":
        yield from (f"@{layer}" for layer in range(depth))
    elif hole.scope == "group":
        yield from (f"@{first}..{first + hole.every - 1}" for first in range(0, depth, hole.every))
    else:
        yield from (f"@{use}" for use in _uses(space, hole))


def _uses(space: Space, hole: Hole) -> Iterator[str]:
    """Yield the places that name the operator, or make layers of the block, that a decision stands in."""
    top, _, rest = hole.node.path.partition(".")
    name = rest.split(".")[0].split("[")[0].split("(")[0]
    if top == "operators":
        for section in ("blocks", "overrides"):
            node = space.plan.root.get(section)
            for path, each in walk(node, section) if node is not None else ():
                named = isinstance(each, Scalar) and each.value == name
                if named and path.split(".")[-1].split("(")[0] in ("mixer", "channel"):
                    yield each.path
        return
    section = space.plan.root.get("depth_groups")

    def read(settler: Settler) -> dict[str, None]:
        entries, _ = space.groups.read(settler)
        return dict.fromkeys(each.use for each in entries if top != "blocks" or each.block == name)

    found: dict[str, None] = {}
    for uses in _over_choices(space, section, read) if section is not None else ():
        found |= uses
    yield from found


def _over_choices(space: Space, node: Node, measure: Callable[[Settler], Any]) -> Iterator[Any]:
    """Yield what `measure` gives for combinations of the decisions that a node depends on, failing ones left out."""
    holes = [hole for hole in space.plan.depends(node) if hole.scope == "spec"]
    values = [list(islice(_values(space, hole), MAX_VALUES)) for hole in holes]
    combinations = 1
    for each in values:
        combinations *= max(1, len(each))
    chosen: Iterator[tuple[Any, ...]] = product(*values)
    if combinations > MAX_COMBINATIONS:
        # one at a time from the priors, then all at each end
        priors = tuple(each[0] for each in values)
        single = (
            (*priors[:number], value, *priors[number + 1 :])
            for number, options in enumerate(values)
            for value in options
        )
        ends = (tuple(each[index] for each in values) for index in (0, -1))
        chosen = iter([*ends, *single][:MAX_COMBINATIONS])
    for combination in chosen:
        settler = Settler(space.plan, space.draws, lambda decision: decision.prior, Problems())
        settler.forced = {id(hole): value for hole, value in zip(holes, combination, strict=True) if value is not None}
        try:
            yield measure(settler)
        except UnsettledError:
            continue


def _values(space: Space, hole: Hole) -> Iterator[Node | None]:
    """Yield outcomes of a decision: all of few, the ends and some between of many; None asks for the prior."""
    if hole.kind == "place":
        # which layout it is changes no size
        yield None
    elif hole.kind in ("int", "float"):
        decision = space.draws.decisions(hole, "")[0]
        low, high = decision.low, decision.high
        assert low is not None, "a range was settled"
        assert high is not None, "a range was settled"
        numbers: list[Value] = [high, low]
        if hole.kind == "int":
            step = hole.step or 1
            count = (int(high) - int(low)) // step + 1
            stride = max(1, count // MAX_VALUES) * step
            numbers += [number for number in range(int(low), int(high) + 1, stride) if number not in (low, high)]
        for number in numbers:
            node = Scalar(hole.node.mark, number, str(number))
            node.path, node.level = hole.node.path, 0
            yield node
    else:
        yield from outcomes(hole)
