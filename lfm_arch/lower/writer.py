"""Write a model's forward as an fx graph, one line for every part of ours."""

from collections.abc import Callable
from operator import getitem
from typing import Any

from torch import fx

from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.sharing import slot_with
from lfm_arch.lower import forward
from lfm_arch.lower.sharing import same_module
from lfm_arch.spec.arch import Fusion, SharedFeatures

OPTIONS = ("mask", "state", "keep", "observed")
"""Arguments of every model, behind its inputs."""


def write_forward(graph: Graph) -> tuple[fx.Graph, tuple[str, ...]]:
    """Return the fx graph, and the names of weights that heads borrow from featurizers."""
    writer = _Writer(graph)
    return writer.write(), tuple(writer.tied)


class _Writer:
    """The state of writing: what each node of ours became."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.fx = fx.Graph()
        self.values: dict[str, Any] = {}
        """Node id to the fx node of what it puts out; raw inputs under `input.<name>`."""
        self.held: dict[str, fx.Node] = {}
        self.tied: list[str] = []
        self.mask: Any = None
        self.state: Any = None
        self.context: Any = None
        self.slots: Any = None

    def write(self) -> fx.Graph:
        inputs = self.graph.of("input")
        optional: dict[str, Any] = {"default_value": None} if len(inputs) > 1 else {}
        for node in inputs:
            name = node.id.removeprefix("input.")
            self.values[node.id] = self.fx.placeholder(name, **optional)
        self.mask, self.state, keep, observed = (self.fx.placeholder(name, default_value=None) for name in OPTIONS)
        for node in self.graph.of("featurizer"):
            self.values[node.id] = self._featurizer(node, whether_given=len(inputs) > 1)
        for node in self.graph.of("fusion"):
            self.values[node.id] = self._fusion(node)
        self._begin(observed)
        for node in self.graph.layers:
            self._layer(node)
        outputs = self._outputs(keep)
        done = self.fx.call_function(forward.finish, (outputs, self.context, self.state))
        self.fx.output(done)
        return self.fx

    def _call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        return self.fx.create_node("call_function", function, args, kwargs, name)

    def _featurizer(self, node: Node, *, whether_given: bool) -> fx.Node:
        target = same_module(self.graph, node)
        into = self.graph.into(node.id)
        raw = (self.values[into["raw"]],) if "raw" in into else ()
        ports = {port: self.values[source] for port, source in into.items() if port not in ("raw", "weights")}
        if ports:
            ports["mask_BT"] = self._mask_of(next(source for port, source in into.items() if port in ports))
        if not whether_given:
            return self.fx.call_module(target, raw, ports)
        module = self.fx.get_attr(target)
        return self.fx.call_function(forward.given, (module, *raw), ports)

    def _mask_of(self, source: str) -> Any:
        """Return the part of the mask that lies over one featurizer's stream; None over what is no part of it."""
        fusions = self.graph.of("fusion")
        streams = list(self.graph.into(fusions[0].id).values()) if fusions else [self._stream_source()]
        if fusions and fusions[0].part.type != "prefix":
            streams = [name for name in streams if name not in fusions[0].part.placeholders][:1]
        if source not in streams:
            return None
        before = tuple(self.values[name] for name in streams[: streams.index(source)] if name in self.values)
        return self.fx.call_function(forward.part_of_mask, (self.mask, self.state, before, self.values[source]))

    def _fusion(self, node: Node) -> fx.Node:
        fusion: Fusion = node.part
        into = self.graph.into(node.id)
        if fusion.type == "interleave":
            (text,) = (name for name in into if name not in fusion.placeholders)
            others = {name: self.values[source] for name, source in into.items() if name in fusion.placeholders}
            ids = self.values[self.graph.into(into[text])["raw"]]
            args = (self.values[into[text]], ids, {name: fusion.placeholders[name] for name in others})
            return self.fx.call_function(forward.interleave, args, others)
        if fusion.type == "prefix":
            return self.fx.call_function(forward.prefix, tuple(self.values[into[name]] for name in fusion.streams))
        return self.values[next(iter(into.values()))]

    def _begin(self, observed: fx.Node) -> None:
        stream = self.values[self._stream_source()]
        self.context = self._call("context", forward.begin, stream, self.mask, self.state, observed)
        if any(operator.state(self.graph.width) for operator in self._operators()):
            self.slots = self._call("slots", forward.slots_of, self.state)

    def _operators(self) -> list[Any]:
        layers = [node.part for node in self.graph.layers]
        return [each for layer in layers for each in (layer.mixer, layer.channel) if each is not None]

    def _stream_source(self) -> str:
        """Return the node that gives the stack its stream."""
        readers = (*self.graph.layers[:1], *self.graph.of("norm"), *self.graph.of("head"), *self.graph.of("output"))
        return self.graph.into(readers[0].id)["stream"]

    def _layer(self, node: Node) -> None:
        into = self.graph.into(node.id)
        kwargs: dict[str, Any] = {}
        for slot in ("mixer", "channel"):
            taken = {
                port.removeprefix(f"{slot}."): self._taken(source)
                for port, source in into.items()
                if port.startswith(f"{slot}.") and port != f"{slot}.weights"
            }
            if taken:
                kwargs[f"to_{slot}"] = taken
        handed = self._handed_on(node)
        if handed:
            kwargs["hand_on"] = {feature: slot_with(node.part, feature) for feature in handed.values()}
        args: tuple[Any, ...] = (self.values[into["stream"]], self.context)
        remembers = any(each.state(self.graph.width) for each in (node.part.mixer, node.part.channel) if each)
        if remembers:
            slots = self.fx.create_node("call_method", "get", (self.slots, node.id), name=f"{_word(node.id)}_slots")
            args += (slots,)
        block = same_module(self.graph, node)
        out = self.fx.create_node("call_module", block, args, kwargs, _word(node.id))
        if handed:
            for number, shared in enumerate(handed, start=1):
                self.values[shared] = self._call(_word(shared), getitem, out, number)
            out = self._call(f"{_word(node.id)}_stream", getitem, out, 0)
        self.values[node.id] = out

    def _handed_on(self, node: Node) -> dict[str, str]:
        """Return the features that later layers read from this one: shared node -> feature."""
        shared = {edge.target: self.graph[edge.target] for edge in self.graph.out_of(node.id) if edge.port == "owns"}
        return {each.id: each.part.feature for each in shared.values() if isinstance(each.part, SharedFeatures)}

    def _taken(self, source: str) -> fx.Node:
        if self.graph[source].kind != "featurizer":
            return self.values[source]
        if source not in self.held:
            self.held[source] = self._call(
                f"{_word(source)}_held", forward.hold, self.values[source], source, self.state
            )
        return self.held[source]

    def _outputs(self, keep: fx.Node) -> Any:
        heads = self.graph.of("head")
        whole = [node for node in heads if not _every_position(node, self.graph.width)]
        cut: dict[str, fx.Node] = {}

        def read(source: str, *, all_positions: bool) -> fx.Node:
            """Norm before a cut when anybody needs the whole stream, else cut first and norm what is left."""
            if all_positions:
                return self._stream_after(source)
            if source not in cut:
                if self.graph[source].kind == "norm" and not whole:
                    above = self.graph.into(source)["stream"]
                    kept = self.fx.call_function(forward.last, (self.values[above], keep))
                    cut[source] = self.fx.call_module(source, (kept,))
                else:
                    cut[source] = self.fx.call_function(forward.last, (self._stream_after(source), keep))
            return cut[source]

        outputs: dict[str, fx.Node] = {}
        for name, source in self.graph.into("output").items():
            if name not in {node.id for node in heads}:
                return read(source, all_positions=False)
        for node in heads:
            into = self.graph.into(node.id)
            stream = read(into["stream"], all_positions=node in whole)
            kwargs: dict[str, Any] = {}
            if "weights" in into:
                tied = f"{same_module(self.graph, self.graph[into['weights']])}.weight"
                self.tied.append(tied)
                kwargs["weight"] = self.fx.get_attr(tied)
            if node in whole:
                kwargs["mask_BT"] = self.fx.call_function(getattr, (self.context, "new_mask_BT"))
            outputs[node.id] = self.fx.call_module(node.id, (stream,), kwargs)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def _stream_after(self, source: str) -> fx.Node:
        if source not in self.values:
            above = self.graph.into(source)["stream"]
            self.values[source] = self.fx.call_module(source, (self.values[above],))
        return self.values[source]


def _word(node_id: str) -> str:
    return node_id.replace(".", "_")


def _every_position(node: Node, width: int) -> bool:
    """Whether a head puts out one row for each position."""
    return "tokens" in node.part.gives(width).axes
