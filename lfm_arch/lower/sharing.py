"""Who holds which weights: parts that another part owns are made once."""

from collections.abc import Callable, Iterator, Mapping

from torch import nn

from lfm_arch.graph.graph import Graph, Node
from lfm_arch.lower.block import norm_names
from lfm_arch.spec.arch import Layer

Owned = Callable[[str], nn.Module | None]
"""Finds a part that was made earlier by its id."""
WHOLE = "weights"


def owners(graph: Graph, node: Node) -> Mapping[str, str]:
    """Return who owns the weights of a part that reads them: slot (`mixer`, `channel`, `norm`) -> node id.

    A whole featurizer has the slot `weights`. A head tied to a featurizer is given its weight at every call instead.
    """
    if node.kind not in ("layer", "featurizer"):
        return {}
    found: dict[str, str] = {}
    for port, source in graph.into(node.id).items():
        slot, _, last = port.rpartition(".")
        if last == WHOLE and graph[source].kind == "shared":
            found[slot or WHOLE] = _root(graph, graph.owner(source), port)
    return found


def _root(graph: Graph, owner: str, port: str) -> str:
    """Follow an owner that itself reads the same weights from somebody else."""
    source = graph.into(owner).get(port)
    return owner if source is None else _root(graph, graph.owner(source), port)


def same_module(graph: Graph, node: Node) -> str:
    """Return the part whose module this node calls: another layer's, when it owns all of this one's weights.

    Only when both do the same with them; a layer that reads a feature which its owner computes has a block of its own.
    """
    owned = owners(graph, node)
    if node.kind == "layer" and len({*owned.values()}) == 1:
        (owner,) = {*owned.values()}
        theirs: Layer = graph[owner].part
        mine: Layer = node.part
        present = {*("mixer",) * (mine.mixer is not None), *("channel",) * (mine.channel is not None), "norm"}
        if present <= owned.keys() and _does(mine) == _does(theirs):
            return owner
    if node.kind == "featurizer" and WHOLE in owned and node.part == graph[owned[WHOLE]].part:
        return owned[WHOLE]
    return node.id


def _does(layer: Layer) -> tuple[object, ...]:
    return layer.mixer, layer.channel, layer.norm, layer.placement


def tie(graph: Graph, node: Node, module: nn.Module, owned: Owned) -> None:
    """Let `module` hold its owners' weights in place of its own."""
    for slot, owner_id in owners(graph, node).items():
        owner = owned(owner_id)
        if owner is None:
            continue
        # norms are shared by place: one of a layer without a channel mixer may serve one without a mixer
        for name, their_name in zip(_pieces(node, slot), _pieces(graph[owner_id], slot), strict=True):
            theirs, ours = owner.get_submodule(their_name), module.get_submodule(name)
            same = slot == "norm" or (slot != WHOLE and getattr(node.part, slot) == getattr(graph[owner_id].part, slot))
            if same:
                setattr(module, name, theirs)
            else:
                _tie_by_name(ours, theirs)


def borrowed(graph: Graph, node: Node) -> Iterator[str]:
    """Yield prefixes, within a part, of the names whose tensors another part owns."""
    for slot in owners(graph, node):
        for name in _pieces(node, slot):
            yield f"{name}." if name else ""


def _pieces(node: Node, slot: str) -> tuple[str, ...]:
    if slot == WHOLE:
        return ("",)
    if slot == "norm":
        layer: Layer = node.part
        return norm_names(layer.placement, mixer=layer.mixer is not None, channel=layer.channel is not None)
    return (slot,)


def _tie_by_name(ours: nn.Module, theirs: nn.Module) -> None:
    for prefix, module in ours.named_modules():
        other = theirs.get_submodule(prefix)
        for name, parameter in list(module.named_parameters(recurse=False)):
            shared = other.get_parameter(name)
            assert shared.shape == parameter.shape, (
                f"{prefix}.{name}: {shared.shape} cannot stand for {parameter.shape}"
            )
            setattr(module, name, shared)
        for name, _ in list(module.named_buffers(recurse=False)):
            setattr(module, name, other.get_buffer(name))
