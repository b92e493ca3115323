"""Counts of a graph in a scenario, as one array that rates turn into seconds.

Axes: P passes (the prompt, then three decoding steps), R distinct rows, F fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import Diagnostic, ProfileError
from lfm_arch.core.work import Workload
from lfm_arch.graph.count import LayerParts, count, layer_parts
from lfm_arch.graph.graph import Graph, Kind
from lfm_arch.hardware.formats import WeightFormat
from lfm_arch.hardware.scenario import Scenario

Array = NDArray[np.float64]

FIELDS: tuple[str, ...] = (
    "matmul_flops",
    "mixing_flops",
    "dense_params",
    "expert_params",
    "cache",
    "state",
    "activations",
    "kernels",
    "parts",
    "link",
    "hops",
    "expert_flops",
)
"""Per pass: weights are elements here and get their bits later, `parts` are mixers and channel mixers of layers.
`matmul_flops` are those outside of routed experts.
`link` elements sent to other chips and `hops` are filled in by `parallel`."""

MATMUL, MIXING, DENSE, EXPERT, CACHE, STATE, ACTIVATIONS, KERNELS, PARTS, LINK, HOPS, EXPERT_FLOPS = range(len(FIELDS))
STEP_SHARES = (1 / 6, 4 / 6, 1 / 6)
"""Weights of the three decoding steps in the mean."""

_PIECES = ("mixer", "channel", "norm")
_OUTSIDE: tuple[Kind, ...] = ("featurizer", "fusion", "norm", "head")

Place = Literal["layers", "experts", "head", "embedding", "encoder"]
"""Where weights lie: formats keep some places wider. An embedding that a head is tied to lies in `head`."""

_take = attrgetter(
    "matmul_flops", "mixing_flops", "touched_params", "touched_expert_params", "cache_read", "cache_write",
    "state_traffic", "activations", "kernels", "expert_flops",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """Something that costs time: a piece of some equal layers, or a node outside the layers."""

    nodes: tuple[str, ...]
    piece: str
    """`mixer`, `channel` or `norm` in a layer, else the node's kind."""
    operator: str
    """The word that specs write."""


@dataclass(frozen=True, slots=True)
class Work:
    """All counts of one graph in one scenario."""

    rows: tuple[Row, ...]
    table_PRF: Array
    repeats_R: Array
    """How many nodes each row stands for."""
    head_R: NDArray[np.bool_]
    """Rows that read the output matrix rather than weights of layers."""
    layer_R: NDArray[np.bool_]
    """Rows inside layers: a prompt in pieces goes through them once for each piece."""
    stored: Mapping[Place, int]
    """Parameters by where they lie, each counted at its owner."""

    def weight_bits(self, weights: WeightFormat) -> Array:
        """Return the bits of a weight in each row, outside of routed experts."""
        return np.where(self.head_R, weights.head_bits, weights.bits)

    def read_bytes(self, table_RF: Array, weights: WeightFormat) -> Array:
        """Return the bytes of weights that each row reads, `[R, 2]`: routed experts apart."""
        dense_R = table_RF[:, DENSE] * self.weight_bits(weights)
        return np.stack([dense_R, table_RF[:, EXPERT] * weights.routed_bits], axis=1) / 8


def measure_work(graph: Graph, scenario: Scenario) -> Work:
    """Count the passes of a scenario, heads for the last position of the prompt only.

    Raises:
        ProfileError: E714, the model cannot generate tokens.
    """
    _check_decodes(graph)
    passes = scenario.passes()
    prompt = layer_parts(graph, passes[0])
    # layers that cost the same give the same object: identity groups them, and one of each is counted further
    groups: dict[int, list[str]] = {}
    for node_id, parts in prompt.items():
        groups.setdefault(id(parts), []).append(node_id)
    others = [count(graph, work, logits="last", kinds=_OUTSIDE) for work in passes]

    rows: list[Row] = []
    tables: list[Array] = []
    for nodes in groups.values():
        layer = graph[nodes[0]].part
        declared = {piece: getattr(layer, piece) for piece in _PIECES}
        rows += [Row(tuple(nodes), piece, part.type) for piece, part in declared.items() if part is not None]
        tables.append(_layer_table(graph, nodes[0], prompt[nodes[0]], scenario))
    outside = [node for node in graph if node.id in others[0]]
    rows += [Row((node.id,), node.kind, getattr(node.part, "type", node.kind)) for node in outside]
    tables.append(np.array([[_fields(each[node.id], 0) for node in outside] for each in others]))
    table_PRF = np.concatenate(tables, axis=1)
    return Work(
        rows=tuple(rows),
        table_PRF=table_PRF,
        repeats_R=np.array([len(row.nodes) for row in rows], dtype=np.float64),
        head_R=np.array([row.piece == "head" for row in rows]),
        layer_R=np.array([row.piece in _PIECES for row in rows]),
        stored=_stored(graph, prompt, others[0]),
    )


