"""What every candidate must satisfy, computed over the names of the file, the fields of operators and exact counts.

A name in a constraint means, in this order:

1. a name under `dims`, and `vars.<name>`;
2. a count of the whole model, as `params` (see `COUNTS`);
3. a field of a layer's mixer or channel mixer, as `num_kv_heads`; the constraint then must hold in every layer that has
   all such fields it names, and holds when none has. `mixer.bias` and `channel.bias` say which part is meant.

Counting is put off until a constraint asks for it, and constraints that never ask come first.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from lfm_arch.core.errors import Diagnostic, GraphError
from lfm_arch.graph.count import Totals, totals
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.base import Part
from lfm_arch.operators.registry import operators
from lfm_arch.spec.arch import ArchSpec, Constraint, Layer
from lfm_arch.spec.expression import Expression, ExpressionError, evaluate, parse
from lfm_arch.spec.syntax import Chain

COUNTS: Mapping[str, tuple[str, Callable[[Totals], Any]]] = {
    "params": ("parameters", lambda counted: counted.params),
    "active_params": ("parameters that one token uses", lambda counted: counted.active_params),
    "flops_per_token": ("FLOPs of one token on its own", lambda counted: counted.flops_per_token),
    "kv_elements_per_token": (
        "elements of growing cache for each token",
        lambda counted: counted.kv_elements_per_token,
    ),
    "kv_bytes_per_token": ("the same in bytes of 16 bit elements", lambda counted: counted.kv_bytes_per_token),
    "window_elements": ("elements of full windows, one sequence", lambda counted: counted.window_elements),
    "fixed_state_elements": ("elements of fixed state, one sequence", lambda counted: counted.fixed_state_elements),
    "fixed_state_bytes": ("windows and fixed state in bytes", lambda counted: counted.fixed_state_bytes),
    "layout": ("one letter a layer", lambda counted: counted.layout),
}
"""Name -> what it counts."""
_SIZES: Mapping[str, Callable[[ArchSpec], Any]] = {
    "hidden_size": lambda spec: spec.hidden_size,
    "layers": lambda spec: len(spec.layers),
}
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


@dataclass(frozen=True, slots=True)
class Violation:
    """A constraint that does not hold."""

    check: str
    why: str = ""
    value: float | None = None
    """Left side of a comparison of numbers."""
    limit: float | None = None
    """Right side of it."""
    layer: int | None = None
    """The first layer where it does not hold; None when it is about the whole model."""
    path: str = ""

    def diagnostic(self, spec: ArchSpec) -> Diagnostic:
        """Say it as a mistake of a model that has no other choice."""
        where = "" if self.layer is None else f" in layer {self.layer}"
        sides = "" if self.value is None or self.limit is None else f": {_number(self.value)} and {_number(self.limit)}"
        return Diagnostic(
            "E511",
            f"`{self.check}` does not hold{where}{sides}",
            spec.place(self.path),
            self.path,
            because=self.why or "every constraint of a file must hold",
        )


def check_constraints(graph: Graph, spec: ArchSpec) -> list[Violation]:
    """Return every constraint of `spec` that does not hold, cheap ones first.

    Raises:
        GraphError: E510 a constraint that is not true or false, E3xx one that cannot be computed.
    """
    found: list[Violation] = []
    mistakes: list[Diagnostic] = []
    counted = _Counted(graph)
    parsed: list[tuple[bool, Constraint, Expression]] = []
    for constraint in spec.constraints:
        try:
            expression = _parsed(constraint.check)
        except ExpressionError as error:
            mistakes.append(_located(error, constraint, spec))
            continue
        dear = any(name in COUNTS and name not in spec.dims for name in expression.names)
        parsed.append((dear, constraint, expression))
    for _, constraint, expression in sorted(parsed, key=lambda each: each[0]):
        try:
            violation = _violation(expression, constraint, spec, counted)
        except ExpressionError as error:
            mistakes.append(_located(error, constraint, spec))
        except _NotABooleanError as error:
            mistakes.append(
                Diagnostic(
                    "E510",
                    f"`{constraint.check}` is {error}",
                    spec.place(constraint.path),
                    constraint.path,
                    because="a constraint is true or false",
                    help="compare it with something, as in `params <= 1.2 G`",
                )
            )
        else:
            found += [violation] if violation is not None else []
    if mistakes:
        raise GraphError(mistakes)
    return found


class _NotABooleanError(Exception):
    pass


class _Counted(Mapping[str, Any]):
    """The counts of a graph, made when the first is asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @cached_property
    def _totals(self) -> Totals:
        return totals(self._graph)

    def __getitem__(self, name: str) -> Any:
        return COUNTS[name][1](self._totals)

    def __iter__(self) -> Iterator[str]:
        return iter(COUNTS)

    def __len__(self) -> int:
        return len(COUNTS)


