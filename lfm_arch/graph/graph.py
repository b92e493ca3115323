"""A model as a directed acyclic graph of parts.

Nodes are parts; an edge carries a value from the part that makes it to the port that takes it. Sharing is a node with
an owner and readers, never an alias: an `owns` edge runs from the owner to it, one edge to each reader.

    input.text -raw-> text -stream-> layers.0 -stream-> layers.1 -stream-> ... -> final_norm -stream-> lm -lm-> output
                                         '-owns-> shared.kv.0 -mixer.kv-> layers.4

Node ids: `input.<name>`, `<featurizer name>`, `fusion`, `layers.N`, `shared.weights.N`, `shared.<feature>.N`,
`shared.featurizers.N`, `final_norm`, `<head name>`, `output`. A model without featurizers reads its stream from
`input.stream`, one without heads puts it out at port `stream`.

Ports, by what takes the value:

    featurizer   `raw` from its input; a port of its own `reads` from another featurizer; `weights` from its owner
    fusion       the name of the stream
    layer        `stream`; for its parts `<slot>.<port>`, the slot being `mixer`, `channel` or `norm`:
                 `mixer.kv` a feature computed earlier, `channel.condition` a featurizer's output,
                 `mixer.weights` the weights of the whole mixer
    final_norm   `stream`
    head         `stream`; `weights` from the featurizer it is tied to
    output       the name of the head
    shared       `owns` from its owner
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lfm_arch.core.tensor import TensorType
from lfm_arch.spec.arch import ArchSpec

if TYPE_CHECKING:
    import networkx

Kind = Literal["input", "featurizer", "fusion", "layer", "shared", "norm", "head", "output"]
Slot = Literal["mixer", "channel", "norm"]
"""The pieces of a layer that weights can be shared by; `norm` is all of its norms together."""


@dataclass(frozen=True, slots=True)
class Node:
    """One part of the model.

    `part` is the declaration: a `TensorType` for an input, a `Featurizer`, `Fusion`, `Layer`, `SharedWeights`,
    `SharedFeatures`, `SharedFeaturizers`, a norm, a `Head`; None for the output.
    """

    id: str
    kind: Kind
    part: Any = None
    type: TensorType | None = None
    """What it puts out, once types are inferred; None for a shared node, whose value is not one tensor."""
    path: str = ""
    """Where in the document it is spelled, for messages."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`port` names what the target takes."""

    source: str
    target: str
    port: str


class Graph:
    """An immutable graph; `replacing` makes a new one, passes are functions from one to the next."""

    def __init__(
        self, nodes: Mapping[str, Node], edges: tuple[Edge, ...], *, name: str, width: int, spec: ArchSpec | None = None
    ) -> None:
        self.name = name
        self.width = width
        self.spec = spec
        """The architecture it was made from, for places in messages; None for a graph made by hand."""
        self.nodes: Mapping[str, Node] = dict(nodes)
        self.edges = edges

    def __getitem__(self, node_id: str) -> Node:
        return self.nodes[node_id]

    def __contains__(self, node_id: str) -> bool:
        return node_id in self.nodes

    def __iter__(self) -> Iterator[Node]:
        """Yield nodes in an order in which everything comes after what it reads; stable for equal graphs."""
        return iter(self._sorted)

    def __len__(self) -> int:
        return len(self.nodes)

    def as_networkx(self) -> "networkx.MultiDiGraph":
        """Return the graph for networkx's algorithms: nodes by id with their `node`, edges keyed by port."""
        # networkx takes a tenth of a second to import, and a graph whose nodes are in order never needs it
        from networkx import MultiDiGraph

        made: networkx.MultiDiGraph = MultiDiGraph()
        for node in self.nodes.values():
            made.add_node(node.id, node=node)
        for edge in self.edges:
            made.add_edge(edge.source, edge.target, key=edge.port)
        return made

    def circle(self) -> tuple[str, ...]:
        """Return the ids of nodes that wait for each other, in the order of the edges; none in a legal graph."""
        if self._in_order:
            return ()
        from networkx import NetworkXNoCycle, find_cycle

        try:
            return tuple(source for source, *_ in find_cycle(self.as_networkx()))
        except NetworkXNoCycle:
            return ()

    @cached_property
    def _in_order(self) -> bool:
        order = {node_id: number for number, node_id in enumerate(self.nodes)}
        return all(order[edge.source] < order[edge.target] for edge in self.edges)

    @cached_property
    def _sorted(self) -> tuple[Node, ...]:
        if self._in_order:
            return tuple(self.nodes.values())
        from networkx import lexicographical_topological_sort

        order = {node_id: number for number, node_id in enumerate(self.nodes)}
        ids = lexicographical_topological_sort(self.as_networkx(), key=order.__getitem__)
        return tuple(self.nodes[node_id] for node_id in ids)

    @cached_property
    def _into(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {node_id: {} for node_id in self.nodes}
        for edge in self.edges:
            found[edge.target][edge.port] = edge.source
        return found

    @cached_property
    def _out_of(self) -> dict[str, tuple[Edge, ...]]:
        found: dict[str, list[Edge]] = {node_id: [] for node_id in self.nodes}
        for edge in self.edges:
            found[edge.source].append(edge)
        return {node_id: tuple(edges) for node_id, edges in found.items()}

    def of(self, kind: Kind) -> tuple[Node, ...]:
        """Return the nodes of one kind in the order of the graph."""
        return tuple(node for node in self if node.kind == kind)

    @cached_property
    def layers(self) -> tuple[Node, ...]:
        """The layers in order of depth."""
        return self.of("layer")

    def into(self, node_id: str) -> Mapping[str, str]:
        """Return what a node reads: port -> source id."""
        return self._into[node_id]

    def out_of(self, node_id: str) -> tuple[Edge, ...]:
        """Return who reads a node, and at which port."""
        return self._out_of[node_id]

    def owner(self, shared_id: str) -> str:
        """Return the node that holds what a shared node stands for."""
        return self._into[shared_id]["owns"]

    def borrowed(self, node_id: str) -> frozenset[str]:
        """Return the slots of a layer whose weights another layer owns; `{"weights"}` for a whole featurizer."""
        return frozenset(
            port.removesuffix(".weights") for port in self._into[node_id] if port.rpartition(".")[2] == "weights"
        )

    def replacing(self, *nodes: Node, edges: tuple[Edge, ...] = ()) -> "Graph":
        """Return a graph in which `nodes` replace their namesakes or are added, and `edges` are added."""
        merged = {**self.nodes, **{node.id: node for node in nodes}}
        return Graph(merged, self.edges + edges, name=self.name, width=self.width, spec=self.spec)
