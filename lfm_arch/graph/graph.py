"""A model as a directed acyclic graph of parts, held by networkx.

Nodes are parts; an edge carries a value from the part that makes it to the port that takes it. Sharing is a node with
an owner and readers, never an alias: an `owns` edge runs from the owner to it, one edge to each reader.

    text -stream-> layers.0 -stream-> layers.1 -stream-> ... -> final_norm -stream-> lm
                      '-owns-> shared.kv.0 -kv-> layers.4
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import networkx as nx

from lfm_arch.core.tensor import TensorType

Kind = Literal["input", "featurizer", "fusion", "layer", "shared", "norm", "head", "output"]


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
    """What it puts out, once types are inferred."""
    path: str = ""
    """Where in the document it is spelled, for messages."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`port` names what the target takes: `stream`, `weights`, a feature such as `kv`, or `owns` into a shared node."""

    source: str
    target: str
    port: str


class Graph:
    """An immutable graph; `with_nodes` and `of` make new ones, passes are functions from one to the next."""

    def __init__(self, nodes: Mapping[str, Node], edges: tuple[Edge, ...], *, name: str, width: int) -> None:
        self.name = name
        self.width = width
        self._nx: nx.MultiDiGraph = nx.MultiDiGraph()
        for node in nodes.values():
            self._nx.add_node(node.id, node=node)
        for edge in edges:
            self._nx.add_edge(edge.source, edge.target, key=edge.port)
        self._nx = nx.freeze(self._nx)

    def __getitem__(self, node_id: str) -> Node:
        return self._nx.nodes[node_id]["node"]

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._nx

    def __iter__(self) -> Iterator[Node]:
        """Yield nodes in an order in which everything comes after what it reads; stable for equal graphs."""
        order = {node_id: number for number, node_id in enumerate(self._nx.nodes)}
        for node_id in nx.lexicographical_topological_sort(self._nx, key=order.__getitem__):
            yield self[node_id]

    def __len__(self) -> int:
        return len(self._nx)

    @property
    def nodes(self) -> dict[str, Node]:
        return {node_id: self[node_id] for node_id in self._nx}

    @property
    def edges(self) -> tuple[Edge, ...]:
        return tuple(Edge(source, target, port) for source, target, port in self._nx.edges(keys=True))

    def of(self, kind: Kind) -> tuple[Node, ...]:
        """Return the nodes of one kind in the order of the graph."""
        return tuple(node for node in self if node.kind == kind)

    def into(self, node_id: str) -> dict[str, str]:
        """Return what a node reads: port -> source id."""
        return {port: source for source, _, port in self._nx.in_edges(node_id, keys=True)}

    def out_of(self, node_id: str) -> tuple[Edge, ...]:
        return tuple(Edge(s, t, port) for s, t, port in self._nx.out_edges(node_id, keys=True))

    def replacing(self, *nodes: Node, edges: tuple[Edge, ...] = ()) -> "Graph":
        """Return a graph in which `nodes` replace their namesakes or are added, and `edges` are added."""
        merged = self.nodes | {node.id: node for node in nodes}
        return Graph(merged, self.edges + edges, name=self.name, width=self.width)
