"""What must hold of a spec's parts and names before anything is built on them."""

from collections.abc import Iterator, Mapping
from keyword import iskeyword

from lfm_arch.graph.graph import Graph
from lfm_arch.graph.resolve import gives_stream, loose_streams, main_stream
from lfm_arch.graph.rule import Finding, layer_path, spec_of
from lfm_arch.operators.base import Operator, Part, Role
from lfm_arch.spec.arch import ArchSpec, Fusion, Layer
from lfm_arch.spec.text_error import did_you_mean

_RESERVED: Mapping[str, str] = {
    "fusion": "a node of every graph",
    "final_norm": "a node of every graph",
    "output": "a node of every graph",
    "mask": "an argument of every model",
    "state": "an argument of every model",
    "keep": "an argument of every model",
    "observed": "an argument of every model",
}
ROLES: tuple[Role, ...] = ("mixer", "channel")


def has_layers(graph: Graph) -> Iterator[Finding]:
    """A model has at least one layer."""
    if not spec_of(graph).layers:
        yield Finding(
            "depth_groups",
            "the stack has no layers",
            because="a model is a stack of at least one",
            help="write `depth_groups: [{name: trunk, stack: ...}]`",
        )


def names_are_distinct(graph: Graph) -> Iterator[Finding]:
    """Featurizers and heads have names of their own."""
    spec = spec_of(graph)
    for kind, names in (("featurizers", spec.featurizers), ("heads", spec.heads)):
        for name in names:
            if name in _RESERVED:
                message = f"{name!r} is the name of {_RESERVED[name]}"
            elif iskeyword(name) or not name.isidentifier():
                message = f"{name!r} cannot be an argument of a Python function"
            else:
                continue
            because = "inputs and outputs are called by these names"
            yield Finding(f"{kind}.{name}", message, because=because, help="choose another name")
    for name in spec.heads:
        if name in spec.featurizers:
            yield Finding(
                f"heads.{name}",
                f"{name!r} is a featurizer and a head",
                because="inputs and outputs are called by these names",
                help=f"rename one of them, say the head to `{name}_head`",
                also=(("the featurizer", f"featurizers.{name}"),),
            )


def layers_do_something(graph: Graph) -> Iterator[Finding]:
    """A layer mixes tokens, channels or both; in parallel, both."""
    spec = spec_of(graph)
    for number, layer in _first_of_each(spec):
        if layer.mixer is None and layer.channel is None:
            yield Finding(
                f"blocks.{layer.block}",
                f"layer {number} has neither a mixer nor a channel mixer",
                because="a layer without either would pass its input on",
                help="give the block a mixer or a channel mixer",
            )
        elif layer.placement == "parallel" and (layer.mixer is None or layer.channel is None):
            yield Finding(
                f"blocks.{layer.block}",
                f"layer {number} is parallel and has no {'mixer' if layer.mixer is None else 'channel mixer'}",
                because="parallel adds a mixer and a channel mixer that read one norm",
                help="write placement: pre, which is the same with one part",
            )


def roles_fit(graph: Graph) -> Iterator[Finding]:
    """A mixer stands where tokens are mixed, a channel mixer where channels are."""
    spec = spec_of(graph)
    for number, layer in _first_of_each(spec):
        for role in ROLES:
            operator: Operator | None = getattr(layer, role)
            if operator is not None and role not in operator.roles:
                word = getattr(operator, "type", type(operator).__name__)
                used = f"blocks.{layer.block}.{role}"
                yield Finding(
                    used if spec.place(used) is not None else layer_path(spec, number, role),
                    f"{word} stands as the {_WORDS[role]} of layer {number}",
                    because=f"{word} can be {' or '.join(_WORDS[each] for each in operator.roles)}",
                    help=f"write it under `{operator.roles[0]}:`" if operator.roles else "",
                )


_WORDS: Mapping[Role, str] = {"mixer": "mixer", "channel": "channel mixer"}


