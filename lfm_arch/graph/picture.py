"""A stack folded for drawing: what repeats is drawn once, in a frame with a number.

    ccAccAccAcAcAcAc   ->   3 x (2 x conv, attn), 3 x (conv, attn), conv

`fold` gives rows of plain values, which become JSON as they are:

    leaf    {"name": "conv", "repeat": 2, "layers": "0..1, 3..4", "mixer": "short_conv kernel 3", "channel": ..., ...}
    frame   {"name": "", "repeat": 3, "children": [...], "layers": "0..8", ...}

Only what is really equal is folded: block, parts, norms and the part that a layer has in sharing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, NotRequired, TypedDict

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.graph.brief import brief
from lfm_arch.graph.count import layer_parts, slots
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.layout import computing_layer, is_windowed, letter
from lfm_arch.graph.rule import spec_of
from lfm_arch.graph.sharing import passes_of
from lfm_arch.operators.base import Part
from lfm_arch.spec.arch import DepthGroup, Layer, SharedWeights

_ONE_LAYER = 1.0
_FRAME, _TIMES = 0.5, 0.1
_LONG, _LONGEST_PERIOD = 64, 16


class Numbers(TypedDict):
    """Exact counts, added up over all layers that a row stands for."""

    params: int
    active_params: int
    flops: int
    kv_elements_per_token: int
    window_elements: int
    fixed_state_elements: int
    float32_elements: int
    """How many of the fixed ones are kept in float32."""


class FoldedRow(Numbers):
    """One tile or one frame of the picture."""

    name: str
    """Block of a leaf, depth group of a frame; empty for a frame that only repeats."""
    repeat: int
    """How many times it stands there, one after the other."""
    layers: str
    """Numbers of all layers that it stands for, as `0..1, 3..4`."""
    indices: list[int]
    """The same as numbers."""
    links: list[str]
    """What it takes from elsewhere or hands on, in words: `kv of layer 2`, `reads user`."""
    children: NotRequired[list["FoldedRow"]]
    """What a frame is around; the rest is of leaves."""
    letter: NotRequired[str]
    mixer: NotRequired[str]
    """In short, as `attention 32 heads, 8 kv`; empty for none."""
    mixer_type: NotRequired[str]
    """The word that specs write."""
    windowed: NotRequired[bool]
    """Whether the mixer remembers a window of tokens and no more."""
    channel: NotRequired[str]
    channel_type: NotRequired[str]
    norm: NotRequired[str]
    """Norm and placement, as `rms_norm, pre`."""
    each: NotRequired[Numbers]
    """The counts of one of the layers; parameters are those of one that owns its weights."""


def fold(graph: Graph, work: Workload | None = None, *, unfolded: bool = False) -> list[FoldedRow]:
    """Fold the layers of a graph.

    Args:
        graph: a compiled graph.
        work: what the FLOPs are counted for; one token on its own when left out.
        unfolded: give one leaf for each layer instead.
    """
    folder = _Folder(graph, work or Workload())
    if unfolded:
        return [folder.leaf(number, 1, [0]) for number in range(len(graph.layers))]
    groups = [group for group in spec_of(graph).groups if group.stop > group.start]
    covered = [number for group in groups for number in range(group.start, group.stop)]
    if covered != list(range(len(graph.layers))) or (len(groups) == 1 and groups[0].repeat == 1):
        return folder.rows(0, len(graph.layers))
    return [folder.group(group) for group in groups]


def spell(numbers: Iterable[int]) -> str:
    """Write layer numbers in short: `0..1, 3..4`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


class _Role(NamedTuple):
    """The part of a layer in one shared node."""

    node_id: str
    words: str
    """What is shared, as `kv` or `mixer weights`."""
    owner: int
    readers: tuple[int, ...]
    reads: bool
    """Whether the layer is one of the readers."""

    @property
    def is_weights(self) -> bool:
        return self.words.endswith("weights")


