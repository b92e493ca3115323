"""How outcomes are coded as answers: a choice is one answer, a layout, subset or order several that are always legal.

$place    one share of the room for each placed layer, sorted; with several kinds, which of them comes next
$subset   how many, and a weight for each element: the heaviest are in
$perm     a weight for each element: the lightest comes first
"""

import math
from collections.abc import Callable
from typing import Any

from lfm_arch.spec.decision import Decision, same
from lfm_arch.spec.hole import Hole, prior_option
from lfm_arch.spec.place import PlaceRule
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.scalar import Value
from lfm_arch.spec.stack import expand, read_stack
from lfm_arch.spec.text_error import TextError
from lfm_arch.spec.tree import List, Node, Scalar, plain

Answer = Callable[[Decision], Value]
MAX_RULES = 4096


class Draws:
    """The questions of a space. Those that never change are made once."""

    def __init__(self) -> None:
        self._decisions: dict[tuple[int, str], tuple[Decision, ...]] = {}
        self._rules: dict[str, PlaceRule] = {}
        self._ranges: dict[int, tuple[float, float]] = {}

    # ranges

    def settle_range(self, hole: Hole, level: int, value: Callable[[Node], Any], problems: Problems) -> None:
        """Fix the bounds of a number, once for all candidates.

        Args:
            hole: an $int or $float.
            level: of its bounds; above 0 a decision would move them.
            value: settles a bound.
            problems: for E605 and E606.
        """
        assert hole.low is not None, "a range was checked"
        assert hole.high is not None, "a range was checked"
        bounds: list[float] = []
        kinds = (int,) if hole.kind == "int" else (int, float)
        for node in (hole.low, hole.high):
            bound = None if level else value(node)
            if bound is not None and type(bound) in kinds:
                bounds.append(bound)
                continue
            problems.add(
                "E605",
                "a bound that depends on another decision" if level else f"the bound {bound} of an ${hole.kind}"[:100],
                node,
                hole.node.path,
                because=f"bounds are {'whole ' if hole.kind == 'int' else ''}numbers, the same for every candidate",
            )
        if len(bounds) < 2:
            bounds = [1, 1]
        self._ranges[id(hole)] = (bounds[0], bounds[1])
        self._check_range(hole, bounds[0], bounds[1], problems)

    def _check_range(self, hole: Hole, low: float, high: float, problems: Problems) -> None:
        wrong = ""
        if low > high:
            wrong = f"low {low} is above high {high}"
        elif hole.log and low <= 0:
            wrong = f"log from {low}"
        elif hole.step is not None and (high - low) % hole.step:
            wrong = f"step {hole.step} does not lead from {low} to {high}"
        if wrong:
            problems.add(
                "E605",
                wrong,
                hole.body,
                hole.node.path,
                because="a range runs from low to high, both included; log needs numbers above 0",
            )
            return
        if hole.prior is not None:
            prior = plain(hole.prior)
            if not self.decisions(hole, "")[0].allows(prior):
                problems.add(
                    "E606",
                    f"the prior {prior} is not in the range"[:100],
                    hole.prior,
                    hole.node.path,
                    because=f"it is {self.decisions(hole, '')[0].domain()}",
                )

    # choices and numbers

    def outcome(self, hole: Hole, suffix: str, answer: Answer) -> Node:
        """Ask what a decision needs and return what it comes out as."""
        decisions = self.decisions(hole, suffix)
        if hole.kind == "choice":
            label = answer(decisions[0])
            number = hole.numbers.get((type(label), label))
            if number is None:
                # 3.0 for 3: it passed as equal
                number = next(each for each, other in enumerate(hole.labels) if same(other, label))
            return hole.options[number]
        if hole.kind in ("int", "float"):
            value = answer(decisions[0])
            return _scalar(hole, float(value) if hole.kind == "float" and isinstance(value, int) else value)
        answers = [answer(each) for each in decisions]
        listed = List(hole.node.mark, flow=True)
        listed.path = hole.node.path
        if hole.kind == "subset":
            size, *weights = answers
            assert isinstance(size, int), "the size of a subset is whole"
            heaviest = sorted(range(len(weights)), key=lambda each: (-_real(weights[each]), each))[:size]
            listed.items = [hole.options[each] for each in sorted(heaviest)]
        else:
            assert hole.kind == "perm", f"no outcome for {hole.kind}"
            order = sorted(range(len(answers)), key=lambda each: (_real(answers[each]), each))
            listed.items = [hole.options[each] for each in order]
        return listed

    def decisions(self, hole: Hole, suffix: str) -> tuple[Decision, ...]:
        """Return the questions of one decision; of `$place` see `places`."""
        key = (id(hole), suffix)
        found = self._decisions.get(key)
        if found is None:
            found = self._decisions[key] = tuple(self._make(hole, hole.path + suffix))
        return found

    def _make(self, hole: Hole, path: str) -> list[Decision]:
        if hole.kind == "choice":
            number = 0 if hole.prior is None else prior_option(hole) or 0
            return [Decision(path, "choice", hole.labels, prior=hole.labels[number])]
        if hole.kind in ("int", "float"):
            low, high = self._ranges[id(hole)]
            prior = plain(hole.prior) if hole.prior is not None else low
            if isinstance(prior, bool) or not isinstance(prior, int | float):
                prior = math.nan  # no number, which is noted: it is in no range
            kind = "int" if hole.kind == "int" else "float"
            return [Decision(path, kind, low=low, high=high, step=hole.step, log=hole.log, prior=prior)]
        count = len(hole.options)
        wanted = self._wanted(hole)
        if hole.kind == "subset":
            size = Decision(f"{path}.size", "int", low=hole.fewest, high=hole.most, prior=len(wanted))
            priors = [0.75 if number in wanted else 0.25 for number in range(count)]
            return [size, *(_share(f"{path}[{number}]", prior) for number, prior in enumerate(priors))]
        places = [wanted.index(number) for number in range(count)]
        return [_share(f"{path}[{number}]", (place + 0.5) / count) for number, place in enumerate(places)]

    @staticmethod
    def _wanted(hole: Hole) -> list[int]:
        """Return the options of the prior, in its order; without one, the first ones."""
        if isinstance(hole.prior, List):
            options = [plain(each) for each in hole.options]
            return [options.index(plain(each)) for each in hole.prior.items]
        return list(range(hole.fewest if hole.kind == "subset" else len(hole.options)))

    @staticmethod
    def prior_node(hole: Hole) -> Node:
        """Return the option that a choice's prior names."""
        number = prior_option(hole)
        assert number is not None, "a prior was checked"
        return hole.options[number]

    # layouts

    def rule(self, key: str, settled: Any) -> PlaceRule:
        """Return the rule of a settled `$place`; equal ones are read once.

        Raises:
            PlaceError: it is wrong.
        """
        rule = self._rules.get(key)
        if rule is None:
            if len(self._rules) > MAX_RULES:
                self._rules.clear()
            rule = self._rules[key] = PlaceRule.of(settled)
        return rule

    def layout(self, hole: Hole, rule: PlaceRule, answer: Answer) -> Node:
        """Ask for a layout and return it as a list of blocks."""
        code = [
            min(int(_real(answer(decision)) * (high + 1)), high)
            for decision, high in zip(self.places(hole, rule), rule.draws, strict=True)
        ]
        names = rule.decode(code)
        listed = List(hole.node.mark, flow=True)
        listed.path = hole.node.path
        for name in names:
            each = Scalar(hole.node.mark, name, name)
            each.path, each.level = hole.node.path, 0
            listed.items.append(each)
        listed.level = 0
        return listed

    def places(self, hole: Hole, rule: PlaceRule) -> list[Decision]:
        """Return the questions of a layout."""
        return [_share(f"{hole.path}[{number}]", prior) for number, prior in enumerate(self._prior_code(hole, rule))]

    @staticmethod
    def prior_complaint(hole: Hole, rule: PlaceRule) -> str:
        """Say why the prior of a `$place` is no layout of a rule; nothing when it is one."""
        if hole.prior is None:
            return ""
        try:
            rule.encode(expand(read_stack(plain(hole.prior))))
        except TextError as error:
            return error.message
        return ""

    @staticmethod
    def _prior_code(hole: Hole, rule: PlaceRule) -> list[float]:
        """Return the shares of the prior layout; of one that is evenly spread, where there is none that fits."""
        draws = rule.draws
        if hole.prior is not None:
            try:
                code = rule.encode(expand(read_stack(plain(hole.prior))))
                return [round((draw + 0.5) / (high + 1), 6) for draw, high in zip(code, draws, strict=True)]
            except TextError:
                pass
        count = max(1, rule.placed)
        spread = [round((number + 0.5) / count, 6) for number in range(rule.placed)]
        return spread + [0.0] * (len(draws) - rule.placed)


def _share(path: str, prior: float) -> Decision:
    return Decision(path, "float", low=0.0, high=1.0, prior=prior)


def _real(value: Value) -> float:
    assert isinstance(value, int | float), f"a share is a number, not {value!r}"
    return float(value)


def _scalar(hole: Hole, value: Value) -> Node:
    node = Scalar(hole.node.mark, value, str(value))
    node.path, node.level, node.replaced = hole.node.path, 0, hole.node.replaced
    return node
