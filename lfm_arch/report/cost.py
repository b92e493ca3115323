"""The page of costs: speed as the context grows, and each layer under the roof of its device."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lfm_arch.core.units import count, seconds, size
from lfm_arch.hardware.estimate import Estimate, estimate
from lfm_arch.hardware.formats import weight_format
from lfm_arch.hardware.work import CACHE, EXPERT_FLOPS, MATMUL, MIXING, STATE, STEP_SHARES
from lfm_arch.report.assets import read
from lfm_arch.report.markup import Markup, card, element, legend, page, table, tiles
from lfm_arch.report.output import write_page
from lfm_arch.report.plot import Axis, Series, plot

_COLOURS = ("conv", "attention", "moe", "window", "linear", "adaptive", "other")
_CONTEXTS = (256, 1024, 4096, 16_384, 65_536)


def render_cost(estimates: Sequence[Estimate], output: Path) -> Path:
    """Write the page of some estimates, several specs on several devices, and return its path."""
    return write_page(cost_page(estimates), output)


def cost_page(estimates: Sequence[Estimate]) -> str:
    """Lay out the page."""
    devices: dict[tuple[str, str], list[Estimate]] = {}
    for each in estimates:
        devices.setdefault((each.profile.title, each.use.name), []).append(each)
    names = ", ".join(dict.fromkeys(each.graph.name for each in estimates))
    return page(
        f"Cost of {names}",
        element(
            "header",
            element("p", "cost", class_="eyebrow"),
            element("h1", names),
            element("p", _asked(estimates[0]), class_="lead"),
            class_="top",
        ),
        element("main", *(_device(title, use, some) for (title, use), some in devices.items())),
        element("footer", "Modelled, nothing was run. This page holds all it shows and fetches nothing."),
        style=read("style.css"),
        script=read("script.js"),
    )


def _asked(each: Estimate) -> str:
    asked = each.scenario
    chips = f", {asked.chips} chips {asked.parallel} parallel" if asked.chips > 1 else ""
    return (
        f"{asked.prompt:,} tokens of prompt, {asked.generate:,} generated, batch {asked.batch}, "
        f"weights {asked.weights}, cache {asked.cache}{chips}"
    )


def _device(title: str, use: str, some: Sequence[Estimate]) -> Markup:
    rows = [
        [
            each.graph.name,
            "unknown" if each.prefill_s is None else seconds(each.prefill_s),
            f"{each.decode_tokens_per_s:,.3g}",
            size(each.memory_bytes),
            {True: "fits", False: "too large", None: "capacity unknown"}[each.fits],
            each.tier.replace("_", " "),
        ]
        for each in some
    ]
    entries = [
        (f"{each.decode_tokens_per_s:,.3g} tokens/s", each.graph.name, each.tiers["decode"].replace("_", " "))
        for each in some
    ]
    return card(
        f"On {title} with {use}",
        tiles(entries),
        table(["", "first token", "tokens/s", "memory", "", "known by"], rows, numbers=(1, 2, 3)),
        element("figure", element("h3", "Decoding speed as the context grows"), _contexts(some)),
        *(_roofline(each) for each in some),
    )


def _contexts(some: Sequence[Estimate]) -> Markup:
    series = []
    for number, each in enumerate(some):
        points, band, titles = [], [], []
        for context in _CONTEXTS:
            made = estimate(each.graph, each.profile, replace(each.scenario, prompt=context), runtime=each.use.name)
            speed = made.numbers["decode_tokens_per_s"]
            if speed.value is None or speed.low is None or speed.high is None or made.fits is False:
                continue
            points.append((float(context), speed.value))
            band.append((speed.low, speed.high))
            titles.append(f"{each.graph.name}\n{context:,} tokens\n{speed.value:,.3g} tokens/s\n{speed.tier}")
        if points:
            colour = _COLOURS[number % len(_COLOURS)]
            series.append(Series(each.graph.name, colour, tuple(points), tuple(titles), band=tuple(band)))
    if not series:
        return element("p", "Nothing fits.", class_="warn")
    svg = plot(series, x=Axis("tokens known", log=True), y=Axis("tokens/s"), name="speed over context")
    key = legend([(each.colour, "round", each.label) for each in series])
    note = element("figcaption", "Bands are 90 % intervals. A line ends where the memory does.")
    return element("div", Markup(svg), key, note)


def _roofline(each: Estimate) -> Markup:
    """Draw what each kind of layer does for each byte it moves, and how fast."""
    work, weights = each.work, weight_format(each.scenario.weights)
    bandwidth, arithmetic = each.rates.weights.value, each.rates.matmul.value
    if bandwidth is None or arithmetic is None or each.scenario.chips > 1:
        return element("p", "No roof is known for this runtime.", class_="note")
    mean_RF = np.tensordot(STEP_SHARES, work.table_PRF[1:], axes=1)
    series, xs = [], []
    for name, colour, table_RF, times_RT in (
        ("decoding", "attention", mean_RF, each.decode_RT),
        ("prompt", "conv", work.table_PRF[0], each.prefill_RT),
    ):
        flops_R = table_RF[:, [MATMUL, EXPERT_FLOPS, MIXING]].sum(1)
        bytes_R = work.read_bytes(table_RF, weights).sum(1) + 2 * table_RF[:, [CACHE, STATE]].sum(1)
        dots = [
            (number, float(flops_R[number] / bytes_R[number]), float(flops_R[number] / taken))
            for number, taken in enumerate(times_RT.sum(1))
            if taken and flops_R[number] and bytes_R[number]
        ]
        titles = tuple(
            f"{work.rows[n].operator} ({work.rows[n].piece}), {name}\n{x:.3g} FLOPs a byte\n{count(y)}FLOP/s"
            for n, x, y in dots
        )
        xs += [x for _, x, _ in dots]
        series.append(Series(name, colour, tuple((x, y) for _, x, y in dots), titles, line=False))
    low, high = min(xs) / 2, max(*xs, 2 * arithmetic / bandwidth)
    ridge = arithmetic / bandwidth
    roof = ((low, low * bandwidth), (ridge, arithmetic), (high, arithmetic))
    shown = [Series("roof of this runtime", "soft", roof), *series]
    svg = plot(
        shown, x=Axis("FLOPs for each byte moved", log=True), y=Axis("FLOP/s", log=True), name="roofline", height=330
    )
    key = legend([(each_.colour, "round", each_.label) for each_ in shown])
    return element("figure", element("h3", f"{each.graph.name} under the roof"), Markup(svg), key)
