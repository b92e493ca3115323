"""What must hold of sharing: layers exist, parts are equal, features are computed before they are read."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from lfm_arch.featurizers.base import Featurizer
from lfm_arch.graph.graph import Graph, Node, Slot
from lfm_arch.graph.rule import Finding, layer_path, spec_of
from lfm_arch.graph.sharing import computes, reader_of, slot_with, slots_of, slots_reading
from lfm_arch.operators.base import Operator, Part
from lfm_arch.spec.arch import ArchSpec, Layer, SharedFeatures, SharedFeaturizers, SharedWeights
from lfm_arch.spec.text_error import did_you_mean


def sharing_names_layers(graph: Graph) -> Iterator[Finding]:
    """Every entry names at least two layers that exist, each once."""
    spec = spec_of(graph)
    depth = len(spec.layers)
    for shared in (*spec.shared_weights, *spec.shared_features):
        outside = [each for each in shared.layers if not 0 <= each < depth]
        if outside:
            yield Finding(
                shared.path,
                f"layer {outside[0]} does not exist",
                because="layers are numbered from 0",
                help=f"the stack has {depth} layers, 0 to {depth - 1}",
            )
        elif len(set(shared.layers)) < len(shared.layers):
            twice = next(each for each in shared.layers if shared.layers.count(each) > 1)
            yield Finding(shared.path, f"layer {twice} is named twice", because="a layer owns or reads, not both")
        elif len(shared.layers) < 2:
            yield Finding(
                shared.path,
                f"only layer {shared.layers[0]} shares" if shared.layers else "no layer shares",
                because="sharing takes an owner and at least one reader",
                help="name more layers in `among`, or remove the entry",
            )


def groups_divide(graph: Graph) -> Iterator[Finding]:
    """A depth group is a whole number of equal passes."""
    for number, group in enumerate(spec_of(graph).groups):
        if (group.stop - group.start) % group.repeat:
            yield Finding(
                f"depth_groups[{number}].repeat",
                f"the {group.stop - group.start} layers of {group.name!r} are not {group.repeat} equal passes",
                because="each pass over a stack has the same layers",
            )


def shared_weights_are_equal(graph: Graph) -> Iterator[Finding]:
    """Layers that own one copy of weights declare the same part."""
    spec = spec_of(graph)
    for node in _shared(graph, SharedWeights):
        first, *others = node.part.layers
        for slot in slots_of(node.part):
            owner = graph[f"layers.{first}"].part
            for other in others:
                reader = graph[f"layers.{other}"].part
                why = _why_different(owner, reader, slot)
                if why:
                    as_written = _why_different(spec.layers[first], spec.layers[other], slot)
                    yield Finding(
                        node.path,
                        f"layers {first} and {other} cannot own one {_WORDS[slot]}: {why}",
                        because="one copy of weights serves layers that declare it equally",
                        help=""
                        if as_written
                        else "one of them computes a feature that the other takes from an earlier layer: "
                        "let all of them compute it, or all of them take it",
                        also=(
                            (f"layer {first}", layer_path(spec, first, slot)),
                            (f"layer {other}", layer_path(spec, other, slot)),
                        ),
                    )
                    break


_WORDS = {"mixer": "mixer", "channel": "channel mixer", "norm": "set of norms"}


def _why_different(owner: Layer, reader: Layer, slot: Slot) -> str:
    if slot == "norm":
        halves = [(layer.mixer is not None) + (layer.channel is not None) for layer in (owner, reader)]
        if (owner.norm, owner.placement, halves[0]) == (reader.norm, reader.placement, halves[1]):
            return ""
        if halves[0] != halves[1]:
            return "one of them has a part less"
        return _fields(*({**layer.norm.model_dump(), "placement": layer.placement} for layer in (owner, reader)))
    mine: Operator | None = getattr(owner, slot)
    theirs: Operator | None = getattr(reader, slot)
    # one that takes a feature holds a part of the weights of one that computes it
    if mine == theirs or (mine is not None and theirs in [reader_of(mine, feature) for feature in mine.computes]):
        return ""
    if mine is None or theirs is None:
        return f"one of them has no {_WORDS[slot]}"
    if type(mine) is not type(theirs):
        return f"{type_of(mine)} is not {type_of(theirs)}"
    return _fields(mine.model_dump(), theirs.model_dump())


def _fields(mine: Mapping[str, object], theirs: Mapping[str, object]) -> str:
    """Say which fields differ: `kernel_size 3 and 5`."""
    return ", ".join(_differences(mine, theirs))


def _differences(mine: Mapping[str, object], theirs: Mapping[str, object], path: str = "") -> Iterator[str]:
    for name in {**mine, **theirs}:
        left, right = mine.get(name), theirs.get(name)
        if isinstance(left, dict) and isinstance(right, dict):
            yield from _differences(left, right, f"{path}{name}.")
        elif left != right:
            yield f"{path}{name} {_short(left)} and {_short(right)}"


def _short(value: object) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def type_of(operator: object) -> str:
    """Return the word that a spec writes for a part."""
    return str(getattr(operator, "type", type(operator).__name__))


def owners_come_first(graph: Graph) -> Iterator[Finding]:
    """A feature is computed before anything reads it."""
    for shared in spec_of(graph).shared_features:
        early = [each for each in shared.layers if each < shared.layers[0]]
        if early:
            yield Finding(
                shared.path,
                f"layer {early[0]} reads {shared.feature} of layer {shared.layers[0]}, which comes later",
                because="the first layer named computes, the others read",
                help=f"name layer {min(shared.layers)} first",
            )


def features_are_shared_once(graph: Graph) -> Iterator[Finding]:
    """A layer owns or reads a feature in one entry only."""
    seen: dict[tuple[str, int], SharedFeatures] = {}
    for node in _shared(graph, SharedFeatures):
        for layer in node.part.layers:
            before = seen.setdefault((node.part.feature, layer), node.part)
            if before is not node.part:
                yield Finding(
                    node.path,
                    f"layer {layer} already shares its {node.part.feature}",
                    because="a layer either hands a feature on or takes it, and from one layer only",
                    also=(("first here", before.path),),
                )


def features_are_computed(graph: Graph) -> Iterator[Finding]:
    """The owner computes the feature, every reader has something that takes it."""
    spec = spec_of(graph)
    for node in _shared(graph, SharedFeatures):
        feature = node.part.feature
        first, *others = node.part.layers
        owner = spec.layers[first]
        unable = [number for number in others if not slots_reading(spec.layers[number], feature)]
        if not computes(getattr(owner, slot_with(owner, feature)), feature):
            unable.insert(0, first)
        for number in unable[:1]:
            yield _cannot(spec, node, number, computing=number == first)


_PARTS = ("mixer", "channel")


def _cannot(spec: ArchSpec, node: Node, number: int, *, computing: bool) -> Finding:
    feature = node.part.feature
    layer = spec.layers[number]
    parts = [getattr(layer, slot) for slot in _PARTS if getattr(layer, slot) is not None]
    known = sorted({each for part in parts for each in part.computes})
    return Finding(
        node.path,
        f"layer {number} {'does not compute' if computing else 'has nothing that takes'} {feature!r}: "
        f"it is made of {' and '.join(map(type_of, parts)) or 'nothing'}",
        because="the first layer of an entry computes the feature, the others could have computed it too",
        help=did_you_mean(feature, known) if known else f"share among layers whose parts compute {feature}",
        also=((f"layer {number}", layer_path(spec, number)),),
    )


def features_agree(graph: Graph) -> Iterator[Finding]:
    """Owner and readers have the same sizes where it matters to the feature."""
    spec = spec_of(graph)
    for node in _shared(graph, SharedFeatures):
        feature = node.part.feature
        first, *others = node.part.layers
        slot = slot_with(spec.layers[first], feature)
        owner: Operator | None = getattr(spec.layers[first], slot)
        if owner is None or not computes(owner, feature):
            continue
        wanted = {name: _plain(value) for name, value in owner.agrees_on(feature).items()}
        for number, reading in ((each, slot) for each in others for slot in slots_reading(spec.layers[each], feature)):
            reader: Operator = getattr(spec.layers[number], reading)
            why = "" if reader == owner else _fields(wanted, {name: _value(reader, name) for name in wanted})
            if why:
                yield Finding(
                    node.path,
                    f"layer {number} cannot take the {feature} of layer {first}: {why}",
                    because="what one layer computes must fit the other",
                    also=(
                        (f"layer {first}", layer_path(spec, first, slot)),
                        (f"layer {number}", layer_path(spec, number, reading)),
                    ),
                )
                break


def _value(operator: Operator, name: str) -> object:
    """Look up `condition.size`; of something that it has not, nothing."""
    value: object = operator
    for step in name.split("."):
        value = getattr(value, step, None)
    return _plain(value)


def _plain(value: object) -> object:
    return value.model_dump() if isinstance(value, Part) else value


def features_arrive(graph: Graph) -> Iterator[Finding]:
    """An operator that takes a feature gets it from an earlier layer."""
    spec = spec_of(graph)
    for number, node in enumerate(graph.layers):
        ports = graph.into(node.id)
        for slot in ("mixer", "channel"):
            operator = getattr(node.part, slot)
            for feature in operator.takes if operator is not None else ():
                if f"{slot}.{feature}" not in ports:
                    yield Finding(
                        layer_path(spec, number, slot),
                        f"layer {number} takes {feature}, but no layer hands it on",
                        because=f"{type_of(operator)} does not compute {feature} itself",
                        help=f"add `sharing: [{{features: {feature}, among: ...}}]` with an earlier layer first",
                    )


def shared_featurizers_are_equal(graph: Graph) -> Iterator[Finding]:
    """Featurizers that own one copy of weights are declared equally, but for what they read."""
    spec = spec_of(graph)
    seen: dict[str, SharedFeaturizers] = {}
    for shared in spec.shared_featurizers:
        names = [name for name in shared.featurizers if name in spec.featurizers]
        for name in names:
            before = seen.setdefault(name, shared)
            if before is not shared:
                yield Finding(
                    shared.path,
                    f"{name!r} already shares its weights",
                    because="one entry names all that own a copy together",
                    also=(("first here", before.path),),
                )
        if len(set(names)) < 2 and len(names) == len(shared.featurizers):
            yield Finding(
                shared.path,
                f"only {names[0] if names else 'nothing'} shares",
                because="sharing takes an owner and at least one reader",
            )
        for first, other in pairwise(names):
            mine, theirs = spec.featurizers[first], spec.featurizers[other]
            why = (
                f"{type_of(mine)} is not {type_of(theirs)}"
                if type(mine) is not type(theirs)
                else _fields(_without_sources(mine), _without_sources(theirs))
            )
            if why:
                yield Finding(
                    shared.path,
                    f"{first!r} and {other!r} cannot own one copy of weights: {why}",
                    because="one copy of weights serves featurizers that declare it equally",
                    also=((first, f"featurizers.{first}"), (other, f"featurizers.{other}")),
                )
                break


def _without_sources(featurizer: Featurizer) -> dict[str, object]:
    reads = set(featurizer.reads.values())
    return {name: value for name, value in featurizer.model_dump().items() if name == "type" or value not in reads}


def _shared(graph: Graph, kind: type[SharedWeights] | type[SharedFeatures] | type[SharedFeaturizers]) -> list[Node]:
    return [node for node in graph.nodes.values() if node.kind == "shared" and isinstance(node.part, kind)]
