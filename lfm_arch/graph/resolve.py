"""First pass: every part that the spec declares becomes a node, every name it mentions an edge.

Names that mean nothing make no edge; the rules of this stage report them.
"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from lfm_arch.core.tensor import stream
from lfm_arch.featurizers.base import Featurizer
from lfm_arch.graph.graph import Edge, Graph, Node
from lfm_arch.graph.rule import layer_path, spec_of
from lfm_arch.graph.sharing import declared_sharing
from lfm_arch.spec.arch import ArchSpec, Layer

STREAM_INPUT = "input.stream"


def resolve(graph: Graph) -> Graph:
    """Make the nodes and edges of `graph.spec`; whatever was in the graph before is replaced."""
    spec = spec_of(graph)
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []

    def add(node: Node, **ports: str) -> None:
        nodes[node.id] = node
        edges.extend(Edge(source, node.id, port) for port, source in ports.items())

    for name in _featurizers_in_order(spec):
        featurizer = spec.featurizers[name]
        taken = featurizer.takes(name)
        ports = {port: source for port, source in featurizer.reads.items() if source in spec.featurizers}
        if taken is not None:
            add(Node(f"input.{name}", "input", taken, taken, f"featurizers.{name}"))
            ports["raw"] = f"input.{name}"
        add(Node(name, "featurizer", featurizer, path=f"featurizers.{name}"), **ports)

    above = _stream_source(spec)
    if above == STREAM_INPUT:
        add(Node(STREAM_INPUT, "input", stream(spec.hidden_size), stream(spec.hidden_size)))
    elif above == "fusion":
        assert spec.fusion is not None
        read = spec.fusion.streams[:1] if spec.fusion.type == "cross_attention" else spec.fusion.streams
        known = {name: name for name in read if name in spec.featurizers}
        add(Node("fusion", "fusion", spec.fusion, path="fusion"), **known)

    for number, layer in enumerate(spec.layers):
        node = Node(f"layers.{number}", "layer", layer, path=layer_path(spec, number))
        add(node, **({"stream": above} if above else {}), **_ports(layer, spec))
        above = node.id
    if spec.final_norm is not None:
        add(Node("final_norm", "norm", spec.final_norm, path="norm"), **({"stream": above} if above else {}))
        above = "final_norm"
    for name, head in spec.heads.items():
        ports = {"stream": above} if above else {}
        if head.tied_to in spec.featurizers:
            ports["weights"] = head.tied_to
        add(Node(name, "head", head, path=f"heads.{name}"), **ports)
    outputs = {name: name for name in spec.heads} or ({"stream": above} if above else {})
    add(Node("output", "output"), **outputs)

    shared, more = declared_sharing(spec)
    resolved = Graph(nodes, tuple(edges), name=spec.name, width=spec.hidden_size, spec=spec)
    return _in_order(resolved.replacing(*shared, edges=more)) if shared else resolved


def main_stream(spec: ArchSpec) -> str | None:
    """Return the featurizer whose positions are the positions of the layers; None when there is none or no one.

    With a fusion that is the text among its streams, or the first stream of a cross-attention.
    """
    if spec.fusion is not None:
        streams = [name for name in spec.fusion.streams if name in spec.featurizers]
        if spec.fusion.type == "cross_attention":
            return next(iter(streams), None)
        texts = [name for name in streams if spec.featurizers[name].modality == "text"]
        marked = [name for name in texts if name not in spec.fusion.placeholders]
        return next(iter(marked or texts or streams[-1:]), None)
    candidates = loose_streams(spec)
    return candidates[0] if len(candidates) == 1 else None


def loose_streams(spec: ArchSpec) -> list[str]:
    """Return the featurizers whose stream could go into the stack: what no other stream is made of.

    Of several, those that nothing else reads: a prompt that is only pooled is not what the layers work on.
    """
    streams = [name for name, each in spec.featurizers.items() if gives_stream(name, each, spec.hidden_size)]
    by_streams = {source for name in streams for source in spec.featurizers[name].reads.values()}
    ends = [name for name in streams if name not in by_streams]
    if len(ends) < 2:
        return ends
    parts = [part for layer in spec.layers for part in (layer.mixer, layer.channel) if part is not None]
    elsewhere = {source for part in (*parts, *spec.featurizers.values()) for source in part.reads.values()}
    return [name for name in ends if name not in elsewhere] or ends


def gives_stream(name: str, featurizer: Featurizer, width: int) -> bool:
    """Whether a featurizer gives `[batch, tokens, width]`, and not one vector for each sequence."""
    return len(featurizer.gives(name, width).axes) == len(stream(width).axes)


def _stream_source(spec: ArchSpec) -> str | None:
    if not spec.featurizers:
        return STREAM_INPUT
    return "fusion" if spec.fusion is not None else main_stream(spec)


def _ports(layer: Layer, spec: ArchSpec) -> dict[str, str]:
    return {
        f"{slot}.{port}": source
        for slot, operator in (("mixer", layer.mixer), ("channel", layer.channel))
        if operator is not None
        for port, source in operator.reads.items()
        if source in spec.featurizers
    }


def _featurizers_in_order(spec: ArchSpec) -> Iterator[str]:
    """Yield names so that everything comes after what it reads; a cycle, which a rule reports, as it is written."""
    reads = {
        name: [source for source in each.reads.values() if source in spec.featurizers]
        for name, each in spec.featurizers.items()
    }
    if not any(reads.values()):
        yield from reads
        return
    try:
        yield from TopologicalSorter(reads).static_order()
    except CycleError:
        yield from reads


def _in_order(graph: Graph) -> Graph:
    """Put every shared node right behind its owner, so that iterating needs no sorting."""
    behind: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        if node.kind == "shared":
            behind.setdefault(graph.owner(node.id), []).append(node)
    ordered: dict[str, Node] = {}
    for node in graph.nodes.values():
        if node.kind != "shared":
            ordered[node.id] = node
            ordered.update((each.id, each) for each in behind.get(node.id, ()))
    return Graph(ordered, graph.edges, name=graph.name, width=graph.width, spec=graph.spec)
