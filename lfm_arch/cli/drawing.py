"""How an architecture looks on a terminal: a folded stack with its counts in columns.

    3 x . 2 x conv  short_conv kernel 3              swiglu 8192 wide   67.12 M  134.2 M  128 MiB      -  8 KiB
        '     attn  attention 32 heads, 8 kv, of 64  swiglu 8192 wide   60.82 M  121.6 M  116 MiB  2 KiB      -

Where that is too wide, what a layer is made of moves to a line of its own below it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from lfm_arch.core import units
from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.graph.brief import brief
from lfm_arch.graph.count import CACHE_BYTES, Totals, count, state_bytes, totals
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.inference import tokens_of
from lfm_arch.graph.layout import letter
from lfm_arch.graph.picture import FoldedRow, Numbers, fold
from lfm_arch.graph.rule import spec_of
from lfm_arch.spec.arch import Fusion

NOTHING = "-"
_GAP = "  "
_LONGEST = 18
_WEIGHTS = "weights"


@dataclass(frozen=True, slots=True)
class Marks:
    """The signs of a drawing."""

    times: str
    top: str
    side: str
    bottom: str
    alone: str
    link: str
    more: str
    rule: str


ROUND = Marks("×", "╭", "│", "╰", "─", "↳", "…", "─")
ASCII = Marks("x", ".", "|", "'", "-", ">", "...", "-")


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame is beside one row."""

    label: str
    first: bool
    last: bool

    def beside(self, marks: Marks, *, top: bool, bottom: bool) -> Text:
        """Draw it beside the topmost, the bottommost or another line of the row."""
        opens, closes = self.first and top, self.last and bottom
        sign = marks.alone if opens and closes else marks.top if opens else marks.bottom if closes else marks.side
        return Text.assemble((f"{self.label if opens else '':>4} ", "bold"), (sign, "bright_black"))


_FRAME_WIDTH = 6


@dataclass(slots=True)
class Line:
    """One row of the drawing, before its columns are aligned."""

    name: Text
    times: str = ""
    layers: str = ""
    parts: tuple[Text, ...] = ()
    numbers: tuple[str, ...] = ()
    below: list[Text] = field(default_factory=list)
    """Sharing, in lines of their own."""
    frames: list["Frame"] = field(default_factory=list)
    """The frames that it stands in, from the outermost."""


def style_of(row_letter: str, mixer_type: str) -> str:
    """Return the colour of a mixer: what it remembers, and whether features modulate it."""
    if "adaptive" in mixer_type:
        return "blue"
    if row_letter == "S":
        return "yellow"
    if row_letter.isupper():
        return "magenta"
    if row_letter == "-":
        return "bright_black"
    return "cyan" if "conv" in mixer_type else "green"


def title(graph: Graph, architecture: str) -> Iterator[Text]:
    """Say what is drawn: name, doc, the layout in colours, sizes."""
    spec = spec_of(graph)
    yield Text.assemble((spec.name, "bold"), f"  {spec.doc}" if spec.doc else "")
    word = Text()
    for node in graph.layers:
        sign = letter(graph, node)
        word.append(sign, style_of(sign, str(getattr(node.part.mixer, "type", ""))))
    word.append(f"  {len(graph.layers)} layers, width {graph.width}, id {architecture[:12]}", "bright_black")
    yield word
    inputs = [f"{node.id.removeprefix('input.')} {node.type}" for node in graph.of("input")]
    outputs = [f"{node.id} {node.type}" for node in graph.of("head")]
    yield Text(f"{', '.join(inputs)}  ->  {', '.join(outputs) or 'the stream'}", "bright_black")


def draw(graph: Graph, out: Console, *, past: int, unfolded: bool) -> Iterator[Text]:
    """Yield the lines of a drawing as wide as the console allows.

    Args:
        graph: a compiled graph.
        out: where it will be printed.
        past: tokens of context behind which one more token is counted.
        unfolded: whether every layer has a line of its own.
    """
    marks = ROUND if out.encoding.lower().startswith("utf") else ASCII
    work = Workload(tokens=1, past=past)
    costs = count(graph, work)
    counted = totals(graph)
    sparse = counted.active_params != counted.params

    def around(*kinds: str) -> list[Line]:
        return [_node(graph, node, costs[node.id], marks, sparse=sparse) for node in graph if node.kind in kinds]

    stack = _stack(fold(graph, work, unfolded=unfolded), marks, sparse=sparse)
    if unfolded:
        for line in stack:
            line.times, line.layers = line.layers, ""
    whole = Cost.total(costs.values())
    last = Line(Text("in total", "bold"), numbers=_whole(whole, counted, sparse=sparse))
    heading = Line(Text(), layers="" if unfolded else "layers", numbers=_heading(sparse=sparse))
    lines = [heading, *around("featurizer", "fusion"), *stack, *around("norm", "head")]
    yield from _aligned(lines, last, marks, out.width)