class _Folder:
    """Knows which layers of one graph are alike."""

    def __init__(self, graph: Graph, work: Workload) -> None:
        self.graph = graph
        self.nodes = graph.layers
        self.roles = [_roles(graph, node) for node in self.nodes]
        self.numbers = _numbers(graph, work)
        words: dict[tuple[object, ...], int] = {}
        # layers that are declared alike have the same number
        self.words = [words.setdefault(_declared(node.part), len(words)) for node in self.nodes]
        count = len(self.nodes)
        longest = count // 2 if count <= _LONG else _LONGEST_PERIOD
        # alike[p][i]: how many layers from i on are like the layer p behind them
        self.alike: dict[int, list[int]] = {}
        for period in range(1, longest + 1):
            lengths = [0] * (count + 1)
            for i in range(count - period - 1, -1, -1):
                lengths[i] = lengths[i + 1] + 1 if self._same(i, i + period) else 0
            self.alike[period] = lengths
        self.known: dict[tuple[int, int], tuple[float, int, int]] = {}

    def _same(self, i: int, j: int) -> bool:
        if self.words[i] != self.words[j] or len(self.roles[i]) != len(self.roles[j]):
            return False
        return all(_same_role(a, b, j - i) for a, b in zip(self.roles[i], self.roles[j], strict=True))

    def best(self, start: int, stop: int) -> tuple[float, int, int]:
        """Return the cost of drawing layers `start:stop`, and its first item: period and number of times."""
        for at in range(stop - 1, start - 1, -1):
            if (at, stop) not in self.known:
                self.known[at, stop] = self._first_item(at, stop)
        return self.known[start, stop]

    def _first_item(self, start: int, stop: int) -> tuple[float, int, int]:
        items = [(_ONE_LAYER + self._rest(start + 1, stop), 1, 1)]
        for period, alike in self.alike.items():
            times = min(1 + alike[start] // period, (stop - start) // period)
            if times > 1:
                inner = _ONE_LAYER + _TIMES if period == 1 else self.best(start, start + period)[0] + _FRAME
                items.append((inner + self._rest(start + period * times, stop), period, times))
        # of equal drawings the one that repeats early: 3 x (conv, attn), conv rather than conv, 3 x (attn, conv)
        return min(items, key=lambda item: (round(item[0], 6), item[2] == 1))

    def _rest(self, start: int, stop: int) -> float:
        return self.known[start, stop][0] if start < stop else 0.0

    def rows(self, start: int, stop: int, *, around: Sequence[int] = (0,)) -> list[FoldedRow]:
        """Draw layers `start:stop`; the same stands at every offset in `around` as well."""
        rows: list[FoldedRow] = []
        while start < stop:
            _, period, times = self.best(start, stop)
            offsets = [offset + period * number for offset in around for number in range(times)]
            if period == 1:
                rows.append(self.leaf(start, times, offsets))
            else:
                children = self.rows(start, start + period, around=offsets)
                layers = [start + step + offset for offset in offsets for step in range(period)]
                rows.append(self.frame("", times, children, layers))
            start += period * times
        return rows

    def group(self, group: DepthGroup) -> FoldedRow:
        """Draw a depth group: one pass when all are alike."""
        first, *others = passes_of(group)
        alike = all(
            self._same(i, i + len(first)) for each in others for i in range(each.start - len(first), each.start)
        )
        layers = list(range(group.start, group.stop))
        if not alike:
            return self.frame(group.name, 1, self.rows(group.start, group.stop), layers)
        offsets = [each.start - first.start for each in (first, *others)]
        children = self.rows(first.start, first.stop, around=offsets)
        row = self.frame(group.name, group.repeat, children, layers)
        if group.share != "none" and group.repeat > 1:
            what = {"weights": "weights", "mixer": "mixer weights", "channel": "channel mixer weights"}[group.share]
            row["links"] = [f"{group.repeat} passes, one copy of {what}"]
        return row

    def frame(self, name: str, repeat: int, children: list[FoldedRow], layers: list[int]) -> FoldedRow:
        return FoldedRow(
            name=name,
            repeat=repeat,
            layers=spell(layers),
            indices=sorted(layers),
            links=[],
            children=children,
            **_sum(self.numbers[number] for number in layers),
        )

    def leaf(self, number: int, repeat: int, offsets: list[int]) -> FoldedRow:
        node = self.nodes[number]
        layers = sorted(number + offset for offset in offsets)
        mixer, channel = node.part.mixer, node.part.channel
        # what stands in shared nodes of its own is drawn by the first, which holds most
        each = max((self.numbers[layer] for layer in layers), key=lambda numbers: numbers["params"])
        computing = computing_layer(self.graph, node).mixer
        return FoldedRow(
            name=node.part.block,
            repeat=repeat,
            layers=spell(layers),
            indices=layers,
            links=[*_links(self.roles, layers), *_reads(self.graph, node)],
            letter=letter(self.graph, node),
            mixer=brief(mixer) if mixer is not None else "",
            mixer_type=_type(mixer),
            windowed=computing is not None and is_windowed(computing, self.graph.width),
            channel=brief(channel) if channel is not None else "",
            channel_type=_type(channel),
            norm=f"{_type(node.part.norm)}, {node.part.placement}",
            each=each,
            **_sum(self.numbers[layer] for layer in layers),
        )


def _roles(graph: Graph, node: Node) -> list[_Role]:
    found: list[_Role] = []
    shared = [edge.target for edge in graph.out_of(node.id) if edge.port == "owns"]
    shared += [source for source in graph.into(node.id).values() if graph[source].kind == "shared"]
    for node_id in dict.fromkeys(shared):
        part = graph[node_id].part
        owner, *readers = part.layers
        if isinstance(part, SharedWeights):
            words = "weights" if "layer" in part.what else f"{' and '.join(part.what)} weights"
        else:
            words = part.feature
        found.append(_Role(node_id, words, owner, tuple(readers), f"layers.{owner}" != node.id))
    # so that two layers that share alike can be compared in pairs
    return sorted(found, key=lambda role: role.words)


def _same_role(mine: _Role, theirs: _Role, distance: int) -> bool:
    """Whether two layers share alike: in one node, or in two that are the same but `distance` layers apart."""
    if mine.words != theirs.words:
        return False
    if mine.node_id == theirs.node_id:
        return mine.is_weights or mine.reads == theirs.reads
    moved = tuple(reader + distance for reader in mine.readers)
    return (mine.owner + distance, moved) == (theirs.owner, theirs.readers)


def _links(roles: list[list[_Role]], layers: list[int]) -> list[str]:
    """Say what the layers of a leaf share: with each other, or with other layers."""
    found: list[str] = []
    first = layers[0]
    for place, role in enumerate(roles[first]):
        everywhere = [roles[layer][place] for layer in layers]
        copies = len({each.node_id for each in everywhere})
        one_node = copies == 1
        sharing = {layer for each in everywhere for layer in (each.owner, *each.readers)}
        if role.is_weights and len(layers) > 1 and (one_node or sharing == set(layers)):
            outside = sorted(sharing - set(layers))
            many = "one copy" if one_node else f"{copies} copies"
            found.append(f"{many} of {role.words}{f', also in {_layers(outside)}' if outside else ''}")
        elif not role.reads:
            verb = "owns" if role.is_weights else "computes"
            below = spell(reader - first for reader in role.readers)
            plural = "s" if len(role.readers) > 1 else ""
            whom = _layers(role.readers) if len(layers) == 1 else f"the layer{plural} {below} below"
            found.append(f"{verb} {role.words} for {whom}")
        elif one_node:
            found.append(f"{role.words} of layer {role.owner}")
        else:
            found.append(f"{role.words} of the layer {first - role.owner} above")
    return found


def _reads(graph: Graph, node: Node) -> list[str]:
    sources = [source for port, source in graph.into(node.id).items() if port != "stream"]
    return [f"reads {source}" for source in dict.fromkeys(sources) if graph[source].kind == "featurizer"]


def _layers(numbers: Sequence[int]) -> str:
    return f"layer{'s' if len(numbers) > 1 else ''} {spell(numbers)}"


def _declared(layer: Layer) -> tuple[object, ...]:
    return layer.block, layer.mixer, layer.channel, layer.norm, layer.placement


def _numbers(graph: Graph, work: Workload) -> list[Numbers]:
    held = slots(graph)
    found: list[Numbers] = []
    for node_id, parts in layer_parts(graph, work).items():
        cost = Cost.total(parts)
        growing = [slot for slot in held[node_id] if slot.grows]
        windows = [slot for slot in held[node_id] if "context" in slot.shape and not slot.grows]
        fixed = [slot for slot in held[node_id] if "context" not in slot.shape]
        found.append(
            Numbers(
                params=cost.params,
                active_params=cost.active_params,
                flops=cost.flops,
                kv_elements_per_token=sum(slot.per_token for slot in growing),
                window_elements=sum(slot.elements(batch=1, context=slot.limit or 0) for slot in windows),
                fixed_state_elements=sum(slot.elements(batch=1, context=0) for slot in fixed),
                float32_elements=sum(
                    slot.elements(batch=1, context=0) for slot in fixed if slot.precision == "float32"
                ),
            )
        )
    return found


def _sum(rows: Iterable[Numbers]) -> Numbers:
    rows = list(rows)
    return Numbers(
        params=sum(row["params"] for row in rows),
        active_params=sum(row["active_params"] for row in rows),
        flops=sum(row["flops"] for row in rows),
        kv_elements_per_token=sum(row["kv_elements_per_token"] for row in rows),
        window_elements=sum(row["window_elements"] for row in rows),
        fixed_state_elements=sum(row["fixed_state_elements"] for row in rows),
        float32_elements=sum(row["float32_elements"] for row in rows),
    )


def _type(part: Part | None) -> str:
    return "" if part is None else str(getattr(part, "type", type(part).__name__))
