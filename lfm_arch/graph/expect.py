"""What a file says must come out, compared with what does."""

from collections.abc import Iterator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import Diagnostic, GraphError
from lfm_arch.core.work import Workload
from lfm_arch.graph.count import count, totals
from lfm_arch.graph.graph import Graph
from lfm_arch.graph.layout import letter
from lfm_arch.spec.arch import ArchSpec

EXPECTATIONS: dict[str, tuple[str, str]] = {
    "E501": ("params", "parameters"),
    "E502": ("active_params", "active parameters"),
    "E503": ("layers", "layers"),
    "E504": ("layout", "layout"),
    "E505": ("kv_bytes_per_token", "bytes of growing cache for each token (16 bit)"),
}
"""Code -> field of `expect`, which `Totals` has too, and what it counts."""


def check_expect(graph: Graph, spec: ArchSpec) -> None:
    """Compare a graph with its spec's `expect`.

    Raises:
        GraphError: E501 to E505, one for each expectation that is not met, with both values and what every layer
            contributes.
    """
    if spec.expect is None:
        return
    counted = totals(graph)
    found: list[Diagnostic] = []
    for code, (name, words) in EXPECTATIONS.items():
        expected, is_now = getattr(spec.expect, name), getattr(counted, name)
        if expected is None or expected == is_now:
            continue
        path = f"expect.{name}"
        if isinstance(expected, int):
            off = is_now - expected
            message = f"{is_now:,} {words}, expected {expected:,} ({'+' if off > 0 else '-'}{abs(off):,})"
        else:
            message = f"{words} {is_now}, expected {expected}{_first_difference(is_now, expected)}"
        found.append(
            Diagnostic(
                code,
                message,
                spec.place(path),
                path,
                because="a file says what it should be, and every build checks it",
                help=f"correct the architecture; or, if it is meant to change, write `{name}: {_written(is_now)}`",
                notes=tuple(_table(graph)) if not found else (),
            )
        )
    if found:
        raise GraphError(found)


def _written(value: object) -> str:
    return f"{value:_}" if isinstance(value, int) else str(value)


def _first_difference(is_now: str, expected: str) -> str:
    for number, (now, wanted) in enumerate(zip(is_now, expected, strict=False)):
        if now != wanted:
            return f": layer {number} is {now}, not {wanted}"
    return f": {len(is_now)} layers, not {len(expected)}"


def _table(graph: Graph) -> Iterator[str]:
    """Lay out what every part contributes, runs of equal layers in one line."""
    costs = count(graph, Workload())
    growing = {
        node.id: 2 * sum(slot.per_token for part in (node.part.mixer, node.part.channel) if part is not None
                         for slot in part.state(graph.width))
        for node in graph.layers
    }  # fmt: skip
    yield f"{'part':<16} {'parameters':>16} {'active':>16} {'cache B/token':>14}"
    run: list[str] = []
    before: tuple[str, Cost, int] | None = None
    for node in graph:
        if node.id not in costs:
            continue
        mark = letter(graph, node) if node.kind == "layer" else node.id
        key = (mark, costs[node.id], growing.get(node.id, 0))
        if before is not None and key != before:
            yield _row(run, before)
            run = []
        run.append(node.id)
        before = key
    if before is not None:
        yield _row(run, before)
    whole = Cost.total(costs.values())
    yield f"{'in total':<16} {whole.params:>16,} {whole.active_params:>16,} {sum(growing.values()):>14,}"


def _row(run: list[str], key: tuple[str, Cost, int]) -> str:
    mark, cost, cache = key
    if run[0].startswith("layers."):
        first, last = (each.removeprefix("layers.") for each in (run[0], run[-1]))
        name = f"layer {first} {mark}" if len(run) == 1 else f"layers {first}..{last} {mark}"
    else:
        name = run[0]
    each = " each" if len(run) > 1 else ""
    return f"{name:<16} {cost.params:>16,} {cost.active_params:>16,} {cache:>14,}{each}"