def remarks(graph: Graph, past: int) -> Iterator[Text]:
    """Say in words what the columns cannot: exact totals, memory at a context, where tokens come from."""
    counted = totals(graph)
    exact = f"{counted.params:,} parameters"
    if counted.active_params != counted.params:
        exact += f", {counted.active_params:,} of them for one token"
    yield Text(exact)
    if counted.kv_elements_per_token or counted.fixed_state_bytes:
        remembered = units.size(counted.cache_bytes(past))
        yield Text(f"{remembered} of cache and state behind {past:,} tokens (16 bit)")
    if spec_of(graph).fusion is not None:
        yield Text(f"tokens = {tokens_of(graph)}")
    yield Text(f"FLOPs of one token behind {past:,}; each row counts one layer; weights in 16 bit", "bright_black")


# rows


def _node(graph: Graph, node: Node, cost: Cost, marks: Marks, *, sparse: bool) -> Line:
    what = brief(node.part)
    if isinstance(node.part, Fusion):
        what += f" of {', '.join(node.part.streams)}"
    ports = graph.into(node.id)
    links: list[str] = []
    if node.kind == "featurizer":
        reads = [source for port, source in ports.items() if port not in ("raw", "weights")]
        links = [f"reads {', '.join(reads)}"] if reads else []
    if "weights" in ports:
        shared = graph[ports["weights"]]
        links.append(f"weights of {shared.id if shared.kind == 'featurizer' else graph.owner(shared.id)}")
    numbers = Numbers(
        params=cost.params,
        active_params=cost.active_params,
        flops=cost.flops,
        kv_elements_per_token=0,
        window_elements=0,
        fixed_state_elements=0,
        float32_elements=0,
    )
    return Line(
        Text(node.id), parts=(Text(what),), numbers=_columns(numbers, sparse=sparse), below=_linked(links, marks)
    )


def _stack(rows: Sequence[FoldedRow], marks: Marks, *, sparse: bool) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        children = row.get("children")
        if children is None:
            lines.append(_leaf(row, marks, sparse=sparse))
            continue
        inner = _stack(children, marks, sparse=sparse)
        if row["name"]:
            words = f"{row['name']}  {', '.join(row['links'])}".rstrip()
            inner.insert(0, Line(Text(words, "bold")))
        lines += _framed(inner, row["repeat"], marks)
    return lines


def _leaf(row: FoldedRow, marks: Marks, *, sparse: bool) -> Line:
    mixer_type, channel_type = row.get("mixer_type", ""), row.get("channel_type", "")
    tone = style_of(row.get("letter", ""), mixer_type)
    channel = Text(row.get("channel") or "no channel mixer", _channel_style(channel_type))
    return Line(
        Text(row["name"], tone),
        f"{row['repeat']} {marks.times}" if row["repeat"] > 1 else "",
        row["layers"],
        (Text(row.get("mixer") or "no mixer", tone if mixer_type else "bright_black"), channel),
        _columns(row.get("each", row), sparse=sparse),
        _linked(row["links"], marks),
    )


def _linked(links: Iterable[str], marks: Marks) -> list[Text]:
    return [Text(f"{marks.link} {link}", "italic green") for link in links]


def _channel_style(channel_type: str) -> str:
    if not channel_type:
        return "bright_black"
    return "red" if channel_type == "moe" else "blue" if "adaptive" in channel_type else ""


def _framed(lines: list[Line], repeat: int, marks: Marks) -> list[Line]:
    """Put a frame on the left of some lines, with how often they stand there."""
    label = f"{repeat} {marks.times}" if repeat > 1 else ""
    for number, line in enumerate(lines):
        line.frames.insert(0, Frame(label, number == 0, number == len(lines) - 1))
    return lines


# columns


def _heading(*, sparse: bool) -> tuple[str, ...]:
    return ("parameters", *(("active",) if sparse else ()), "FLOPs", _WEIGHTS, "cache/tok", "state")


def _columns(numbers: Numbers, *, sparse: bool) -> tuple[str, ...]:
    fixed = numbers["window_elements"] + numbers["fixed_state_elements"]
    return (
        _some(units.count, numbers["params"]),
        *((_some(units.count, numbers["active_params"]),) if sparse else ()),
        _some(units.count, numbers["flops"]),
        _some(units.size, 2 * numbers["params"]),
        _some(units.size, CACHE_BYTES * numbers["kv_elements_per_token"]),
        _some(units.size, state_bytes(fixed, numbers["float32_elements"])),
    )