def names_are_known(graph: Graph) -> Iterator[Finding]:
    """Every featurizer that is mentioned exists; heads say themselves what they can be tied to."""
    spec = spec_of(graph)
    known = spec.featurizers

    def unknown(name: str, path: str, who: str) -> Iterator[Finding]:
        if name not in known:
            yield Finding(path, f"{who} {name!r}, which is no featurizer", help=did_you_mean(name, known))

    for name, featurizer in known.items():
        for source in featurizer.reads.values():
            path = f"featurizers.{name}{_field_with(featurizer, source)}"
            yield from unknown(source, path, f"{name!r} reads")
    for number, layer in _first_of_each(spec):
        for role in ROLES:
            operator: Operator | None = getattr(layer, role)
            if operator is None:
                continue
            for source in operator.reads.values():
                path = layer_path(spec, number, role) + _field_with(operator, source)
                yield from unknown(source, path, f"the {_WORDS[role]} of layer {number} reads")
    if spec.fusion is not None:
        for place, name in enumerate(spec.fusion.streams):
            yield from unknown(name, f"fusion.streams[{place}]", "fusion takes")
        for name in spec.fusion.placeholders:
            yield from unknown(name, f"fusion.placeholders.{name}", "a placeholder stands for")
    for shared in spec.shared_featurizers:
        for name in shared.featurizers:
            yield from unknown(name, shared.path, "weights are shared by")


def nothing_waits_for_itself(graph: Graph) -> Iterator[Finding]:
    """No part reads, through others, what it makes itself."""
    circle = graph.circle()
    if circle:
        first = next((each for each in circle if graph[each].kind != "shared"), circle[0])
        yield Finding(
            graph[first].path,
            f"{' -> '.join([*circle, circle[0]])} is a circle",
            because="values flow from inputs to outputs, and what shares weights comes after their owner",
            help="read another featurizer, or name the one that others read first in `sharing`",
        )


def streams_meet(graph: Graph) -> Iterator[Finding]:
    """Exactly one stream goes into the stack, or `fusion` says how several become one."""
    spec = spec_of(graph)
    if not spec.featurizers or spec.fusion is not None:
        return
    candidates = loose_streams(spec)
    if not candidates:
        yield Finding(
            "featurizers",
            "no featurizer gives a stream of tokens",
            because="layers work on [batch, tokens, width]; a feature vector can only condition operators",
            help="add one that does, say {type: token_embedding, vocab_size: ...}",
        )
    elif len(candidates) > 1:
        yield Finding(
            "featurizers",
            f"{', '.join(candidates)} each give a stream, and nothing says how they meet",
            because="one stream goes into the stack",
            help=f"add `fusion: {{type: prefix, streams: [{', '.join(candidates)}]}}`, or another fusion",
        )


def fusion_fits(graph: Graph) -> Iterator[Finding]:
    """Fusion takes two or more different streams, and interleaving a placeholder for each but the text."""
    spec = spec_of(graph)
    fusion = spec.fusion
    if fusion is None:
        return
    for place, name in enumerate(fusion.streams):
        featurizer = spec.featurizers.get(name)
        if featurizer is not None and not gives_stream(name, featurizer, spec.hidden_size):
            yield Finding(
                f"fusion.streams[{place}]",
                f"{name!r} gives {featurizer.gives(name, spec.hidden_size)}, which is no stream",
                because="fusion joins streams of tokens; a feature vector conditions operators",
                help=f"take {name!r} out of streams",
            )
        if name in fusion.streams[:place]:
            yield Finding(f"fusion.streams[{place}]", f"{name!r} is in streams twice", help="name each stream once")
    if len(set(fusion.streams)) < 2:
        yield Finding(
            "fusion.streams",
            f"fusion of {len(set(fusion.streams))} stream",
            because="fusion joins two or more",
            help="leave fusion out, or name more streams",
        )
    yield from _cross_attention_fits(spec, fusion) if fusion.type == "cross_attention" else ()
    yield from _placeholders_fit(spec, fusion)


