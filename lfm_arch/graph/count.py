"""Exact counts of a graph: parameters, FLOPs, traffic and state, by node and in total.

Every distinct part is counted once and remembered, so that counting the candidates of a search, which are made of the
same few parts, costs little more than adding up.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.graph.graph import Graph, Kind
from lfm_arch.graph.layout import layout
from lfm_arch.graph.memory import remembered
from lfm_arch.graph.resolve import main_stream
from lfm_arch.graph.rule import spec_of
from lfm_arch.operators.base import Operator
from lfm_arch.operators.norm import Norm, Placement, norms_per_layer
from lfm_arch.spec.arch import Layer

CACHE_BYTES = 2
"""Bytes of a cached element where nothing else is said: 16 bit. Other formats belong to a deployment, see hardware."""


class LayerParts(NamedTuple):
    """What the pieces of one layer cost; their sum is the layer's cost."""

    mixer: Cost
    channel: Cost
    norm: Cost
    """All norms of the layer, and its residual additions."""

    @property
    def total(self) -> Cost:
        return Cost.total(self)


def count(
    graph: Graph,
    work: Workload,
    *,
    tokens: Mapping[str, int] | None = None,
    logits: Literal["all", "last"] = "all",
    kinds: Collection[Kind] | None = None,
) -> dict[str, Cost]:
    """Count one forward pass, by node id: featurizers, fusion, layers, the final norm and heads.

    What reads shared weights holds none, but uses and touches them. The active parameters of experts that several
    layers share are those of their owner.

    Args:
        graph: a compiled graph.
        work: `tokens` are the positions of the stack.
        tokens: how many of them each featurizer's stream brings, by name; where nothing is said, the main stream
            (`main_stream`) brings all, other streams are not run.
        logits: whether heads see all new positions, as the model's own forward, or the last of each sequence, as
            runtimes do when they generate.
        kinds: count only nodes of these kinds; None for all.
    """
    spec, width = spec_of(graph), graph.width
    brought = {main_stream(spec): work.tokens} if tokens is None else dict(tokens)
    costs: dict[str, Cost] = {}
    for node in graph:
        if kinds is not None and node.kind not in kinds:
            continue
        if node.kind == "layer":
            costs[node.id] = _layer(graph, node.id, node.part, work).total
        elif node.kind == "featurizer":
            reads = node.part.reads
            # a vector that reads nothing is given whole; a reader sees what its source brings
            new = max((brought.get(each, 0) for each in reads.values()), default=work.tokens) if reads else None
            if new is None:
                new = brought.get(node.id, work.tokens if len(node.part.gives(node.id, width).axes) < 3 else 0)
            owned = not graph.borrowed(node.id)
            costs[node.id] = _featurizer(node.part, width, Workload(work.batch, new, work.past), owned)
        elif node.kind == "norm":
            costs[node.id] = _cost(node.part, width, work)
        elif node.kind == "head":
            seen = work if logits == "all" else Workload(work.batch, 1, max(0, work.context - 1))
            costs[node.id] = _cost(node.part, width, seen)
        elif node.kind == "fusion":
            moved = 0 if node.part.type == "cross_attention" else 2 * width * work.positions
            costs[node.id] = Cost(activations=moved, kernels=int(moved > 0))
    return costs


def layer_parts(graph: Graph, work: Workload, *, layers: Iterable[str] | None = None) -> dict[str, LayerParts]:
    """Count one forward pass of the layers, mixer, channel mixer and norms apart, by layer id.

    Layers that cost the same give the same object, so that a caller can count one of them and multiply.

    Args:
        graph: a compiled graph.
        work: the pass.
        layers: ids of the layers to count; None for all.
    """
    nodes = graph.layers if layers is None else [graph[layer_id] for layer_id in layers]
    return {node.id: _layer(graph, node.id, node.part, work) for node in nodes}


def slots(graph: Graph) -> dict[str, tuple[StateSlot, ...]]:
    """Return what each layer remembers between passes, by layer id; a layer that remembers nothing has no slots.

    Where mixer and channel mixer call a slot the same, the channel mixer's is `channel.<name>`, as in the built model.
    """
    return {node.id: _slots(node.part.mixer, node.part.channel, graph.width) for node in graph.layers}


