"""Whether a Hugging Face family holds an architecture: write its configuration, read it back, compare. No torch.

There is one definition of what a family can be, its reader. Whatever comes back different is a reason against it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.export.families import FAMILIES
from lfm_arch.export.family import Family, check_keys
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.graph import Graph
from lfm_arch.spec.arch import ArchSpec, Layer


@dataclass(frozen=True, slots=True)
class Fit:
    """A family and what speaks against it; nothing does when it holds the architecture exactly."""

    family: Family
    config: dict[str, Any]
    reasons: tuple[Diagnostic, ...]
    weight: int
    """How many layers and parts are not the family's."""


def best_fit(graph: Graph, family: str | None = None) -> Fit:
    """Return the first family that holds a graph, or else the one that comes closest.

    Args:
        graph: a complete graph.
        family: ask only this one.
    """
    wanted = FAMILIES.values() if family is None else (FAMILIES[family],)
    fits: list[Fit] = []
    for each in wanted:
        found = fit(graph, each)
        if not found.reasons:
            return found
        fits.append(found)
    return min(fits, key=lambda found: found.weight)


def refuse_misfit(found: Fit) -> None:
    """Raise every reason.

    Raises:
        BuildError: E840.
    """
    if found.reasons:
        raise BuildError(found.reasons)


def fit(graph: Graph, family: Family) -> Fit:
    """Compare a graph with what a family can be."""
    reasons = list(_around(graph, family))
    weight = len(reasons) + len(graph.layers) * bool(reasons)
    config = family.write(graph)
    reading = check_keys(family, config)
    theirs = family.read(reading)
    reasons += [_reason(family, f"{each.message}", because=each.because) for each in reading.problems]
    reasons += [_reason(family, message, because="the class refuses it") for message in family.limits(config)]
    weight += len(graph.layers) * bool(reading.problems)
    if theirs is not None:
        for found, layers in _layers(graph, theirs, family).items():
            weight += len(layers)
            reasons.append(found.told(graph, layers, family))
        mine, final = next((node.part for node in graph.of("norm")), None), theirs.final_norm
        if mine != final:
            reasons += [
                _reason(family, f"{name} is {_told(ours)}, {family.model_type} has {_told(wanted)} there")
                for name, ours, wanted in _differences(mine, final, "final_norm")
            ]
    return Fit(family, config, tuple(reasons), weight + len(reasons))


def _around(graph: Graph, family: Family) -> Iterator[Diagnostic]:
    """Yield what is around the layers and in no configuration."""
    featurizers, heads = graph.of("featurizer"), graph.of("head")
    what = f"a {family.model_type} reads token ids through one token_embedding"
    for node in featurizers:
        if not isinstance(node.part, TokenEmbedding):
            yield _reason(family, f"{node.id} is a {node.part.type}", because=what, path=f"featurizers.{node.id}")
        elif node.part.scale is not None:
            message = f"{node.id} has scale={node.part.scale:g}"
            yield _reason(family, message, because="its embeddings are not scaled", path=f"featurizers.{node.id}.scale")
    if len(featurizers) != 1:
        yield _reason(family, f"the model has {len(featurizers)} inputs", because=what)
    for node in heads:
        if not isinstance(node.part, LMHead):
            message = f"{node.id} is a {getattr(node.part, 'type', 'head')}"
            yield _reason(family, message, because="its head is one lm_head", path=f"heads.{node.id}")
        elif isinstance(featurizers[0].part if featurizers else None, TokenEmbedding):
            rows = featurizers[0].part.vocab_size
            if node.part.vocab_size != rows:
                message = f"{node.id} scores {node.part.vocab_size} tokens, the embedding has {rows}"
                yield _reason(family, message, because="one vocab_size is for both", path=f"heads.{node.id}.vocab_size")
    if len(heads) != 1:
        yield _reason(family, f"the model has {len(heads)} heads", because="its head is one lm_head")
    for node in graph.of("shared"):
        readers = ", ".join(dict.fromkeys(edge.target for edge in graph.out_of(node.id))) or "nobody"
        message = f"{graph.owner(node.id)} shares with {readers}"
        yield _reason(family, message, because="every layer has weights and features of its own", path=node.path)


@dataclass(frozen=True, slots=True)
class _Difference:
    slot: str
    field: str
    ours: str
    theirs: str

    def told(self, graph: Graph, layers: list[int], family: Family) -> Diagnostic:
        where = f"layer {layers[0]}" if len(layers) == 1 else f"layers {_numbers(layers)}"
        part: Layer = graph.layers[layers[0]].part
        path = {"mixer": part.mixer_path, "channel": part.channel_path}.get(self.slot, "")
        if self.slot in ("mixer", "channel") and not self.field:
            holds = family.mixers if self.slot == "mixer" else family.channels
            if self.ours in holds:
                message = f"the {self.slot} of {where} is {self.ours}, {family.model_type} has {self.theirs} there"
            else:
                message = f"the {self.slot} of {where} is {self.ours}, which no {family.model_type} has"
            return _reason(
                family, message, because=f"its {self.slot}s are {' and '.join(holds)}", path=path, graph=graph
            )
        what = self.field if self.slot == "layer" else f"{self.slot} {self.field}"
        message = f"{what} of {where} is {self.ours}, {family.model_type} has {self.theirs} there"
        because = f"one config.json is for all layers of a {family.model_type}"
        return _reason(family, message, because=because, path=f"{path}.{self.field}" if path else "", graph=graph)


def _layers(graph: Graph, theirs: ArchSpec, family: Family) -> dict[_Difference, list[int]]:
    found: dict[_Difference, list[int]] = {}
    for number, (node, wanted) in enumerate(zip(graph.layers, theirs.layers, strict=True)):
        part: Layer = node.part
        pairs = [(slot, getattr(part, slot), getattr(wanted, slot)) for slot in ("mixer", "channel", "norm")]
        for slot, ours, expected in pairs:
            for name, mine, yours in _differences(ours, expected):
                found.setdefault(_Difference(slot, name, _told(mine), _told(yours)), []).append(number)
        if part.placement != wanted.placement:
            found.setdefault(_Difference("layer", "placement", part.placement, wanted.placement), []).append(number)
    del family
    return found


def _differences(ours: Any, theirs: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (field, ours, theirs); the field is the prefix alone where the parts are of different types."""
    if ours == theirs:
        return
    if type(ours) is not type(theirs) or not isinstance(ours, BaseModel):
        yield prefix, ours, theirs
        return
    for name in type(ours).model_fields:
        inner = f"{prefix}.{name}" if prefix else name
        yield from _differences(getattr(ours, name), getattr(theirs, name), inner)


def _numbers(layers: list[int]) -> str:
    return ", ".join(map(str, layers)) if len(layers) < 8 else f"{layers[0]}, {layers[1]}, ... ({len(layers)} layers)"


def _told(value: Any) -> str:
    if isinstance(value, BaseModel):
        kind = getattr(value, "type", type(value).__name__)
        return str(kind)
    return "absent" if value is None else str(value)


def _reason(
    family: Family, message: str, *, because: str = "", path: str = "", graph: Graph | None = None
) -> Diagnostic:
    place = graph.spec.place(path) if graph is not None and graph.spec is not None and path else None
    return Diagnostic(
        "E840", message, place, path, because=because or f"{family.architecture} has no such thing",
        help="export with --to hf-custom, which holds any language model",
    )  # fmt: skip
