"""Sharing: what several parts own together, or compute once, becomes a node with an owner and readers.

Weights that two declarations share transitively are one copy: when the passes of a depth group share everything and a
`sharing` entry joins channel mixers across them, all of those are one. Slots that the same layers share are one node.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from lfm_arch.graph.graph import Edge, Graph, Node, Slot
from lfm_arch.graph.memory import remembered
from lfm_arch.operators.base import Operator
from lfm_arch.spec.arch import ArchSpec, DepthGroup, Layer, SharedFeatures, SharedWeights

SLOTS: tuple[Slot, ...] = ("mixer", "channel", "norm")


def declared_sharing(spec: ArchSpec) -> tuple[list[Node], tuple[Edge, ...]]:
    """Make the shared nodes of a spec, and the edges to and from them.

    Entries that name no layers, or fewer than two, make none.
    """
    if not (spec.shared_weights or spec.shared_features or spec.shared_featurizers or spec.groups):
        return [], ()
    nodes: list[Node] = []
    edges: list[Edge] = []

    def add(node: Node, owner: str, readers: Iterable[str], ports: Iterable[str]) -> None:
        nodes.append(node)
        edges.append(Edge(owner, node.id, "owns"))
        edges.extend(Edge(node.id, reader, port) for reader in readers for port in ports)

    for number, (slots, layers, path) in enumerate(_weight_groups(spec)):
        part = SharedWeights(what=("layer",) if slots == SLOTS else slots, layers=layers, path=path)
        owner, *readers = (f"layers.{each}" for each in layers)
        present = [slot for slot in slots if _held(spec.layers[layers[0]], slot)]
        add(Node(f"shared.weights.{number}", "shared", part, path=path), owner, readers, _ports(present, "weights"))
    seen: dict[str, int] = {}
    for shared in sorted(spec.shared_features, key=lambda each: each.layers[:1]):
        layers = tuple(dict.fromkeys(each for each in shared.layers if 0 <= each < len(spec.layers)))
        # a reader ahead of its owner would close a circle; a rule reports it
        layers = tuple(each for each in layers if each >= layers[0])
        if len(layers) < 2:
            continue
        number = seen[shared.feature] = seen.get(shared.feature, -1) + 1
        owner, *readers = (f"layers.{each}" for each in layers)
        part = shared.model_copy(update={"layers": layers})
        node = Node(f"shared.{shared.feature}.{number}", "shared", part, path=shared.path)
        nodes.append(node)
        edges.append(Edge(owner, node.id, "owns"))
        edges.extend(
            Edge(node.id, reader, f"{slot}.{shared.feature}")
            for reader, layer in zip(readers, layers[1:], strict=True)
            for slot in slots_reading(spec.layers[layer], shared.feature)
        )
    for number, together in enumerate(spec.shared_featurizers):
        known = [name for name in dict.fromkeys(together.featurizers) if name in spec.featurizers]
        if len(known) > 1:
            node = Node(f"shared.featurizers.{number}", "shared", together, path=together.path)
            add(node, known[0], known[1:], ("weights",))
    return nodes, tuple(edges)


def share(graph: Graph) -> Graph:
    """Replace the operators of layers that take a feature from an earlier one."""
    layers: dict[str, Layer] = {node.id: node.part for node in graph.layers}
    changed: dict[str, Layer] = {}
    for node in graph.of("shared"):
        if not isinstance(node.part, SharedFeatures):
            continue
        feature = node.part.feature
        for edge in graph.out_of(node.id):
            layer = changed.get(edge.target, layers[edge.target])
            slot = edge.port.partition(".")[0]
            changed[edge.target] = layer.model_copy(update={slot: reader_of(getattr(layer, slot), feature)})
    if not changed:
        return graph
    return graph.replacing(*(_with_part(graph[layer_id], layer) for layer_id, layer in changed.items()))


@remembered
def reader_of(operator: Operator, feature: str) -> Operator | None:
    """Return the operator as it is when it takes a feature from an earlier layer; None when it never could."""
    if feature in operator.takes:
        return operator
    return operator.reader(feature) if feature in operator.computes else None


def computes(operator: Operator | None, feature: str) -> bool:
    """Whether a part of a layer computes a feature that later layers could take."""
    return operator is not None and feature in operator.computes


def slot_with(layer: Layer, feature: str) -> Literal["mixer", "channel"]:
    """Return which part of a layer hands a feature on; the mixer when both could, or neither."""
    if computes(layer.channel, feature) and not computes(layer.mixer, feature):
        return "channel"
    return "mixer"


def slots_reading(layer: Layer, feature: str) -> list[Literal["mixer", "channel"]]:
    """Return the parts of a layer that take a feature, once the layer is made to read it: all that can."""
    operators: tuple[tuple[Literal["mixer", "channel"], Operator | None], ...] = (
        ("mixer", layer.mixer),
        ("channel", layer.channel),
    )
    return [slot for slot, operator in operators if operator is not None and reader_of(operator, feature) is not None]


def slots_of(shared: SharedWeights) -> tuple[Slot, ...]:
    """Return the pieces of a layer that an entry is about."""
    return SLOTS if "layer" in shared.what else tuple(slot for slot in SLOTS if slot in shared.what)


def weight_declarations(spec: ArchSpec) -> Iterator[tuple[tuple[Slot, ...], tuple[int, ...], str]]:
    """Yield (slots, layers, path) for `sharing` entries, and for each position of groups whose passes share."""
    for shared in spec.shared_weights:
        slots = slots_of(shared)
        yield slots, tuple(each for each in shared.layers if 0 <= each < len(spec.layers)), shared.path
    for number, group in enumerate(spec.groups):
        if group.share == "none" or group.repeat < 2 or (group.stop - group.start) % group.repeat:
            continue
        slots: tuple[Slot, ...] = (
            SLOTS if group.share == "weights" else ("mixer",) if group.share == "mixer" else ("channel",)
        )
        period = (group.stop - group.start) // group.repeat
        for first in range(group.start, group.start + period):
            layers = tuple(each for each in range(first, group.stop, period) if each < len(spec.layers))
            yield slots, layers, f"depth_groups[{number}].share"


def _weight_groups(spec: ArchSpec) -> list[tuple[tuple[Slot, ...], tuple[int, ...], str]]:
    """Join what is shared transitively, slot by slot, then slots that the same layers share."""
    declared = list(weight_declarations(spec))
    by_layers: dict[tuple[int, ...], tuple[list[Slot], str]] = {}
    for slot in SLOTS:
        joined: list[tuple[set[int], str]] = []
        for slots, layers, path in declared:
            if slot not in slots or len(set(layers)) < 2:
                continue
            members, first_path = set(layers), path
            apart: list[tuple[set[int], str]] = []
            for others, other_path in joined:
                if others & members:
                    members, first_path = members | others, other_path
                else:
                    apart.append((others, other_path))
            joined = [*apart, (members, first_path)]
        for members, path in joined:
            by_layers.setdefault(tuple(sorted(members)), ([], path))[0].append(slot)
    return [(tuple(slots), layers, path) for layers, (slots, path) in sorted(by_layers.items())]


def _ports(slots: Iterable[str], port: str) -> list[str]:
    return [f"{slot}.{port}" for slot in slots]


def _held(layer: Layer, slot: Slot) -> bool:
    return slot == "norm" or getattr(layer, slot) is not None


def _with_part(node: Node, layer: Layer) -> Node:
    return Node(node.id, node.kind, layer, node.type, node.path)


def passes_of(group: DepthGroup) -> Sequence[range]:
    """Return the layers of each pass over a group's stack."""
    period = (group.stop - group.start) // group.repeat
    return [range(start, start + period) for start in range(group.start, group.start + period * group.repeat, period)]
