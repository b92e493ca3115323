"""Graph -> torch module, node by node.

    def forward(self, text, mask=None, state=None, keep=None, observed=None):
        text_1 = self.text(text)
        context = begin(text_1, mask, state, observed)
        slots = slots_of(state)
        layers_0 = self.layers.0(text_1, context, slots.get('layers.0'))
        ...
        lm = self.lm(final_norm, weight=self.text.weight)
        return finish(lm, context, state)

A layer whose weights another layer owns calls the owner's block once more, with state slots of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import nn

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.core.state import StateSlot
from lfm_arch.featurizers.base import Head
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.lower.block import Block, clashing_slots, norm_names
from lfm_arch.lower.initial import Initialiser, Part, construct, construct_meta, leave_unset
from lfm_arch.lower.model import Facts, Model
from lfm_arch.lower.sharing import Owned, same_module, tie
from lfm_arch.lower.writer import OPTIONS, write_forward
from lfm_arch.operators.base import Operator
from lfm_arch.spec.arch import Layer

RESERVED = ("training", "layers", *OPTIONS)
Progress = Callable[[str], None]
"""Told the id of every part that was made."""


def lower(
    graph: Graph,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    initialise: bool = True,
    progress: Progress = lambda _: None,
) -> Model:
    """Make the running model of a complete graph.

    Args:
        graph: as the graph room's passes leave it.
        device: `meta` allocates nothing.
        dtype: number format of the parameters; buffers keep theirs.
        seed: first values are a function of it and of the parameter's name.
        initialise: False leaves matrices unset, for a caller who fills them.
        progress: called with the id of each part once it is there.
    """
    device = torch.device(device)
    modules: dict[str, nn.Module] = {}
    for part in parts(graph, device=device, dtype=dtype, seed=seed, initialise=initialise, owned=modules.get):
        modules[part.name] = part.module
        progress(part.name)
    fx_graph, tied = write_forward(graph)
    weights = {name: modules[name.rpartition(".")[0]].get_parameter(name.rpartition(".")[2]) for name in tied}
    model = Model({**modules, **weights}, fx_graph, class_name="Model")
    model.meta["facts"] = facts(graph)
    return model


def parts(
    graph: Graph,
    *,
    device: torch.device,
    dtype: torch.dtype,
    seed: int,
    initialise: bool = True,
    owned: Owned = lambda _: None,
) -> Iterator[Part]:
    """Make the model's parts one by one: featurizers, distinct layers, the final norm, heads.

    Args:
        graph: as for `lower`.
        device: as for `lower`.
        dtype: as for `lower`.
        seed: as for `lower`.
        initialise: as for `lower`.
        owned: finds the part, made earlier, whose weights this one shares. Without one a sharing part holds copies:
            for a caller who writes parts to disk one at a time, and leaves out what is not the part's own.
    """
    wanted = initialise and device.type != "meta"
    with ExitStack() as stack:
        initialiser = stack.enter_context(Initialiser.of(seed, branches(graph))) if wanted else None
        for node in graph:
            build = _builder(graph, node)
            if build is None or same_module(graph, node) != node.id:
                continue
            part = construct_meta(node.id, build) if device.type == "meta" else construct(node.id, build, seed)
            if initialiser is None:
                leave_unset(part, dtype=dtype, device=device)
            else:
                initialiser.apply(part, dtype=dtype, device=device)
            tie(graph, node, part.module, owned)
            yield part
            # not kept alive while the next one is made
            del part


def _builder(graph: Graph, node: Node) -> Callable[[], nn.Module] | None:
    """Return what makes a node's module; None for a node that has none."""
    part, width = node.part, graph.width
    if node.kind == "layer":
        return lambda: _block(part, width)
    if node.kind in ("featurizer", "head", "norm"):
        if hasattr(Model, node.id) or node.id in RESERVED:
            raise BuildError(
                Diagnostic(
                    "E800",
                    f"{node.id!r} cannot be the name of a {node.kind}",
                    graph.spec.place(node.path) if graph.spec else None,
                    node.path,
                    because="the model is a torch module, which has an attribute of that name",
                    help=f"rename it, as {node.id}_1",
                )
            )
        return lambda: part.build(width)
    return None


def _block(layer: Layer, width: int) -> Block:
    mixer, channel = layer.mixer, layer.channel
    names = norm_names(layer.placement, mixer=mixer is not None, channel=channel is not None)
    return Block(
        layer.placement,
        mixer=None if mixer is None else mixer.build(width),
        channel=None if channel is None else channel.build(width),
        norms={name: layer.norm.build(width) for name in names},
        clashing=clashing_slots(mixer, channel, width),
    )


def branches(graph: Graph) -> int:
    """Count the residual additions of the stack."""
    return sum((node.part.mixer is not None) + (node.part.channel is not None) for node in graph.layers)


def facts(graph: Graph) -> Facts:
    """Gather what callers of the lowered model must know."""
    slots = {node.id: (*_states(node.part, graph.width),) for node in graph.layers}
    inputs = {node.id.removeprefix("input."): node.part for node in graph.of("input")}
    heads = graph.of("head")
    text_input, text_output, vocab_size = _language(graph)
    return Facts(
        name=graph.name,
        width=graph.width,
        inputs=inputs,
        outputs={node.id: node.part.gives(graph.width) for node in heads},
        slots={layer: declared for layer, declared in slots.items() if declared},
        causal=all(each.causal for node in graph.layers for each in _operators(node.part)),
        text_input=text_input,
        text_output=text_output,
        prefix=next((node.part.streams for node in graph.of("fusion") if node.part.type == "prefix"), ()),
        vocab_size=vocab_size,
    )


def _language(graph: Graph) -> tuple[str, str, int | None]:
    """Find the text that the model reads and the head that scores its next token; empty where there is none."""
    texts = {node.id: node.part for node in graph.of("featurizer") if node.part.modality == "text"}
    first = next(iter(texts), "")
    for node in graph.of("head"):
        head: Head = node.part
        text = head.tied_to or first
        vocab_size = getattr(texts.get(text), "vocab_size", None)
        scores = getattr(head, "vocab_size", None)
        if vocab_size is not None and scores == vocab_size:
            return text, node.id, vocab_size
    return first, "", getattr(texts.get(first), "vocab_size", None)


def _states(layer: Layer, width: int) -> Iterator[StateSlot]:
    clashing = clashing_slots(layer.mixer, layer.channel, width)
    for slot, operator in (("mixer", layer.mixer), ("channel", layer.channel)):
        for each in operator.state(width) if operator is not None else ():
            apart = slot == "channel" and each.name in clashing
            yield replace(each, name=f"channel.{each.name}") if apart else each


def _operators(layer: Layer) -> tuple[Operator, ...]:
    return tuple(each for each in (layer.mixer, layer.channel) if each is not None)