@dataclass(frozen=True, slots=True)
class Totals:
    """A model in a few exact numbers."""

    params: int
    active_params: int
    """Parameters that one token uses."""
    layers: int
    layout: str
    """One letter a layer, see `lfm_arch.graph.layout`."""
    flops_per_token: int
    """Of one token on its own: with a context, attention does more; see `count`."""
    kv_elements_per_token: int
    """Elements that each further token of a sequence adds to the growing cache."""
    window_elements: int
    """Elements of the windowed caches of one sequence, once their windows are full."""
    fixed_state_elements: int
    """Elements of one sequence's state whose size does not depend on the context."""
    float32_elements: int
    """How many of the fixed ones are kept in float32 whatever the format of the activations."""

    @property
    def kv_bytes_per_token(self) -> int:
        """Growing cache for each token, 16 bit elements."""
        return CACHE_BYTES * self.kv_elements_per_token

    @property
    def fixed_state_bytes(self) -> int:
        """Full windows and fixed state of one sequence, 16 bit elements except float32 accumulators."""
        return state_bytes(self.window_elements + self.fixed_state_elements, self.float32_elements)

    def cache_bytes(self, context: int) -> int:
        """All remembered state of one sequence after `context` tokens, at least as many as the longest window."""
        return self.kv_bytes_per_token * context + self.fixed_state_bytes


def state_bytes(elements: int, float32_elements: int) -> int:
    """Bytes of remembered elements of which some are float32 whatever the format of the others, 16 bit here."""
    return CACHE_BYTES * (elements - float32_elements) + 4 * float32_elements


def totals(graph: Graph) -> Totals:
    """Add up a graph."""
    whole = Cost.total(count(graph, Workload()).values())
    growing = windowed = fixed = accumulators = 0
    for held in slots(graph).values():
        for slot in held:
            if slot.grows:
                growing += slot.per_token
                continue
            elements = slot.elements(batch=1, context=slot.limit or 0)
            if "context" in slot.shape:
                windowed += elements
            else:
                fixed += elements
                accumulators += elements * (slot.precision == "float32")
    return Totals(
        params=whole.params,
        active_params=whole.active_params,
        layers=len(graph.layers),
        layout=layout(graph),
        flops_per_token=whole.flops,
        kv_elements_per_token=growing,
        window_elements=windowed,
        fixed_state_elements=fixed,
        float32_elements=accumulators,
    )


def _layer(graph: Graph, layer_id: str, layer: Layer, work: Workload) -> LayerParts:
    return _parts(layer.mixer, layer.channel, layer.norm, layer.placement, graph.width, work, graph.borrowed(layer_id))


@remembered
def _parts(
    mixer: Operator | None,
    channel: Operator | None,
    norm: Norm,
    placement: Placement,
    width: int,
    work: Workload,
    borrowed: frozenset[str],
) -> LayerParts:
    halves = (mixer is not None) + (channel is not None)
    norms = norms_per_layer(placement, channel=halves == 2)
    around = Cost.total([_cost(norm, width, work)] * norms)
    # an addition reads two streams and writes one
    added = Cost(activations=3 * width * work.positions * halves, kernels=halves)
    return LayerParts(
        _held(_cost(mixer, width, work) if mixer is not None else Cost(), "mixer" not in borrowed),
        _held(_cost(channel, width, work) if channel is not None else Cost(), "channel" not in borrowed),
        _held(around, "norm" not in borrowed) + added,
    )


@remembered
def _cost(part: Any, width: int, work: Workload) -> Cost:
    return part.cost(width, work)


@remembered
def _featurizer(part: Any, width: int, work: Workload, owned: bool) -> Cost:  # noqa: FBT001
    if work.tokens == 0:
        held = _cost(part, width, Workload())
        return _held(Cost(params=held.params, active_params=held.active_params), owned)
    return _held(_cost(part, width, work), owned)


@remembered
def _slots(mixer: Operator | None, channel: Operator | None, width: int) -> tuple[StateSlot, ...]:
    mine = mixer.state(width) if mixer is not None else ()
    theirs = channel.state(width) if channel is not None else ()
    taken = {slot.name for slot in mine}
    renamed = (replace(slot, name=f"channel.{slot.name}") if slot.name in taken else slot for slot in theirs)
    return (*mine, *renamed)


def _held(cost: Cost, owned: bool) -> Cost:  # noqa: FBT001
    return cost if owned else replace(cost, params=0, active_params=0)
