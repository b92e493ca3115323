"""A graph as text: stable, complete, made to be read in a review and compared line by line."""

from collections.abc import Iterator
from typing import get_args

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.graph.count import count, slots, totals
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.identity import architecture_id
from lfm_arch.graph.inference import tokens_of
from lfm_arch.graph.sharing import slots_of
from lfm_arch.operators.base import Part
from lfm_arch.spec.arch import Fusion, Layer, SharedFeatures, SharedFeaturizers, SharedWeights


def dump(graph: Graph) -> str:
    """Write every node with its type, what it reads, its fields and its counts, then the totals."""
    return "\n".join(_lines(graph)) + "\n"


def describe(part: object) -> str:
    """Write a part as a spec could, without what is left at its default: `short_conv(kernel_size=3)`."""
    if not isinstance(part, Part):
        return str(part)
    word = getattr(part, "type", type(part).__name__)
    fields = [
        f"{name}={_value(getattr(part, name))}"
        for name, field in type(part).model_fields.items()
        if name != "type" and getattr(part, name) != field.default
    ]
    return f"{word}({', '.join(fields)})" if fields else str(word)


def _value(value: object) -> str:
    if isinstance(value, Part):
        field = type(value).model_fields.get("type")
        # a kind that a part chooses by itself, as a rope's, is left out where it is the usual one
        choices = get_args(field.annotation) if field is not None else ()
        plain = describe(value)
        usual = str(field.default) if field is not None and len(choices) > 1 else ""
        return plain.removeprefix(usual) or plain
    return f"{value:g}" if isinstance(value, float) else str(value)


def _lines(graph: Graph) -> Iterator[str]:
    costs = count(graph, Workload())
    remembered = slots(graph)
    yield f"graph {graph.name}, width {graph.width}, tokens = {tokens_of(graph)}"
    yield f"id {architecture_id(graph)}"
    for node in graph:
        yield ""
        made = f" -> {node.type}" if node.type is not None else ""
        reads = ", ".join(f"{port}={source}" for port, source in sorted(graph.into(node.id).items()))
        yield f"{node.id}{f'  [{reads}]' if reads else ''}{made}"
        yield from (f"    {line}" for line in _about(node))
        for slot in remembered.get(node.id, ()):
            limit = f", at most {slot.limit} kept" if slot.limit is not None else ""
            precise = f", {slot.precision}" if slot.precision != "stream" else ""
            yield f"    remembers {slot.name} [{', '.join(map(str, slot.shape))}]{limit}{precise}"
        if node.id in costs:
            yield f"    {_counts(costs[node.id])}"
    yield ""
    counted = totals(graph)
    for name in type(counted).__dataclass_fields__:
        value = getattr(counted, name)
        yield f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"


def _counts(cost: Cost) -> str:
    active = f" ({cost.active_params:,} active)" if cost.active_params != cost.params else ""
    return f"{cost.params:,} parameters{active}, {cost.flops:,} FLOPs for one token"


def _about(node: Node) -> Iterator[str]:
    part = node.part
    if isinstance(part, Layer):
        yield f"mixer {describe(part.mixer)}" if part.mixer is not None else "no mixer"
        yield f"channel {describe(part.channel)}" if part.channel is not None else "no channel mixer"
        yield f"norm {describe(part.norm)}, {part.placement}"
    elif isinstance(part, SharedWeights):
        yield f"one {' and '.join(slots_of(part))} for layers {', '.join(map(str, part.layers))}"
    elif isinstance(part, SharedFeatures):
        yield f"{part.feature} computed once for layers {', '.join(map(str, part.layers))}"
    elif isinstance(part, SharedFeaturizers):
        yield f"one copy of weights for {', '.join(part.featurizers)}"
    elif isinstance(part, Fusion):
        marks = ", ".join(f"{name} at token {token}" for name, token in part.placeholders.items())
        yield f"{part.type} of {', '.join(part.streams)}{f': {marks}' if marks else ''}"
    elif part is not None and not isinstance(part, TensorType):
        yield describe(part)
