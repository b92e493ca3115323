"""Expert placement: chosen layers get a mixture of experts in place of their channel mixer.

What an entry leaves out and the replaced channel mixer has, is taken over: its `intermediate_size`, and its kind, so
that the experts of a geglu layer are geglu.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from lfm_arch.core.errors import Diagnostic
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.rule import Finding, layer_path, located, spec_of
from lfm_arch.operators.base import Operator
from lfm_arch.operators.registry import operators
from lfm_arch.spec.arch import ExpertPlacement
from lfm_arch.spec.text_error import did_you_mean

_MOE = "moe"


def place_experts(graph: Graph) -> Graph:
    """Replace channel mixers where the spec places experts, and where that is legal."""
    spec = spec_of(graph)
    changed: dict[str, Node] = {}
    for placement in spec.moe:
        made: dict[Operator, Operator | None] = {}
        for number in placement.layers:
            node = graph.nodes.get(f"layers.{number}")
            if node is None or node.id in changed or node.part.channel is None:
                continue
            replaced = node.part.channel
            if replaced not in made:
                made[replaced] = _experts(placement, replaced)[0]
            experts = made[replaced]
            if experts is not None:
                layer = node.part.model_copy(update={"channel": experts})
                changed[node.id] = Node(node.id, node.kind, layer, node.type, node.path)
    return graph.replacing(*changed.values()) if changed else graph


def _experts(placement: ExpertPlacement, replaced: Operator) -> tuple[Operator | None, ValidationError | None]:
    """Make the operator, or say what pydantic says against it."""
    kind = operators()[_MOE]
    fields: dict[str, Any] = {name: value for name, value in placement.experts.items() if name != "type"}
    for name in kind.model_fields.keys() - {"type"} - fields.keys():
        if name in type(replaced).model_fields:
            fields[name] = getattr(replaced, name)
    kind_of_expert = getattr(replaced, "type", None)
    if "expert" in kind.model_fields and "expert" not in fields and kind_of_expert in _kinds_of_expert(kind):
        fields["expert"] = kind_of_expert
    try:
        return kind.model_validate({"type": _MOE, **fields}), None
    except ValidationError as error:
        return None, error


def _kinds_of_expert(kind: type[Operator]) -> tuple[str, ...]:
    return getattr(kind.model_fields["expert"].annotation, "__args__", ())


def _lost(placement: ExpertPlacement, replaced: Operator) -> str:
    """Name what an expert of the replaced kind would lose; nothing when the entry says what an expert is."""
    kind = operators()[_MOE]
    if "expert" in placement.experts or "expert" not in kind.model_fields:
        return ""
    word = getattr(replaced, "type", type(replaced).__name__)
    if word not in _kinds_of_expert(kind):
        return f"the kind {word!r}"
    for name, field in type(replaced).model_fields.items():
        value = getattr(replaced, name)
        if name not in kind.model_fields and value != field.default:
            return f"{name}={value}"
    return ""


# the rules


def experts_replace_a_channel_mixer(graph: Graph) -> Iterator[Finding]:
    """Experts go where a channel mixer is, in layers that exist."""
    spec = spec_of(graph)
    for placement in spec.moe:
        for number in placement.layers:
            if not 0 <= number < len(spec.layers):
                yield Finding(
                    placement.path,
                    f"layer {number} does not exist",
                    because="layers are numbered from 0",
                    help=f"the stack has {len(spec.layers)} layers, 0 to {len(spec.layers) - 1}",
                )
                break
            if spec.layers[number].channel is None:
                yield Finding(
                    placement.path,
                    f"layer {number} has no channel mixer",
                    because="experts stand in place of a layer's channel mixer",
                    help=f"give block {spec.layers[number].block!r} a channel mixer, or leave its layers out",
                    also=((f"layer {number}", layer_path(spec, number, "channel")),),
                )
                break


def experts_are_placed_once(graph: Graph) -> Iterator[Finding]:
    """No layer gets experts from two entries."""
    seen: dict[int, ExpertPlacement] = {}
    for placement in spec_of(graph).moe:
        for number in placement.layers:
            before = seen.setdefault(number, placement)
            if before is not placement:
                yield Finding(
                    placement.path,
                    f"layer {number} already has experts",
                    because="experts are placed once in a layer",
                    help="make the layers of the entries disjoint",
                    also=(("first here", before.path),),
                )
                break


def experts_are_legal(graph: Graph) -> Iterator[Finding | Diagnostic]:
    """What an entry writes, with what it takes over, makes a mixture of experts."""
    spec = spec_of(graph)
    known = [name for name in operators()[_MOE].model_fields if name != "type"]
    for placement in spec.moe:
        for number in placement.layers:
            layer = spec.layers[number] if 0 <= number < len(spec.layers) else None
            if layer is None or layer.channel is None:
                continue
            lost = _lost(placement, layer.channel)
            error = _experts(placement, layer.channel)[1]
            if lost:
                yield Finding(
                    placement.path,
                    f"experts cannot take over {lost} of layer {number}",
                    because="what is left out is taken from the channel mixer that is replaced, and nothing is dropped",
                    help=f"say what an expert is: write `expert: {_kinds_of_expert(operators()[_MOE])[0]}`",
                    also=((f"layer {number}", layer_path(spec, number, "channel")),),
                )
            for each in error.errors(include_url=False) if error is not None else ():
                yield from _say(graph, placement, number, each, known)
            if lost or error is not None:
                break


def _say(
    graph: Graph, placement: ExpertPlacement, number: int, error: Any, known: list[str]
) -> Iterator[Finding | Diagnostic]:
    spec = spec_of(graph)
    context = error.get("ctx", {})
    field = ".".join(str(step) for step in error["loc"] if step != _MOE) or str(context.get("field", ""))
    path = f"{placement.path}.{field}" if field else placement.path
    replaced = spec.layers[number].channel
    also = ((f"the channel mixer of layer {number} that it replaces", layer_path(spec, number, "channel")),)
    if error["type"] == "lfm_arch":
        found = Finding(path, context["message"], context["because"], context["help"], also)
        yield located(spec, context["code"], found)
    elif error["type"] == "missing":
        yield Finding(
            placement.path,
            f"experts need {field}",
            because=f"it is not written, and {getattr(replaced, 'type', 'the channel mixer')} has none to take over",
            help=f"write {field}",
            also=also,
        )
    elif error["type"] == "extra_forbidden":
        yield Finding(path, f"experts have no {field!r}", help=did_you_mean(field, known))
    else:
        yield Finding(path, f"{field}: {error['msg']}", also=also)
