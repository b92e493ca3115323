"""Types of all values, with the sizes that only a run knows kept as names: `[batch, tokens, 2048]`.

Inside the stack positions are called `tokens`, whatever the featurizer calls them. A state that grows with the
positions seen so far has the size `context` (see `StateSlot`).
"""

from collections.abc import Iterator, Mapping

from lfm_arch.core.errors import Diagnostic, GraphError
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.featurizers.base import Head
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.graph.graph import Edge, Graph, Node
from lfm_arch.graph.resolve import gives_stream, main_stream
from lfm_arch.graph.rule import Finding, layer_path, spec_of


def tie_heads(graph: Graph) -> Graph:
    """Give heads the sizes of the featurizers that they are tied to; drop those that cannot be tied."""
    featurizers = spec_of(graph).featurizers
    made: dict[str, Node | None] = {}
    for node in graph.of("head"):
        try:
            made[node.id] = Node(node.id, node.kind, node.part.resolve(featurizers), node.type, node.path)
        except GraphError:
            made[node.id] = None
    if all(node is not None for node in made.values()):
        return graph.replacing(*(node for node in made.values() if node is not None))
    nodes = {node_id: made.get(node_id, node) for node_id, node in graph.nodes.items()}
    kept = {node_id: node for node_id, node in nodes.items() if node is not None}
    edges = tuple(edge for edge in graph.edges if edge.source in kept and edge.target in kept)
    return Graph(kept, edges, name=graph.name, width=graph.width, spec=graph.spec)


def heads_resolve(graph: Graph) -> Iterator[Diagnostic]:
    """Heads find what they are tied to; the head's own room says what is wrong."""
    spec = spec_of(graph)
    for name, head in spec.heads.items():
        try:
            head.resolve(spec.featurizers)
        except GraphError as error:
            path = f"heads.{name}.tied_to"
            for each in error.diagnostics:
                yield Diagnostic(
                    each.code, each.message, spec.place(path), path, each.because, each.help, each.notes, each.severity
                )


def infer_types(graph: Graph) -> Graph:
    """Give every node the type of what it puts out."""
    width = graph.width
    inside = stream(width)
    typed: list[Node] = []
    for node in graph.nodes.values():
        if node.kind == "featurizer":
            made = node.part.gives(node.id, width)
        elif node.kind in ("fusion", "layer", "norm"):
            made = inside
        elif node.kind == "head":
            made = node.part.gives(width)
        else:
            continue
        typed.append(Node(node.id, node.kind, node.part, made, node.path))
    return graph.replacing(*typed)


def tokens_of(graph: Graph) -> str:
    """Say what the stack's `tokens` are, in the names of the inputs: `image_patches + text_tokens`."""
    streams = graph.into("fusion").values() if "fusion" in graph else [main_stream(spec_of(graph))]
    parts = [str(graph[name].part.gives(name, graph.width).axes[1]) for name in streams if name is not None]
    if "fusion" in graph and graph["fusion"].part.type == "interleave":
        main = main_stream(spec_of(graph))
        parts = [str(graph[main].part.gives(main, graph.width).axes[1])] if main is not None else []
    return " + ".join(parts) or "tokens"


# the rules


def streams_have_the_width(graph: Graph) -> Iterator[Finding]:
    """What goes into the stack is as wide as the stack."""
    spec = spec_of(graph)
    for name, featurizer in spec.featurizers.items():
        made = featurizer.gives(name, graph.width)
        if gives_stream(name, featurizer, graph.width) and made.axes[-1] != graph.width and _goes_inside(graph, name):
            yield Finding(
                f"featurizers.{name}",
                f"{name!r} gives {made}, the layers work on {stream(graph.width)}",
                because="a stream is as wide as hidden_size",
            )


def _goes_inside(graph: Graph, name: str) -> bool:
    return any(edge.port == "stream" or edge.target == "fusion" for edge in graph.out_of(name))


def ports_fit(graph: Graph) -> Iterator[Finding]:
    """What a part reads by name has the sizes that its declaration expects."""
    spec = spec_of(graph)
    for name, featurizer in spec.featurizers.items():
        yield from _ports_fit(graph, name, f"{name!r}", f"featurizers.{name}", featurizer.ports(graph.width), "")
    seen: set[object] = set()
    for number, node in enumerate(graph.layers):
        for slot in ("mixer", "channel"):
            operator = getattr(node.part, slot)
            if operator is None or not operator.reads or operator in seen:
                continue
            seen.add(operator)
            who = f"the {slot if slot == 'mixer' else 'channel mixer'} of layer {number}"
            path = layer_path(spec, number, slot)
            yield from _ports_fit(graph, node.id, who, path, operator.ports(graph.width), f"{slot}.")


def _ports_fit(
    graph: Graph, node_id: str, who: str, path: str, ports: Mapping[str, TensorType], prefix: str
) -> Iterator[Finding]:
    for port, expected in ports.items():
        source = graph.into(node_id).get(f"{prefix}{port}")
        made = graph[source].type if source is not None else None
        if source is not None and made is not None and not _fits(made, expected):
            yield Finding(
                path,
                f"{who} reads {expected} at {port}, {source!r} gives {made}",
                because="a value has the sizes that its reader expects",
                help="make the sizes equal, or read another featurizer",
                also=((source, f"featurizers.{source}"),),
            )


def _fits(made: TensorType, expected: TensorType) -> bool:
    if made.kind != expected.kind or len(made.axes) != len(expected.axes):
        return False
    return all(isinstance(wanted, str) or wanted == size for size, wanted in zip(made.axes, expected.axes, strict=True))


def language_models_are_causal(graph: Graph) -> Iterator[Finding]:
    """A model that predicts the next token has no layer that sees it."""
    spec = spec_of(graph)
    head = _language_model_head(graph)
    if head is None:
        return
    seen: set[object] = set()
    for number, node in enumerate(graph.layers):
        for slot in ("mixer", "channel"):
            operator = getattr(node.part, slot)
            if operator is not None and not operator.causal and operator not in seen:
                seen.add(operator)
                yield Finding(
                    layer_path(spec, number, slot),
                    f"the {slot if slot == 'mixer' else 'channel mixer'} of layer {number} sees later tokens",
                    because=f"{head!r} predicts the next token, so no position may see the ones behind it",
                    help="use a causal operator, or a head that does not predict tokens",
                )


def conditions_are_causal(graph: Graph) -> Iterator[Finding]:
    """Nothing in a language model is conditioned on a vector that is pooled from the text it predicts."""
    spec = spec_of(graph)
    head, main = _language_model_head(graph), main_stream(spec)
    if head is None or main is None:
        return
    for name, featurizer in spec.featurizers.items():
        pools = not gives_stream(name, featurizer, graph.width) and main in featurizer.reads.values()
        edges: list[Edge] = [edge for edge in graph.out_of(name) if graph[edge.target].kind == "layer"] if pools else []
        if edges:
            yield Finding(
                f"featurizers.{name}",
                f"{name!r} pools {main!r}, and {edges[0].target} reads it",
                because=f"{head!r} predicts the tokens of {main!r}: a vector pooled from all of them has seen them",
                help="pool another input, say a prompt with a token_embedding of its own",
                also=((head, f"heads.{head}"),),
            )


def _language_model_head(graph: Graph) -> str | None:
    heads: list[tuple[str, Head]] = [(node.id, node.part) for node in graph.of("head")]
    return next((name for name, head in heads if isinstance(head, LMHead)), None)