_KNOWN: dict[tuple[int, Scenario], tuple[LayerParts, Array]] = {}
_ROOM = 50_000


def _layer_table(graph: Graph, layer_id: str, parts: LayerParts, scenario: Scenario) -> Array:
    """Return the rows of one layer, `[P, pieces, F]`; remembered, as counts of equal layers are one object."""
    key = (id(parts), scenario)
    known = _KNOWN.get(key)
    # the object is kept beside its table, so that no other one can have its id
    if known is not None and known[0] is parts:
        return known[1]
    layer = graph[layer_id].part
    pieces = [piece for piece in _PIECES if getattr(layer, piece) is not None]
    passes = [layer_parts(graph, work, layers=[layer_id])[layer_id] for work in scenario.passes()]
    table = np.array([[_fields(getattr(each, piece), piece != "norm") for piece in pieces] for each in passes])
    if len(_KNOWN) >= _ROOM:
        _KNOWN.clear()
    _KNOWN[key] = (parts, table)
    return table


def _stored(graph: Graph, layers: Mapping[str, LayerParts], others: Mapping[str, Cost]) -> dict[Place, int]:
    found: dict[Place, int] = {"layers": 0, "experts": 0, "head": 0, "embedding": 0, "encoder": 0}
    # layers that own their weights and layers that borrow them cost differently, so each is asked
    found["experts"] = _routed(graph)
    found["layers"] = sum(piece.params for parts in layers.values() for piece in parts) - found["experts"]
    for node_id, cost in others.items():
        found[_place(graph, node_id)] += cost.params
    return found


def _routed(graph: Graph) -> int:
    total = 0
    for node in graph.layers:
        experts = getattr(node.part.channel, "num_experts", 0)
        if experts and "channel" not in graph.borrowed(node.id):
            # one token touches experts_per_token of them
            one = node.part.channel.cost(graph.width, Workload()).touched_expert_params
            total += round(one / node.part.channel.experts_per_token * experts)
    return total


def _place(graph: Graph, node_id: str) -> Place:
    node = graph[node_id]
    if node.kind == "head":
        return "head"
    if node.kind != "featurizer":
        return "layers"
    if any(edge.port == "weights" and graph[edge.target].kind == "head" for edge in graph.out_of(node_id)):
        return "head"
    return "embedding" if node.part.modality == "text" else "encoder"


def _fields(cost: Cost, parts: int) -> tuple[float, ...]:
    matmul, mixing, touched, experts, read, written, state, activations, kernels, expert_flops = _take(cost)
    return (
        matmul - expert_flops,
        mixing,
        touched - experts,
        experts,
        read + written,
        state,
        activations,
        kernels,
        parts,
        0.0,
        0.0,
        expert_flops,
    )


def _check_decodes(graph: Graph) -> None:
    def refuse(message: str, help: str) -> ProfileError:
        because = "a scenario of prompt and generated tokens needs a model that decodes"
        return ProfileError(Diagnostic("E714", message, because=because, help=help))

    for node in graph.layers:
        for part in (node.part.mixer, node.part.channel):
            if part is not None and not part.causal:
                raise refuse(f"{node.id} of {graph.name} is not causal ({part.type})", "`lfm-arch show` counts it")
    if not any("tokens" in node.part.gives(graph.width).axes for node in graph.of("head")):
        raise refuse(f"no head of {graph.name} scores tokens", "add heads: {lm: {type: lm_head, tied_to: text}}")
