"""The page of one architecture: what it is made of, what it counts, and what it costs on the devices asked for."""

from collections.abc import Sequence
from pathlib import Path

from lfm_arch.core.units import count, seconds, size
from lfm_arch.core.work import Workload
from lfm_arch.graph.count import CACHE_BYTES, Totals, layer_parts, totals
from lfm_arch.graph.graph import Graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.graph.picture import FoldedRow, fold
from lfm_arch.hardware.estimate import Estimate, Number
from lfm_arch.hardware.formats import weight_format
from lfm_arch.report import chart, drawing
from lfm_arch.report.assets import read
from lfm_arch.report.candidate import BOUNDS
from lfm_arch.report.markup import Markup, card, element, legend, page, table, tiles
from lfm_arch.report.output import write_page
from lfm_arch.spec.arch import ArchSpec

_MEMORY = {
    "weights": "weights",
    "cache": "cache",
    "state": "state",
    "activations": "elementwise",
    "runtime": "overhead",
}
"""Part of the memory -> colour."""


def render_model(spec: ArchSpec, graph: Graph, estimates: Sequence[Estimate], output: Path, *, text: str = "") -> Path:
    """Write the page of an architecture and return its path.

    Args:
        spec: what the graph was made from.
        graph: compiled.
        estimates: one for each device to show; none is fine.
        output: the HTML file.
        text: the spec as YAML, to be read on the page.

    Raises:
        ReportError: E962, the page cannot be written.
    """
    return write_page(model_page(spec, graph, estimates, text=text), output)


def model_page(spec: ArchSpec, graph: Graph, estimates: Sequence[Estimate], *, text: str = "") -> str:
    """Lay out the whole page."""
    whole = totals(graph)
    sections = [
        _architecture(spec, graph, fold(graph)),
        *(_device(each) for each in estimates),
        _counts(graph, whole),
        card("Spec", element("details", element("summary", "The file, with everything settled"), element("pre", text)))
        if text
        else None,
    ]
    return page(
        spec.name,
        _top(spec, graph, whole),
        element("main", *sections),
        element("footer", f"Architecture {architecture_id(graph)}. This page holds all it shows and fetches nothing."),
        style=read("style.css"),
        script=read("script.js"),
    )


def _top(spec: ArchSpec, graph: Graph, whole: Totals) -> Markup:
    sparse = whole.active_params != whole.params
    active = f"{count(whole.active_params)} for each token" if sparse else "all of them active"
    fixed = whole.fixed_state_elements + whole.window_elements
    entries = [
        (count(whole.params), "parameters", active),
        (str(whole.layers), "layers", f"width {graph.width}"),
        (count(whole.flops_per_token), "FLOPs a token", "decoding, no context"),
        (size(whole.kv_elements_per_token * CACHE_BYTES), "cache a token", "16 bit, grows with context"),
        (size(fixed * CACHE_BYTES), "fixed state", "16 bit, windows full"),
        (size(whole.params * weight_format("q4_0").bits / 8), "weights in q4_0", f"{size(whole.params * 2)} in bf16"),
    ]
    return element(
        "header",
        element("p", "architecture", class_="eyebrow"),
        element("h1", spec.name),
        element("p", spec.doc, class_="lead") if spec.doc else None,
        tiles(entries),
        class_="top",
    )


def _architecture(spec: ArchSpec, graph: Graph, rows: Sequence[FoldedRow]) -> Markup:
    shown = [
        ("conv", "convolution", ("conv",)),
        ("attention", "attention", ("attention",)),
        ("window", "attention in a window", ("window",)),
        ("linear", "linear-time mixer", ("linear",)),
        ("adaptive", "adaptive", ("adaptive",)),
    ]
    kinds = {
        drawing.kind_of(layer.part.mixer.type, windowed=getattr(layer.part.mixer, "window_size", None) is not None)
        for layer in graph.layers
        if layer.part.mixer is not None
    }
    key = [(colour, "", words) for colour, words, those in shown if kinds & set(those)]
    return card(
        "Architecture",
        element(
            "p", "A frame repeats as often as its number says. Point at a layer for its parameters.", class_="note"
        ),
        drawing.stack(rows, before=", ".join(spec.featurizers), after=", ".join(spec.heads)),
        legend(key) if key else None,
    )


def _device(estimate: Estimate) -> Markup:
    scenario = estimate.scenario
    numbers = estimate.numbers
    entries = [
        (_figure(numbers["decode_tokens_per_s"]), "decoding", _trust(numbers["decode_tokens_per_s"])),
        (_figure(numbers["ttft_s"]), "to the first token", _trust(numbers["ttft_s"])),
        (_figure(numbers["prefill_tokens_per_s"]), "prefill", _trust(numbers["prefill_tokens_per_s"])),
        (_figure(numbers["memory_bytes"]), "peak memory", _fits(estimate)),
        (_figure(numbers["energy_per_token_j"]), "energy a token", numbers["energy_per_token_j"].note),
    ]
    unproven = ", ".join(f"{word} ({status})" for word, status in estimate.unproven.items())
    return card(
        f"On {estimate.profile.title}",
        element(
            "p",
            f"{scenario.prompt} tokens of prompt, {scenario.generate} generated, batch {scenario.batch}, weights "
            f"{scenario.weights}, cache {scenario.cache}; {estimate.use.name} on {estimate.use.unit}. Modelled.",
            class_="note",
        ),
        element("p", f"Unproven on this runtime: {unproven}.", class_="warn") if unproven else None,
        tiles(entries),
        _memory(estimate),
        _time(estimate),
        element("details", element("summary", "What these numbers stand on"), _rates(estimate)),
    )


