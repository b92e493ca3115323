"""What differs between two architectures: their layers aligned, then everything around them.

Layers are aligned like lines of text: a layer is kept, changed, removed or inserted, and a change of a few fields is
nearer than a removal with an insertion. A change that several layers have is told once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lfm_arch.graph.brief import brief
from lfm_arch.graph.count import Totals, totals
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.identity import architecture_id
from lfm_arch.graph.memory import remembered
from lfm_arch.graph.picture import spell
from lfm_arch.graph.rule import spec_of
from lfm_arch.graph.sharing import slots_of
from lfm_arch.operators.base import Part
from lfm_arch.spec.arch import Layer, SharedFeatures, SharedFeaturizers, SharedWeights

Kind = Literal["added", "removed", "changed"]
_GAP = 1.0
_OTHER_TYPE, _FIELD = 0.7, 0.1
"""How far parts of different types, and one different field, are from equal; two gaps are the farthest."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `Change("changed", "layers", "2, 5", "2, 5", ("mixer.num_kv_heads 8 -> 4",))`."""

    kind: Kind
    what: str
    """`layers`, `featurizers.text`, `heads.lm`, `fusion`, `final_norm`, `sharing`, `hidden_size`."""
    before: str = ""
    """What it was, or which layers; empty for what was added."""
    after: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Two architectures compared."""

    equal: bool
    """Whether they compute the same, whatever their parts are called."""
    changes: tuple[Change, ...]
    before: Totals
    after: Totals

    def as_json(self) -> dict[str, Any]:
        counts = {name: {"before": getattr(self.before, name), "after": getattr(self.after, name)} for name in COMPARED}
        return {"equal": self.equal, "changes": [asdict(each) for each in self.changes], "counts": counts}


COMPARED: tuple[str, ...] = (
    "params",
    "active_params",
    "layers",
    "layout",
    "flops_per_token",
    "kv_bytes_per_token",
    "window_elements",
    "fixed_state_bytes",
)


def diff(before: Graph, after: Graph) -> Difference:
    """Compare two compiled graphs."""
    equal = architecture_id(before) == architecture_id(after)
    changes = () if equal else tuple(_changes(before, after))
    return Difference(equal, changes, totals(before), totals(after))


def _changes(before: Graph, after: Graph) -> Iterator[Change]:
    if before.width != after.width:
        yield Change("changed", "hidden_size", str(before.width), str(after.width))
    yield from _parts(spec_of(before).featurizers, spec_of(after).featurizers, "featurizers.")
    yield from _one(_fusion(before), _fusion(after), "fusion")
    mine, theirs = _declared(before), _declared(after)
    pairs = align(mine, theirs)
    yield from _layers(mine, theirs, pairs)
    yield from _sharing(before, after, pairs)
    yield from _one(_norm(before), _norm(after), "final_norm")
    # as they are written, so that a head does not change because what it is tied to does
    yield from _parts(spec_of(before).heads, spec_of(after).heads, "heads.")


def _parts(mine: Mapping[str, Part], theirs: Mapping[str, Part], prefix: str) -> Iterator[Change]:
    for name in {**mine, **theirs}:
        yield from _one(mine.get(name), theirs.get(name), f"{prefix}{name}")


def _one(mine: Part | None, theirs: Part | None, what: str) -> Iterator[Change]:
    if mine == theirs:
        return
    if mine is None or theirs is None:
        kind: Kind = "added" if mine is None else "removed"
        yield Change(kind, what, brief(mine) if mine is not None else "", brief(theirs) if theirs is not None else "")
        return
    if type(mine) is not type(theirs):
        yield Change("changed", what, brief(mine), brief(theirs))
        return
    yield Change("changed", what, details=tuple(_fields(mine, theirs)))


def _fields(mine: Part, theirs: Part, path: str = "") -> Iterator[str]:
    for name in type(mine).model_fields:
        left, right = getattr(mine, name), getattr(theirs, name)
        if left == right:
            continue
        if isinstance(left, Part) and type(left) is type(right):
            yield from _fields(left, right, f"{path}{name}.")
        else:
            yield f"{path}{name} {_value(left)} -> {_value(right)}"


def _value(value: object) -> str:
    if isinstance(value, Part):
        return brief(value)
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _fusion(graph: Graph) -> Part | None:
    return graph["fusion"].part if "fusion" in graph else None


def _norm(graph: Graph) -> Part | None:
    return graph["final_norm"].part if "final_norm" in graph else None


# layers

Pair = tuple[int | None, int | None]


def align(before: Sequence[Layer], after: Sequence[Layer]) -> list[Pair]:
    """Pair layers by number; None stands where one side has no counterpart."""
    rows, columns = len(before), len(after)
    known: dict[tuple[int, int], float] = {}
    cost = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            if i == rows or j == columns:
                cost[i][j] = _GAP * (rows - i + columns - j)
                continue
            known[i, j] = _distance(before[i], after[j])
            cost[i][j] = min(known[i, j] + cost[i + 1][j + 1], _GAP + cost[i + 1][j], _GAP + cost[i][j + 1])
    pairs: list[Pair] = []
    i = j = 0
    while i < rows or j < columns:
        if i < rows and j < columns and cost[i][j] == known[i, j] + cost[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif i < rows and cost[i][j] == _GAP + cost[i + 1][j]:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return pairs


@remembered
def _distance(mine: Layer, theirs: Layer) -> float:
    parts = ((mine.mixer, theirs.mixer), (mine.channel, theirs.channel), (mine.norm, theirs.norm))
    return sum(_apart(left, right) for left, right in parts) + _FIELD * (mine.placement != theirs.placement)


def _apart(mine: Part | None, theirs: Part | None) -> float:
    if mine == theirs:
        return 0.0
    if type(mine) is not type(theirs) or mine is None:
        return _OTHER_TYPE
    fields = type(mine).model_fields
    return min(_OTHER_TYPE, _FIELD * sum(getattr(mine, name) != getattr(theirs, name) for name in fields))


def _declared(graph: Graph) -> list[Layer]:
    """Return the layers with their experts, but as they are before they take features: sharing is told by itself."""
    found: list[Layer] = []
    for node, written in zip(graph.layers, spec_of(graph).layers, strict=True):
        layer: Layer = node.part
        computing = {slot: part for slot in ("mixer", "channel") if (part := getattr(written, slot)) and not part.takes}
        back = {slot: part for slot, part in computing.items() if getattr(layer, slot).takes}
        found.append(layer.model_copy(update=back) if back else layer)
    return found


def _layers(before: Sequence[Layer], after: Sequence[Layer], pairs: Sequence[Pair]) -> Iterator[Change]:
    """Say every change once, with all layers that it is in."""
    changed: dict[str, list[tuple[int, int]]] = {}
    for i, j in pairs:
        if i is not None and j is not None:
            for detail in _layer_fields(before[i], after[j]):
                changed.setdefault(detail, []).append((i, j))
    yield from _gaps(before, [i for i, j in pairs if i is not None and j is None], "removed")
    yield from _gaps(after, [j for i, j in pairs if j is not None and i is None], "added")
    together: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for detail, layers in changed.items():
        together.setdefault(tuple(layers), []).append(detail)
    for layers, details in together.items():
        yield Change("changed", "layers", spell(i for i, _ in layers), spell(j for _, j in layers), tuple(details))


def _layer_fields(mine: Layer, theirs: Layer) -> Iterator[str]:
    for slot in ("mixer", "channel", "norm"):
        left, right = getattr(mine, slot), getattr(theirs, slot)
        if left is not None and type(left) is type(right):
            yield from _fields(left, right, f"{slot}.")
        elif left != right:
            yield f"{slot} {_value(left)} -> {_value(right)}"
    if mine.placement != theirs.placement:
        yield f"placement {mine.placement} -> {theirs.placement}"


def _gaps(layers: Sequence[Layer], numbers: Sequence[int], kind: Kind) -> Iterator[Change]:
    alike: dict[tuple[str, ...], list[int]] = {}
    for number in numbers:
        layer = layers[number]
        parts = (_value(part) for part in (layer.mixer, layer.channel) if part is not None)
        alike.setdefault((f"{layer.block}: {' + '.join(parts)}",), []).append(number)
    for details, those in alike.items():
        before, after = (spell(those), "") if kind == "removed" else ("", spell(those))
        yield Change(kind, "layers", before, after, details)


# sharing


def _sharing(before: Graph, after: Graph, pairs: Sequence[Pair]) -> Iterator[Change]:
    moved = {i: j for i, j in pairs if i is not None}
    theirs = dict(_shared(after, {number: number for number in range(len(after.layers))}))
    mine = dict(_shared(before, moved))
    for key, words in mine.items():
        if key not in theirs:
            yield Change("removed", "sharing", words)
    for key, words in theirs.items():
        if key not in mine:
            yield Change("added", "sharing", after=words)


def _shared(graph: Graph, number: Mapping[int, int | None]) -> Iterator[tuple[tuple[object, ...], str]]:
    """Yield what identifies a shared node once its layers are renumbered, and how it is said."""
    for node in graph.of("shared"):
        what, members = _what(node)
        if isinstance(node.part, SharedFeaturizers):
            yield (what, members), f"{what} of {', '.join(map(str, members))}"
        else:
            places = tuple(number.get(each, None) if isinstance(each, int) else None for each in members)
            yield (what, places), f"{what} of layers {spell(each for each in members if isinstance(each, int))}"


def _what(node: Node) -> tuple[str, tuple[int | str, ...]]:
    part: SharedWeights | SharedFeatures | SharedFeaturizers = node.part
    if isinstance(part, SharedWeights):
        return f"{' and '.join(slots_of(part))} weights", part.layers
    if isinstance(part, SharedFeatures):
        return part.feature, part.layers
    return "featurizer weights", part.featurizers
