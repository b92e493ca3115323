"""How an estimate is shown on a terminal: tables of speed, memory, time and provenance, and numbers in words."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_TONES = {"measured": "green", "calibrated": "green", "family": "yellow", "class": "dark_orange", "spec_only": "red"}


def page(each: Any, *, layers: bool, explain: bool, series: Sequence[Any], whole: bool, wide: bool) -> Group:
    """Lay out everything that was asked of one estimate."""
    parts: list[Any] = [Text()]
    scenario = each.scenario
    parts.append(
        Text.assemble((each.graph.name, "bold"), " on ", (each.profile.title, "bold"), f" with {each.use.name}")
    )
    parts.append(
        Text(
            f"prompt {scenario.prompt:,} · generate {scenario.generate:,} · batch {scenario.batch} · "
            f"weights {scenario.weights} · cache {scenario.cache}{_spread(scenario)}",
            "dim",
        )
    )
    if whole:
        parts += [_headline(each), memory_table(each)]
    if whole or layers:
        parts.append(_time(each, layers=layers, wide=wide))
    if series:
        parts.append(_contexts(series))
    if explain:
        parts.extend(_explain(each))
    parts.extend(_remarks(each))
    return Group(*parts)


def _spread(scenario: Any) -> str:
    return f" · {scenario.chips} chips, {scenario.parallel} parallel" if scenario.chips > 1 else ""


def _headline(each: Any) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("speed", header_style="bold cyan", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("90 % interval", justify="right", header_style="dim", style="dim", no_wrap=True)
    table.add_column("known by", header_style="dim", no_wrap=True)
    words = {
        "ttft_s": "first token",
        "prefill_tokens_per_s": "prefill",
        "decode_tokens_per_s": "decode",
        "energy_per_token_j": "energy",
    }
    for name, word in words.items():
        number = each.numbers[name]
        known = Text("unknown", "dim")
        if number.tier:
            known = Text.assemble((f"{number.kind}, ", "dim"), tier_text(number.tier))
        table.add_row(word, shown(number.value, number.unit), _between(number), known)
    return Padding(table, (1, 0, 0, 0), expand=False)


def memory_table(each: Any) -> Padding:
    """Lay out memory by part."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    chips = each.scenario.chips
    table.add_column("memory" if chips == 1 else f"memory of each of {chips} chips", header_style="bold cyan")
    table.add_column("", justify="right")
    table.add_column("", justify="left", style="cyan")
    table.add_column("known by", header_style="dim", style="dim")
    words = {
        "weights_bytes": "weights",
        "cache_bytes": "key/value cache",
        "state_bytes": "fixed state",
        "activations_bytes": "activations",
        "runtime_bytes": "the runtime itself",
    }
    for name, word in words.items():
        number = each.numbers[name]
        share = 0.0 if number.value is None else number.value / each.memory_bytes
        kind = "unknown" if number.value is None else number.kind
        table.add_row(word, shown(number.value, "B"), "▇" * round(20 * share), kind)
    capacity = each.capacity_bytes
    verdict = {True: ("fits in ", "green"), False: ("does not fit in ", "bold red"), None: ("", "dim")}[each.fits]
    whole = "capacity unknown" if capacity is None else f"{verdict[0]}{shown(capacity, 'B')}"
    at_least = "" if each.memory.runtime is not None else "at least "
    table.add_row(
        Text("in total", "bold"),
        Text(f"{at_least}{shown(each.memory_bytes, 'B')}", "bold"),
        Text(whole, verdict[1]),
        "",
    )
    return Padding(table, (1, 0, 0, 0), expand=False)


def _time(each: Any, *, layers: bool, wide: bool) -> Padding:
    from lfm_arch.hardware.account import Folded, fold

    rows = [Folded((node.node,), node) for node in each.nodes] if layers else fold(each)
    known = each.prefill_s is not None
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("where the time goes", header_style="bold cyan", no_wrap=True)
    table.add_column("prompt", justify="right", no_wrap=True)
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("a token", justify="right", no_wrap=True)
    table.add_column("", style="dim", no_wrap=True)
    if wide or layers:
        table.add_column("", style="dim", overflow="fold")
    for row in rows:
        total = len(row.nodes)
        table.add_row(
            f"{f'{total} x ' if total > 1 else ''}{row.cost.kind}",
            _seconds(total * row.cost.prefill_s) if known else "unknown",
            row.cost.prefill_bound if known else "",
            _seconds(total * row.cost.decode_s),
            row.cost.decode_bound,
            *([row.where] if wide or layers else []),
        )
    start = each.rates.prompt.value or 0.0
    if known and start:
        table.add_row("starting a prompt", _seconds(start))
    prefill = _seconds(each.prefill_s) if known else "unknown"
    table.add_row(Text("in total", "bold"), Text(prefill, "bold"), "", Text(_seconds(each.step_s), "bold"))
    return Padding(table, (1, 0, 0, 0), expand=False)


