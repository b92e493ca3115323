"""What an architecture is, without what it is called: equal architectures have equal ids.

The canonical form leaves out names (of the model, featurizers, blocks, groups, heads), docs, places, dims, constraints
and expectations. Featurizers are numbered in the order in which the stack reads them. A layer is written as its
residual steps, so that a mixer and a channel mixer in one layer or in two that follow each other are the same; parts
are written with all their fields, so that a default is the same written or not.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.memory import remembered
from lfm_arch.graph.sharing import slot_with, slots_of
from lfm_arch.operators.base import Part
from lfm_arch.spec.arch import Fusion, Layer, SharedFeatures, SharedFeaturizers, SharedWeights

_VERSION = 1
_Where = dict[tuple[int, str], tuple[int, int]]
"""(layer, slot) -> (step, place in the step)."""


def architecture_id(graph: Graph) -> str:
    """Return 64 hexadecimal digits that equal architectures share; the first 12 do to tell those of a study apart."""
    text = json.dumps(canonical(graph), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(graph: Graph) -> dict[str, Any]:
    """Return the canonical form, made of plain values."""
    names = _Numbers(graph)
    steps: list[dict[str, Any]] = []
    where: _Where = {}
    for number, node in enumerate(graph.layers):
        steps += _steps(number, node, names, len(steps), where)
    norm = graph.nodes.get("final_norm")
    return {
        "version": _VERSION,
        "width": graph.width,
        "fusion": _fusion(graph, names),
        "steps": steps,
        "final_norm": norm.part.model_dump() if norm is not None else None,
        "heads": sorted((_head(node, names) for node in graph.of("head")), key=_text),
        "weights": sorted(_weights(graph, where), key=_text),
        "features": sorted(_features(graph, where), key=_text),
        # numbered last: whatever reads a featurizer has been seen by now
        "featurizers": [_featurizer(graph, name, names) for name in names.in_order()],
        "featurizer_weights": sorted(
            sorted(names[each] for each in node.part.featurizers)
            for node in graph.of("shared")
            if isinstance(node.part, SharedFeaturizers)
        ),
    }


class _Numbers:
    """Featurizers by number, in the order in which they are first asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._numbers: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    def in_order(self) -> list[str]:
        """Number what featurizers read, too, and return all names by number."""
        seen = 0
        while seen < len(self._numbers):
            name = list(self._numbers)[seen]
            for _, source in sorted(self._graph[name].part.reads.items()):
                _ = self[source]
            seen += 1
        return list(self._numbers)


def _fusion(graph: Graph, names: _Numbers) -> dict[str, Any]:
    if "fusion" not in graph:
        source = graph.into(graph.layers[0].id)["stream"]
        return {"type": "none", "stream": names[source] if graph[source].kind == "featurizer" else None}
    fusion: Fusion = graph["fusion"].part
    streams = list(fusion.streams)
    if fusion.type == "interleave":
        # the text, then the others: their order does not matter, each replaces its own positions
        streams.sort(key=lambda name: (name in fusion.placeholders, fusion.placeholders.get(name, 0)))
    elif fusion.type == "cross_attention":
        streams = streams[:1]
    return {
        "type": fusion.type,
        "streams": [names[name] for name in streams],
        "placeholders": [fusion.placeholders.get(name) for name in streams],
    }


def _steps(number: int, node: Node, names: _Numbers, before: int, where: _Where) -> list[dict[str, Any]]:
    layer: Layer = node.part
    parts = [(slot, part) for slot, part in (("mixer", layer.mixer), ("channel", layer.channel)) if part is not None]
    written = [{"operator": _part(part), "reads": _reads(part, names)} for _, part in parts]
    norm = layer.norm.model_dump()
    # one part in parallel with nothing is pre-norm
    placement = "pre" if layer.placement == "parallel" and len(parts) == 1 else layer.placement
    together = placement == "parallel"
    for offset, (slot, _) in enumerate(parts):
        where[number, slot] = (before, offset) if together else (before + offset, 0)
    if together:
        return [{"norm": norm, "placement": placement, "parts": written}]
    return [{"norm": norm, "placement": placement, "parts": [each]} for each in written]


def _reads(part: Part, names: _Numbers) -> dict[str, int]:
    reads: Mapping[str, str] = getattr(part, "reads", {})
    return {port: names[source] for port, source in sorted(reads.items())}


@remembered
def _part(part: Part) -> dict[str, Any]:
    """Dump a part with the names of featurizers taken out of the fields that hold them."""
    dumped = part.model_dump()
    sources = set(getattr(part, "reads", {}).values())
    return _without(dumped, sources, part) if sources else dumped


def _without(dumped: Any, sources: set[str], part: Any) -> Any:
    """Replace a text by null where it is the name of a featurizer that the part reads.

    A field that merely has the same word, as `type: pooled` beside a featurizer called `pooled`, is told apart by
    asking whether the part would read another featurizer with another text there.
    """
    if isinstance(dumped, dict):
        return {name: _without_field(dumped, name, sources, part) for name in dumped}
    return dumped


def _without_field(dumped: dict[str, Any], name: str, sources: set[str], part: Any) -> Any:
    value = dumped[name]
    held = getattr(part, name)
    if isinstance(held, Part):
        return _without(value, sources, held)
    if isinstance(value, str) and value in sources:
        other = part.model_copy(update={name: "\0"})
        return None if "\0" in getattr(other, "reads", {}).values() else value
    return value


def _head(node: Node, names: _Numbers) -> dict[str, Any]:
    dumped = node.part.model_dump()
    tied = dumped.pop("tied_to", None)
    return {**dumped, "tied_to": names[tied] if tied is not None else None}


def _featurizer(graph: Graph, name: str, names: _Numbers) -> dict[str, Any]:
    part = graph[name].part
    return {"featurizer": _part(part), "reads": _reads(part, names)}


def _weights(graph: Graph, where: _Where) -> list[dict[str, Any]]:
    """Write each copy once: an operator's, or the norms of the steps that a slot became."""
    found: dict[str, dict[str, Any]] = {}
    for node in graph.of("shared"):
        if not isinstance(node.part, SharedWeights):
            continue
        layers = node.part.layers
        for slot in slots_of(node.part):
            # norms belong to the steps of their parts
            for part in ("mixer", "channel") if slot == "norm" else (slot,):
                steps = [where[each, part] for each in layers if (each, part) in where]
                if steps:
                    alone = sorted({step for step, _ in steps}) if slot == "norm" else sorted(steps)
                    copy = {"of": "norm" if slot == "norm" else "operator", "steps": alone}
                    found[_text(copy)] = copy
    return list(found.values())


def _features(graph: Graph, where: _Where) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for node in graph.of("shared"):
        if isinstance(node.part, SharedFeatures):
            owner = graph.owner(node.id)
            slot = slot_with(graph[owner].part, node.part.feature)
            readers = sorted(where[_number(edge.target), _slot(edge.port)] for edge in graph.out_of(node.id))
            found.append({"feature": node.part.feature, "owner": where[_number(owner), slot], "readers": readers})
    return found


def _slot(port: str) -> str:
    return port.partition(".")[0]


def _number(layer_id: str) -> int:
    return int(layer_id.removeprefix("layers."))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