def _cross_attention_fits(spec: ArchSpec, fusion: Fusion) -> Iterator[Finding]:
    read = {
        source
        for layer in spec.layers
        for operator in (layer.mixer, layer.channel)
        if operator is not None
        for source in operator.reads.values()
    }
    for place, name in enumerate(fusion.streams[1:], start=1):
        if name in spec.featurizers and name not in read:
            yield Finding(
                f"fusion.streams[{place}]",
                f"no layer reads {name!r}",
                because="with cross_attention the first stream goes into the stack, operators read the others by name",
                help="let an operator read it, or use prefix or interleave",
            )


def _placeholders_fit(spec: ArchSpec, fusion: Fusion) -> Iterator[Finding]:
    if fusion.type != "interleave":
        if fusion.placeholders:
            yield Finding(
                "fusion.placeholders",
                f"placeholders with {fusion.type}",
                because="only interleave replaces marked tokens; a setting that nothing reads is a mistake",
                help="remove placeholders, or write type: interleave",
            )
        return
    text = main_stream(spec)
    if text is None or spec.featurizers[text].modality != "text":
        yield Finding("fusion.streams", "interleave without a text stream", because="placeholders are token ids")
        return
    for name in fusion.streams:
        if name != text and name not in fusion.placeholders:
            yield Finding(
                "fusion",
                f"{name!r} has no placeholder",
                because="each of its vectors replaces a token of the text that has its placeholder id",
                help=f"write `placeholders: {{{name}: <token id>}}`",
            )
    rows = getattr(spec.featurizers[text], "vocab_size", None)
    taken: dict[int, str] = {}
    for name, token in fusion.placeholders.items():
        if name in spec.featurizers and (name not in fusion.streams or name == text):
            why = "the text that holds the placeholders" if name == text else "not one of the streams"
            yield Finding(f"fusion.placeholders.{name}", f"a placeholder for {name!r}, which is {why}")
        if rows is not None and not 0 <= token < rows:
            yield Finding(
                f"fusion.placeholders.{name}",
                f"token id {token} of {rows}",
                because=f"{text!r} knows ids 0 to {rows - 1}",
            )
        if taken.setdefault(token, name) != name:
            yield Finding(
                f"fusion.placeholders.{name}",
                f"{name!r} and {taken[token]!r} have the same placeholder {token}",
                because="a position takes one stream's vector",
            )


def featurizers_are_used(graph: Graph) -> Iterator[Finding]:
    """What is computed is read."""
    spec = spec_of(graph)
    for name in spec.featurizers:
        if any(edge.port not in ("weights", "owns") for edge in graph.out_of(name)):
            continue
        # streams that do not meet are the mistake of other rules
        if name not in (loose_streams(spec) if spec.fusion is None else spec.fusion.streams):
            yield Finding(
                f"featurizers.{name}",
                f"nothing reads {name!r}",
                because="what is computed and not used is a mistake",
                help="let the stack, fusion, a featurizer or an operator read it, or remove it",
            )


def _field_with(part: Part, value: str) -> str:
    """Return `.field` for the field that holds a name, to point at it."""
    for name in type(part).model_fields:
        held = getattr(part, name)
        if held == value and name != "type":
            return f".{name}"
        deeper = _field_with(held, value) if isinstance(held, Part) else ""
        if deeper:
            return f".{name}{deeper}"
    return ""


def _first_of_each(spec: ArchSpec) -> Iterator[tuple[int, Layer]]:
    """Yield layers, the first of those that are declared alike; one mistake in a block is one finding."""
    seen: set[tuple[object, ...]] = set()
    for number, layer in enumerate(spec.layers):
        key = (layer.block, layer.mixer, layer.channel, layer.placement)
        if key not in seen:
            seen.add(key)
            yield number, layer