def _contexts(series: Sequence[Any]) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("context", "first token", "tokens/s", "cache and state", "memory"):
        style = "bold cyan" if heading == "context" else "dim"
        table.add_column(heading, justify="right", header_style=style, no_wrap=True)
    table.add_column("known by", header_style="dim", no_wrap=True)
    for context, each in series:
        table.add_row(
            f"{context:,}",
            shown(each.prefill_s, "s"),
            shown(each.decode_tokens_per_s, ""),
            shown(each.memory.cache + each.memory.state, "B"),
            shown(each.memory_bytes, "B"),
            tier_text(each.tiers["decode"]),
        )
    return Padding(table, (1, 0, 0, 0), expand=False)


def _explain(each: Any) -> Iterable[Any]:
    from lfm_arch.hardware.account import provenance

    lines = provenance(each)
    numbers = {url: number for number, url in enumerate(dict.fromkeys(u for line in lines for u in line.sources), 1)}
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("where the rates come from", header_style="bold cyan", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", style="dim", overflow="fold", ratio=1)
    for line in lines:
        told = Text(f"{line.how} {''.join(f'[{numbers[url]}]' for url in line.sources)}", "dim")
        table.add_row(line.words, _rate(line.value, line.unit), tier_text(line.tier), told)
    yield Padding(table, (1, 0, 0, 0), expand=False)
    for url, number in numbers.items():
        yield Text(f"[{number}] {url}", "dim", overflow="fold")
    rows = sorted({row for line in lines for row in line.rows})
    if rows:
        yield Text(f"fitted on the rows {', '.join(rows)} of the measurements that ship", "dim")


def _remarks(each: Any) -> Iterable[Any]:
    remarks = [
        f"{word}: {status} on {each.engine.title}; {each.engine.supports(word).evidence or 'nobody published a run'}"
        for word, status in each.unproven.items()
    ]
    capacity = each.profile.memory.capacity
    if each.scenario.memory is None and capacity is not None and capacity.note:
        remarks.append(f"memory of {shown(float(capacity.value), 'B')}: {capacity.note}; --memory says another")
    if each.fits is False:
        remarks.append("the model does not fit, so no such speed will be seen on one device")
    if each.prefill_s is None:
        remarks.append(each.numbers["ttft_s"].note)
    if each.outside and each.calibration.tier == "calibrated":
        remarks.append(f"one tier lower: {each.outside}")
    calibration = each.calibration
    if calibration is not None and calibration.errors:
        told = ", ".join(f"{name.replace('_', ' ')} {value:.1%}" for name, value in calibration.errors.items())
        remarks.append(f"mean error of the fit on its {len(calibration.rows)} published runs: {told}")
    if remarks:
        yield Text()
    for remark in remarks:
        yield Text.assemble(("· ", "cyan"), remark)


def summary(device: tuple[str, str], found: Sequence[Any]) -> Group:
    """Lay out several specs on one device, a line each."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True, min_width=16)
    for heading in ("first token", "prefill/s", "decode/s", "memory"):
        table.add_column(heading, justify="right", header_style="dim", no_wrap=True)
    table.add_column("known by", header_style="dim", no_wrap=True)
    for each in found:
        table.add_row(
            each.graph.name,
            shown(each.prefill_s, "s"),
            shown(each.numbers["prefill_tokens_per_s"].value, ""),
            shown(each.decode_tokens_per_s, ""),
            shown(each.memory_bytes, "B"),
            Text("too large", "bold red") if each.fits is False else tier_text(each.tier),
        )
    return Group(Text(), Text.assemble((device[0], "bold cyan"), f" with {device[1]}"), table)


def tier_text(tier: str | None) -> Text:
    """Write a tier in its colour."""
    return Text("" if tier is None else tier.replace("_", " "), _TONES.get(tier or "", "dim"))


def shown(value: float | None, unit: str) -> str:
    """Write a number with its unit; nobody knows None."""
    from lfm_arch.core.units import size

    if value is None:
        return "unknown"
    if unit == "s":
        return _seconds(value)
    if unit == "B":
        return size(value)
    if unit == "J":
        return f"{value * 1e3:.3g} mJ/token" if value < 1 else f"{value:.3g} J/token"
    return f"{_digits(value)} {unit}".rstrip()


def _between(number: Any) -> str:
    if number.low is None:
        return ""
    if number.unit in ("tokens/s", "J"):
        # the unit stands beside the value
        scale = 1e3 if number.unit == "J" and number.value < 1 else 1.0
        return f"{_digits(scale * number.low)} to {_digits(scale * number.high)}"
    return f"{shown(number.low, number.unit)} to {shown(number.high, number.unit)}"


def _digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def _seconds(value: float) -> str:
    from lfm_arch.core.units import seconds

    if value < 1e-9:
        return "< 1 ns"
    return f"{value:,.0f} s" if value >= 1000 else seconds(value)


def _rate(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    if unit == "s":
        return _seconds(value)
    if not unit:
        return f"{value:.3g}"
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value / 1e6:.3g} M{unit}"
