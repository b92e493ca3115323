"""Lines and dots over two axes, each linear or logarithmic, as SVG text."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from lfm_arch.report.chart import WIDTH, ticks


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together, drawn in one colour."""

    label: str
    colour: str
    """A CSS variable of the page, without its dashes."""
    points: tuple[tuple[float, float], ...]
    titles: tuple[str, ...] = ()
    """What the tooltip of each dot says; none for no dots."""
    line: bool = True
    dashed: bool = False
    band: tuple[tuple[float, float], ...] = ()
    """Low and high y of each point, drawn as an area behind the line."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis."""

    title: str
    log: bool = False

    def ticks(self, values: Sequence[float]) -> list[float]:
        """Return round values that cover some others."""
        low, high = min(values), max(values)
        if not self.log:
            return ticks(min(0.0, low), high)
        assert low > 0, f"{self.title}: a logarithmic axis has no {low}"
        return [10.0**power for power in range(floor(log10(low)), ceil(log10(high) + 1e-9) + 1)]

    def place(self, value: float) -> float:
        return log10(value) if self.log else value


def plot(series: Sequence[Series], *, x: Axis, y: Axis, name: str, height: int = 360) -> str:
    """Draw series into one chart.

    Args:
        series: with at least one point altogether.
        x: horizontal axis.
        y: vertical axis.
        name: what a screen reader says.
        height: of the viewBox.
    """
    left, right, top, bottom = 76, 18, 14, 52
    x_ticks = x.ticks([point[0] for each in series for point in each.points])
    ys = [point[1] for each in series for point in each.points]
    y_ticks = y.ticks(ys)

    def x_at(value: float) -> float:
        share = (x.place(value) - x.place(x_ticks[0])) / (x.place(x_ticks[-1]) - x.place(x_ticks[0]))
        return left + share * (WIDTH - right - left)

    def y_at(value: float) -> float:
        share = (y.place(value) - y.place(y_ticks[0])) / (y.place(y_ticks[-1]) - y.place(y_ticks[0]))
        return min(max(height - bottom - share * (height - bottom - top), top), height - bottom)

    body = [
        f'<line class="grid" x1="{left}" x2="{WIDTH - right}" y1="{y_at(t):.1f}" y2="{y_at(t):.1f}"/>'
        f'<text class="tick" x="{left - 8}" y="{y_at(t) + 4:.1f}" text-anchor="end">{_number(t)}</text>'
        for t in y_ticks
    ]
    body += [
        f'<line class="grid" y1="{top}" y2="{height - bottom}" x1="{x_at(t):.1f}" x2="{x_at(t):.1f}"/>'
        f'<text class="tick" x="{x_at(t):.1f}" y="{height - bottom + 18}" text-anchor="middle">{_number(t)}</text>'
        for t in x_ticks
    ]
    body.append(f'<text class="axis" x="{(left + WIDTH - right) / 2}" y="{height - 10}">{escape(x.title)}</text>')
    middle = (top + height - bottom) / 2
    body.append(f'<text class="axis y" transform="translate(16 {middle}) rotate(-90)">{escape(y.title)}</text>')
    for each in series:
        colour = f'style="color: var(--{each.colour})"'
        if each.band:
            ends = [(x_at(px), y_at(low)) for (px, _), (low, _) in zip(each.points, each.band, strict=True)]
            back = [(x_at(px), y_at(high)) for (px, _), (_, high) in zip(each.points, each.band, strict=True)]
            corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in [*ends, *reversed(back)])
            body.append(f'<polygon class="band" {colour} points="{corners}"/>')
        if each.line:
            corners = " ".join(f"{x_at(px):.1f},{y_at(py):.1f}" for px, py in each.points)
            dash = ' stroke-dasharray="6 5"' if each.dashed else ""
            body.append(f'<polyline class="series" {colour} points="{corners}"{dash}/>')
        for (px, py), title in zip(each.points, each.titles, strict=False):
            body.append(
                f'<g class="point" {colour} data-tip="{escape(title)}">'
                f'<circle class="dot" cx="{x_at(px):.1f}" cy="{y_at(py):.1f}" r="3.6"/></g>'
            )
    label = escape(name)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(body)}</svg>'


def _number(value: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{prefix}"
    return f"{value:g}"