def _whole(cost: Cost, counted: Totals, *, sparse: bool) -> tuple[str, ...]:
    return (
        _some(units.count, cost.params),
        *((_some(units.count, cost.active_params),) if sparse else ()),
        _some(units.count, cost.flops),
        _some(units.size, 2 * cost.params),
        _some(units.size, counted.kv_bytes_per_token),
        _some(units.size, counted.fixed_state_bytes),
    )


def _some(write: object, value: int) -> str:
    assert callable(write)
    return str(write(value)) if value else NOTHING


def _aligned(lines: Sequence[Line], last: Line, marks: Marks, width: int) -> Iterator[Text]:
    everything = [*lines, last]
    fit = _fit(everything, marks, width)
    rule = Text(marks.rule * fit.width, "bright_black")
    for number, line in enumerate(everything):
        if line is last:
            yield rule
        under = [*(() if fit.parts else _made_of(line, width - fit.indent)), *line.below]
        text = _frames(line, marks, fit.frames, top=True, bottom=not under)
        text.append(f" {line.times:>{fit.times}} ", "bold").append_text(_padded(line.name, fit.names))
        cells = [Text(_shorten(line.layers, marks), "bright_black")] if fit.layers else []
        cells += line.parts if fit.parts else ()
        for place, column in enumerate(fit.middle):
            text.append(_GAP).append_text(_padded(cells[place] if place < len(cells) else Text(), column))
        style = "bold" if line is last else "bright_black" if number == 0 else ""
        for place, value in enumerate(line.numbers):
            if place in fit.columns:
                tone = "bright_black" if value == NOTHING else style
                text.append(f"{_GAP}{value:>{fit.columns[place]}}", tone)
        text.rstrip()
        yield text
        if number == 0:
            yield rule.copy()
        for place, each in enumerate(under):
            left = _frames(line, marks, fit.indent, top=False, bottom=place == len(under) - 1)
            yield left.append_text(each)


def _frames(line: Line, marks: Marks, width: int, *, top: bool, bottom: bool) -> Text:
    return _padded(Text().join(frame.beside(marks, top=top, bottom=bottom) for frame in line.frames), width)


@dataclass(frozen=True, slots=True)
class _Fit:
    """Which columns there is room for, and how wide they are."""

    frames: int
    times: int
    names: int
    layers: int
    parts: tuple[int, ...]
    columns: dict[int, int]
    """Place among the numbers -> width."""

    @property
    def indent(self) -> int:
        return self.frames + self.times + 2 + len(_GAP)

    @property
    def middle(self) -> tuple[int, ...]:
        return (*((self.layers,) if self.layers else ()), *self.parts)

    @property
    def width(self) -> int:
        cells = (*self.middle, *self.columns.values())
        return self.frames + 1 + self.times + 1 + self.names + sum(len(_GAP) + cell for cell in cells)


def _fit(lines: Sequence[Line], marks: Marks, width: int) -> _Fit:
    """Leave out what there is no room for: which layers, then what they are made of, then bytes of weights."""
    longest = {n: max(len(line.numbers[n]) for line in lines if line.numbers) for n in range(len(lines[0].numbers))}
    parts = tuple(max((len(line.parts[n]) for line in lines if n < len(line.parts)), default=0) for n in range(2))
    listed = max(len(_shorten(line.layers, marks)) for line in lines)
    weights = lines[0].numbers.index(_WEIGHTS)
    fewer = {n: column for n, column in longest.items() if n != weights}
    choices = ((listed, parts, longest), (0, parts, longest), (listed, (), longest), (0, (), longest), (0, (), fewer))
    fits = [
        _Fit(
            frames=_FRAME_WIDTH * max(len(line.frames) for line in lines),
            times=max(len(line.times) for line in lines),
            names=max(map(len, _names(lines))),
            layers=layers,
            parts=described,
            columns=columns,
        )
        for layers, described, columns in choices
    ]
    return next((fit for fit in fits if fit.width <= width), fits[-1])


def _made_of(line: Line, width: int) -> list[Text]:
    """Say what a line is made of, in one line or, where that is too long, in some for each part."""
    together = Text(", ").join(line.parts)
    if not line.parts or len(together) <= width:
        return [together] if line.parts else []
    return [Text(piece, part.style) for part in line.parts for piece in wrap(part.plain, max(width, 20))]


def _names(lines: Iterable[Line]) -> list[Text]:
    # a line without numbers may be as long as it likes
    return [line.name for line in lines if line.numbers]


def _padded(text: Text, width: int) -> Text:
    return text.copy().append(" " * (width - len(text)))


def _shorten(layers: str, marks: Marks) -> str:
    if len(layers) <= _LONGEST:
        return layers
    kept = layers[: _LONGEST - len(marks.more)].rpartition(", ")[0] or layers[: _LONGEST - len(marks.more)]
    return f"{kept}, {marks.more}"
