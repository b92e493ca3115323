"""What a candidate costs before anything is trained: exact counts, modelled speed, budgets it breaks. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lfm_arch.core.errors import Diagnostic, SearchError
from lfm_arch.graph.compile import check_constraints, compile_graph
from lfm_arch.graph.count import Totals, totals
from lfm_arch.graph.graph import Graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.graph.picture import FoldedRow, fold
from lfm_arch.hardware.estimate import Estimate, Number, estimate
from lfm_arch.search.metric import METRICS, metric
from lfm_arch.search.record import Value, Violation
from lfm_arch.search.study import Setup
from lfm_arch.spec.arch import ArchSpec

_DRAWN = ("name", "repeat", "layers", "links", "params", "mixer", "mixer_type", "windowed", "channel")


@dataclass(frozen=True)
class Cost:
    """One candidate, counted and estimated."""

    spec: ArchSpec
    graph: Graph
    id: str
    totals: Totals
    estimates: tuple[Estimate, ...]
    """One for each profile."""
    values: Mapping[str, Value]
    """Every count and hardware metric that is known."""
    violations: tuple[Violation, ...]
    constraints: Mapping[str, float]
    """Constraint and budget -> how far beyond the limit, in parts of it; at most 0 when it holds."""

    @property
    def unproven(self) -> dict[str, str]:
        """Operators that a profile's runtime is not known to support -> on which profile, and what is known."""
        return {
            operator: f"{status} on {each.profile.name} ({each.use.name})"
            for each in self.estimates
            for operator, status in each.unproven.items()
        }

    def drawing(self) -> list[dict[str, Any]]:
        """Return the folded layers for a picture, with the time of one decoding step on the first profile."""
        nodes = {node.node: node for node in self.estimates[0].nodes}

        def row(folded: FoldedRow) -> dict[str, Any]:
            drawn: dict[str, Any] = {key: value for key, value in folded.items() if key in _DRAWN}
            children = folded.get("children")
            if children is not None:
                return drawn | {"children": [row(child) for child in children]}
            each = [nodes[f"layers.{number}"] for number in folded["indices"]]
            return drawn | {
                "seconds": sum(node.decode_s for node in each) / len(each),
                "bound": each[0].decode_bound,
            }

        return [row(folded) for folded in fold(self.graph)]


def cost(spec: ArchSpec, setup: Setup) -> Cost:
    """Count and estimate a candidate, and check constraints and budgets.

    Raises:
        GraphError: it is no legal architecture.
        ProfileError: a profile cannot answer at all.
        SearchError: E957, an objective or budget has no known value on this hardware.
    """
    graph = compile_graph(spec)
    counted = totals(graph)
    scenario = setup.study.scenario.scenario()
    estimates = tuple(estimate(graph, profile, scenario, runtime=setup.study.runtime) for profile in setup.profiles)
    values: dict[str, Value] = {
        name: Value(value=getattr(counted, name), unit=METRICS[name].unit, kind="exact")
        for name, known in METRICS.items()
        if known.origin == "count"
    }
    for name, known in METRICS.items():
        if known.origin == "hardware":
            for key, each in zip(setup.spread(name), estimates, strict=True):
                number = each.numbers[name]
                if number.value is not None:
                    values[key] = _value(number, number.value)
    _known(setup, values)
    violations = [
        Violation(check=each.check, why=each.why, value=each.value, limit=each.limit)
        for each in check_constraints(graph, spec)
    ]
    constraints = {each.check: 0.0 for each in spec.constraints}
    constraints |= {each.check: _excess(each.value, each.limit) for each in violations}
    for name, limit in setup.limits.items():
        value = values[name].value
        constraints[name] = value / limit - 1
        if value > limit:
            why = f"the study's budget of {metric(name).title}"
            violations.append(Violation(check=f"{name} <= {limit:g}", why=why, value=value, limit=limit))
    for each in estimates:
        capacity = each.capacity_bytes
        if capacity is not None and each.memory_bytes > capacity:
            check = f"memory_bytes <= {each.profile.name}"
            why = "the device has no more memory"
            violations.append(Violation(check=check, why=why, value=each.memory_bytes, limit=capacity))
            constraints[check] = each.memory_bytes / capacity - 1
    return Cost(
        spec=spec,
        graph=graph,
        id=architecture_id(graph),
        totals=counted,
        estimates=estimates,
        values=values,
        violations=tuple(violations),
        constraints=constraints,
    )


def _value(number: Number, value: float) -> Value:
    note = "; ".join(part for part in (f"tier {number.tier}" if number.tier else "", number.note) if part)
    return Value(value=value, unit=number.unit, kind=number.kind, low=number.low, high=number.high, note=note)


def _excess(value: float | None, limit: float | None) -> float:
    """How far a constraint is missed, in parts of its limit; 1 where it has no numbers."""
    if value is None or limit is None:
        return 1.0
    return max(abs(value - limit) / max(abs(limit), 1e-12), 1e-9)


def _known(setup: Setup, values: Mapping[str, Value]) -> None:
    for name in (*setup.objectives, *setup.limits):
        if metric(name).origin != "quality" and name not in values:
            what = "objective" if name in setup.objectives else "budget"
            raise SearchError(
                Diagnostic(
                    "E957",
                    f"{metric(name).title} is unknown on {', '.join(each.name for each in setup.profiles)}",
                    path=f"{'objectives' if what == 'objective' else 'budgets'}.{name}",
                    because="an unknown number is not guessed, and nothing can be ordered by it",
                    help=f"leave this {what} out, or choose other hardware",
                )
            )