def _figure(number: Number) -> str:
    if number.value is None:
        return "unknown"
    if number.unit == "s":
        return seconds(number.value)
    if number.unit == "B":
        return size(number.value)
    rounded = float(f"{number.value:.3g}")
    return f"{rounded:,.0f} {number.unit}" if rounded >= 100 else f"{rounded:g} {number.unit}"


def _trust(number: Number) -> str:
    if number.low is None or number.high is None:
        return number.note
    ends = [_figure(Number(end, number.unit, number.kind)) for end in (number.low, number.high)]
    return f"90 %: {ends[0]} to {ends[1]}, {number.tier}"


def _fits(estimate: Estimate) -> str:
    if estimate.capacity_bytes is None:
        return "capacity unknown"
    verb = "fits" if estimate.fits else "does not fit"
    return f"{verb} {size(estimate.capacity_bytes)}"


def _memory(estimate: Estimate) -> Markup:
    parts = [(name, value) for name, value in estimate.memory.parts().items() if value]
    whole = sum(value for _, value in parts)
    cells, x = [], 0.0
    for name, value in parts:
        width = chart.WIDTH * value / whole
        cells.append(
            f'<rect class="{_MEMORY[name]}" x="{x:.1f}" y="0" width="{width:.1f}" height="26">'
            f"<title>{name} {size(value)}</title></rect>"
        )
        x += width
    svg = Markup(
        f'<svg class="chart" viewBox="0 0 {chart.WIDTH} 26" role="img" aria-label="memory">{"".join(cells)}</svg>'
    )
    key = [(_MEMORY[name], "", f"{name} {size(value)}") for name, value in parts]
    return element("figure", element("h3", "Memory at the end"), svg, legend(key))


def _time(estimate: Estimate) -> Markup:
    rows = {row.node: row for row in estimate.nodes}
    bars, used = [], set()
    for node in estimate.graph.layers:
        row = rows[node.id]
        parts = tuple((BOUNDS[bound][0], value) for bound, value in row.decode_terms.items() if value)
        # what is too thin to see needs no entry in the legend
        used |= {colour for colour, value in parts if value > 0.01 * row.decode_s}
        title = f"{node.id}: {row.kind}, {seconds(row.decode_s)}, mostly {BOUNDS[row.decode_bound][1]}"
        bars.append(chart.Column(node.id.rpartition(".")[2], parts, title))
    others = sum(row.decode_s for row in estimate.nodes) - sum(rows[node.id].decode_s for node in estimate.graph.layers)
    svg = chart.columns(
        bars, y_title="one step", y_format=lambda value: seconds(value) if value else "0", name="seconds of each layer"
    )
    return element(
        "figure",
        element("h3", "Time of each layer in one decode step"),
        Markup(svg),
        legend([(colour, "", words) for colour, words in BOUNDS.values() if colour in used]),
        element("figcaption", f"Embedding, final norm and head take another {seconds(others)}."),
    )


def _rates(estimate: Estimate) -> Markup:
    rows = []
    for name, rate in estimate.rates.items():
        value = "unknown" if rate.value is None else f"{rate.value:.4g}"
        links = [element("a", "source", href=source, rel="noreferrer") for source in rate.sources]
        rows.append([name.replace("_", " "), value, rate.tier, element("span", rate.how), element("span", *links)])
    return table(["rate (SI units)", "value", "tier", "how it is known", ""], rows, numbers=(1,))


def _counts(graph: Graph, whole: Totals) -> Markup:
    pieces = layer_parts(graph, Workload())
    rows = []
    for node in graph.layers:
        mixer, channel = node.part.mixer, node.part.channel
        cost = pieces[node.id].total
        rows.append(
            [
                node.id.rpartition(".")[2],
                "none" if mixer is None else mixer.type.replace("_", " "),
                "none" if channel is None else channel.type.replace("_", " "),
                f"{cost.params:,}",
                f"{cost.active_params:,}",
                f"{cost.flops:,}",
            ]
        )
    rows.append(
        [
            "all",
            "",
            "with embedding, norm, head",
            f"{whole.params:,}",
            f"{whole.active_params:,}",
            f"{whole.flops_per_token:,}",
        ]
    )
    return card(
        "Exact counts",
        table(["layer", "mixer", "channel mixer", "parameters", "active", "FLOPs a token"], rows, numbers=(3, 4, 5)),
    )
