"""Small charts as SVG text: a scatter with a Pareto front, steps, columns.

Layout is arithmetic, so no library is needed.

All colours are CSS variables of the page, so that one drawing serves light, dark and print.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from math import ceil, floor, log10

WIDTH = 720
"""Units of every chart's viewBox; the browser scales it to the column."""


@dataclass(frozen=True, slots=True)
class Point:
    """One mark of a scatter plot."""

    x: float
    y: float
    label: str
    """Lines of the tooltip, separated by newlines; the first is the title."""
    kind: str
    """CSS class: `front`, `dominated`, `known`."""
    href: str = ""
    """Anchor that a click goes to."""
    x_interval: tuple[float, float] | None = None
    y_interval: tuple[float, float] | None = None

    def scaled(self, x: float, y: float) -> "Point":
        """Return the point in other units."""
        ends = [
            None if interval is None else (interval[0] * factor, interval[1] * factor)
            for interval, factor in ((self.x_interval, x), (self.y_interval, y))
        ]
        return replace(self, x=self.x * x, y=self.y * y, x_interval=ends[0], y_interval=ends[1])


@dataclass(frozen=True, slots=True)
class Column:
    """One stacked column of a bar chart: (CSS class, value) from the bottom up."""

    label: str
    parts: tuple[tuple[str, float], ...]
    title: str = ""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round values that cover [low, high]: steps of 1, 2 or 5 times a power of ten."""
    assert low <= high, f"an axis runs from {low} to {high}"
    if low == high:
        low, high = low - (abs(low) * 0.1 or 1.0), high + (abs(high) * 0.1 or 1.0)
    raw = (high - low) / count
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def scatter(
    points: Sequence[Point],
    *,
    x_title: str,
    y_title: str,
    rug: Sequence[float] = (),
    name: str,
    maximize: tuple[bool, bool] = (False, False),
) -> str:
    """Draw points with their 90 % intervals and the staircase of the front; lower left is better.

    Args:
        points: at least one.
        x_title: with unit.
        y_title: with unit.
        rug: x values of candidates that have no y, drawn as ticks on the axis.
        name: what a screen reader says.
        maximize: whether more is better on the x and y axis; such an axis runs backwards.
    """
    height, left, right, top, bottom = 430, 64, 18, 16, 52
    # intervals of modelled values can be wider than all points together; they are clipped, not fitted
    xs, ys = [point.x for point in points] + list(rug), [point.y for point in points]
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    x_at = _scale(*_ends(x_ticks, backwards=maximize[0]), left, WIDTH - right)
    y_at = _scale(*_ends(y_ticks, backwards=maximize[1]), height - bottom, top)
    body = [_frame(x_ticks, y_ticks, x_at, y_at, (left, WIDTH - right, top, height - bottom), x_title, y_title)]
    chosen = [point for point in points if point.kind.split()[0] == "front"]
    front = sorted(chosen, key=lambda point: (x_at(point.x), -y_at(point.y)))
    if front:
        corners = [(x_at(front[0].x), float(top))]
        for before, after in itertools.pairwise(front):
            corners += [(x_at(before.x), y_at(before.y)), (x_at(after.x), y_at(before.y))]
        corners += [(x_at(front[-1].x), y_at(front[-1].y)), (float(WIDTH - right), y_at(front[-1].y))]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        body.append(f'<polygon class="dominated-area" points="{line} {WIDTH - right},{top}"/>')
        body.append(f'<polyline class="front-line" points="{line}"/>')
    body += [
        f'<line class="rug" x1="{x_at(x):.1f}" x2="{x_at(x):.1f}" y1="{height - bottom}" y2="{height - bottom - 9}"/>'
        for x in rug
    ]
    box = (left, WIDTH - right, top, height - bottom)
    order = {"dominated": 0, "known": 2, "front": 1}
    body += [_mark(point, x_at, y_at, box) for point in sorted(points, key=lambda point: order[point.kind.split()[0]])]
    return _svg(height, name, body)


def steps(values: Sequence[float], *, x_title: str, y_title: str, name: str) -> str:
    """Draw a value that changes at each of 1, 2, ... n events."""
    height, left, right, top, bottom = 230, 64, 18, 12, 46
    x_ticks = [tick for tick in ticks(0, max(len(values), 1)) if tick == int(tick)]
    y_ticks = ticks(min(values), max(values), 4)
    x_at = _scale(x_ticks[0], x_ticks[-1], left, WIDTH - right)
    y_at = _scale(y_ticks[0], y_ticks[-1], height - bottom, top)
    line = [f"{x_at(1):.1f},{y_at(values[0]):.1f}"]
    for number, (before, after) in enumerate(itertools.pairwise(values), start=2):
        line += [f"{x_at(number):.1f},{y_at(before):.1f}", f"{x_at(number):.1f},{y_at(after):.1f}"]
    box = (left, WIDTH - right, top, height - bottom)
    frame = _frame(x_ticks, y_ticks, x_at, y_at, box, x_title, y_title)
    return _svg(height, name, [frame, f'<polyline class="front-line" points="{" ".join(line)}"/>'])


def columns(bars: Sequence[Column], *, y_title: str, y_format: Callable[[float], str], name: str) -> str:
    """Draw one stacked column for each bar, labels below where there is room."""
    height, left, right, top, bottom = 190, 84, 8, 10, 30
    tallest = max(sum(value for _, value in bar.parts) for bar in bars)
    y_ticks = ticks(0, tallest or 1.0, 3)
    y_at = _scale(0, y_ticks[-1], height - bottom, top)
    pitch = (WIDTH - left - right) / len(bars)
    body = [
        f'<line class="grid" x1="{left}" x2="{WIDTH - right}" y1="{y_at(tick):.1f}" y2="{y_at(tick):.1f}"/>'
        f'<text class="tick" x="{left - 6}" y="{y_at(tick) + 4:.1f}" text-anchor="end">{escape(y_format(tick))}</text>'
        for tick in y_ticks
    ]
    every = max(1, ceil(16 / pitch))
    for number, bar in enumerate(bars):
        x, base = left + number * pitch, 0.0
        cells = []
        for kind, value in bar.parts:
            y, y_below = y_at(base + value), y_at(base)
            cells.append(
                f'<rect class="{kind}" x="{x + pitch * 0.1:.1f}" width="{pitch * 0.8:.1f}" '
                f'y="{y:.2f}" height="{max(y_below - y, 0):.2f}"/>'
            )
            base += value
        text = (
            f'<text class="tick" x="{x + pitch / 2:.1f}" y="{height - bottom + 15}" text-anchor="middle">'
            f"{escape(bar.label)}</text>"
            if number % every == 0
            else ""
        )
        body.append(f"<g><title>{escape(bar.title or bar.label)}</title>{''.join(cells)}{text}</g>")
    body.append(f'<text class="axis y" transform="translate(13 {height / 2}) rotate(-90)">{escape(y_title)}</text>')
    return _svg(height, name, body)


Scale = Callable[[float], float]
Box = tuple[float, float, float, float]


def _ends(marks: Sequence[float], *, backwards: bool) -> tuple[float, float]:
    return (marks[-1], marks[0]) if backwards else (marks[0], marks[-1])


def _scale(low: float, high: float, start: float, stop: float) -> Scale:
    return lambda value: start + (value - low) / (high - low) * (stop - start)


def _number(value: float) -> str:
    return f"{value:,.6g}" if value != int(value) or abs(value) < 10_000 else f"{value / 1000:g}k"


def _frame(
    x_ticks: Sequence[float], y_ticks: Sequence[float], x_at: Scale, y_at: Scale, box: Box, x_title: str, y_title: str
) -> str:
    left, right, top, bottom = box
    parts = [
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y_at(tick):.1f}" y2="{y_at(tick):.1f}"/>'
        f'<text class="tick" x="{left - 8}" y="{y_at(tick) + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        for tick in y_ticks
    ]
    parts += [
        f'<line class="grid" y1="{top}" y2="{bottom}" x1="{x_at(tick):.1f}" x2="{x_at(tick):.1f}"/>'
        f'<text class="tick" x="{x_at(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{_number(tick)}</text>'
        for tick in x_ticks
    ]
    parts.append(f'<text class="axis" x="{(left + right) / 2}" y="{bottom + 40}">{escape(x_title)}</text>')
    parts.append(
        f'<text class="axis y" transform="translate(16 {(top + bottom) / 2}) rotate(-90)">{escape(y_title)}</text>'
    )
    return "".join(parts)


def _mark(point: Point, x_at: Scale, y_at: Scale, box: Box) -> str:
    left, right, top, bottom = box
    x, y = x_at(point.x), y_at(point.y)
    whiskers = ""
    if point.x_interval is not None:
        low, high = sorted(min(max(x_at(end), left), right) for end in point.x_interval)
        # an interval wider than the plot is common to all marks and would only look like a grid
        whiskers += (
            ""
            if (low, high) == (left, right)
            else f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    if point.y_interval is not None:
        low, high = (min(max(y_at(end), top), bottom) for end in point.y_interval)
        whiskers += f'<line class="whisker" y1="{low:.1f}" y2="{high:.1f}" x1="{x:.1f}" x2="{x:.1f}"/>'
    if point.kind.startswith("known") or point.kind.endswith("known"):
        shape = f'<path class="dot" d="M{x:.1f} {y - 8:.1f}l7.5 8l-7.5 8l-7.5 -8z"/>'
    else:
        shape = f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{6 if point.kind.startswith("front") else 4.5}"/>'
    title = escape(point.label.split("\n")[0])
    mark = f'<g class="point {point.kind}" data-tip="{escape(point.label)}">{whiskers}{shape}</g>'
    return f'<a href="{escape(point.href)}" aria-label="{title}">{mark}</a>' if point.href else mark


def _svg(height: float, name: str, body: Sequence[str]) -> str:
    label = escape(name)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(body)}</svg>'