class _Names(Mapping[str, Any]):
    """Several mappings read as one, the first that knows a name answers."""

    def __init__(self, *layers: Mapping[str, Any]) -> None:
        self._layers = layers

    def __getitem__(self, name: str) -> Any:
        for each in self._layers:
            if name in each:
                return _plain(each[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for each in self._layers for name in each))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _violation(expression: Expression, constraint: Constraint, spec: ArchSpec, counted: _Counted) -> Violation | None:
    sizes = {name: read(spec) for name, read in _SIZES.items()}
    whole = (spec.dims, {"vars": spec.vars, **sizes}, counted)
    local = [name for name in expression.names if not any(name in each for each in whole)]
    if not local:
        return _checked(expression, constraint, _Names(*whole), None)
    seen: set[tuple[object, object]] = set()
    everywhere: dict[str, Any] = {}
    for number, layer in enumerate(spec.layers):
        if (layer.mixer, layer.channel) in seen:
            continue
        seen.add((layer.mixer, layer.channel))
        fields = _fields(layer)
        everywhere.update(fields)
        if all(name in fields for name in local):
            violation = _checked(expression, constraint, _Names(*whole, fields), number)
            if violation is not None:
                return violation
    missing = [name for name in local if name not in everywhere]
    if any(name not in _known_fields() for name in missing):
        # no operator has it: let the evaluator say so, with the names that there are
        return _checked(expression, constraint, _Names(*whole, everywhere), None)
    return None


@lru_cache(maxsize=1)
def _known_fields() -> frozenset[str]:
    """Every field of every operator: a candidate whose layers lack one has no layer where the rule could fail."""
    return frozenset({"mixer", "channel"} | {name for each in operators().values() for name in each.model_fields})


def _checked(
    expression: Expression, constraint: Constraint, names: Mapping[str, Any], layer: int | None
) -> Violation | None:
    holds = evaluate(expression, names)
    if not isinstance(holds, bool):
        raise _NotABooleanError(f"{holds!r}" if holds is not None else "null")
    if holds:
        return None
    value, limit = _sides(expression, names)
    return Violation(constraint.check, constraint.why, value, limit, layer, constraint.path)


def _sides(expression: Expression, names: Mapping[str, Any]) -> tuple[float | None, float | None]:
    root = expression.root
    if not isinstance(root, Chain) or len(root.links) != 1 or root.links[0].word not in _COMPARISONS:
        return None, None
    sides = [evaluate(Expression(expression.text, side), names) for side in (root.first, root.links[0].operand)]
    left, right = (side if isinstance(side, int | float) and not isinstance(side, bool) else None for side in sides)
    return left, right


def _fields(layer: Layer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for slot, part in (("channel", layer.channel), ("mixer", layer.mixer)):
        if part is not None:
            found |= {name: getattr(part, name) for name in type(part).model_fields}
            found[slot] = part
    return found


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, Part) else value


def _located(error: ExpressionError, constraint: Constraint, spec: ArchSpec) -> Diagnostic:
    path = f"{constraint.path}.check" if constraint.path else ""
    return error.diagnostic(spec.place(path), path, constraint.check)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


@lru_cache(maxsize=256)
def _parsed(text: str) -> Expression:
    return parse(text)
