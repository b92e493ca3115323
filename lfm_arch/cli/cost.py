"""`lfm-arch cost`: speed, memory and energy of architectures on hardware profiles."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import click
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lfm_arch.cli.output import console

_TONES = {"measured": "green", "calibrated": "green", "family": "yellow", "class": "dark_orange", "spec_only": "red"}
_CONTEXTS = "1024,4096,16384,65536"
_WIDE = 100
"""Columns of a terminal from which on a table says which layers a line is about."""

EPILOG = """\b
Examples:
  lfm-arch cost specs/lfm2-1.2b.yaml --hw apple
  lfm-arch cost specs/lfm2-1.2b.yaml specs/lfm2-350m.yaml --hw qualcomm,amd --prompt 4096 --weights q4_0
  lfm-arch cost specs/lfm2-1.2b.yaml --hw apple-m4-max --runtime mlx --weights int4_g64 --explain
  lfm-arch cost specs/lfm2-1.2b.yaml --hw raspberry-pi-5 --context 1024,8192,32768
  lfm-arch cost specs/lfm2-1.2b.yaml --hw local --weights f32 --json
"""


@click.command(epilog=EPILOG)
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option(
    "--hw", "profiles", required=True, metavar="NAME[,NAME]", help="Hardware profiles, see `lfm-arch hw list`."
)
@click.option("--runtime", metavar="NAME", help="Runtime of the profile; the first it lists when left out.")
@click.option("--prompt", default=1024, show_default=True, help="Tokens of the prompt.")
@click.option("--generate", default=256, show_default=True, help="Tokens generated after it.")
@click.option("--batch", default=1, show_default=True, help="Sequences side by side.")
@click.option("--weights", metavar="FORMAT", help="Format of the weights; q4_0, or what the runtime runs.")
@click.option("--cache", default="f16", show_default=True, metavar="FORMAT", help="Format of the key/value cache.")
@click.option("--memory", metavar="SIZE", help="Memory of the device, as 8GB; the profile's largest when left out.")
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change a value of every spec.")
@click.option(
    "--context",
    is_flag=False,
    flag_value=_CONTEXTS,
    metavar="N[,N]",
    help=f"Decoding speed and cache as the context grows; {_CONTEXTS} when no numbers follow.",
)
@click.option("--layers", is_flag=True, help="Every layer on a line of its own.")
@click.option("--explain", is_flag=True, help="Where every rate comes from: data sheet, fit or measurement.")
@click.option("--strict", metavar="TIER", help="Refuse an answer known less well than this tier.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, numbers in base units.")
def cost(
    specs: Sequence[str],
    profiles: str,
    runtime: str | None,
    prompt: int,
    generate: int,
    batch: int,
    weights: str | None,
    cache: str,
    memory: str | None,
    sets: Sequence[str],
    context: str | None,
    layers: bool,  # noqa: FBT001
    explain: bool,  # noqa: FBT001
    strict: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Predict speed and memory of SPEC files on hardware profiles.

    Every number is marked exact, modelled or measured, and every time has a 90 % interval and a tier: how well it is
    known. Nothing is run.
    """
    from lfm_arch.graph.compile import compile_graph
    from lfm_arch.hardware.account import as_data
    from lfm_arch.hardware.calibration import TIERS
    from lfm_arch.hardware.estimate import Scenario, estimate
    from lfm_arch.hardware.formats import weight_format
    from lfm_arch.hardware.profile import load_profile
    from lfm_arch.spec.model import load_spec

    if strict is not None and strict not in TIERS:
        raise click.BadParameter(f"{strict!r} is no tier; use one of {', '.join(TIERS)}", param_hint="--strict")
    contexts = _numbers(context) if context else []
    graphs = [compile_graph(load_spec(path, sets)) for path in specs]
    found = []
    for name in profiles.split(","):
        profile = _measured(name.strip()) if name.strip() == "local" else load_profile(name.strip())
        use = profile.use(runtime)
        chosen = weight_format(weights or (use.formats[0] if use.formats else "q4_0")).name
        scenario = Scenario(prompt, generate, batch, chosen, cache, None if memory is None else _bytes(memory))
        found.extend(estimate(graph, profile, scenario, runtime=runtime) for graph in graphs)
    if strict is not None:
        for each in found:
            each.require(strict)
    longer = [
        [(n, estimate(e.graph, e.profile, replace(e.scenario, prompt=n), runtime=runtime)) for n in contexts]
        for e in found
    ]
    if as_json:
        data = [as_data(each) for each in found]
        for plain, further in zip(data, longer, strict=True):
            if further:
                plain["contexts"] = [{"context": n, **as_data(e)["numbers"]} for n, e in further]
        click.echo(json.dumps(data, indent=2))
        return
    out = console()
    whole = len(found) == 1
    if not whole:
        for device, group in groupby(found, lambda each: (each.profile.name, each.use.name)):
            out.print(_summary(device, list(group)))
    for each, series in zip(found, longer, strict=True):
        if whole or layers or explain or series:
            out.print(_page(each, layers=layers, explain=explain, series=series, whole=whole, wide=out.width >= _WIDE))
    if not (whole or layers or explain or contexts):
        out.print(Text("\none SPEC on one profile: also memory by part, and where the time goes", "dim"))


def _measured(name: str) -> Any:
    from lfm_arch.cli.hw import measure_here
    from lfm_arch.hardware.local import local_path
    from lfm_arch.hardware.profile import load_profile

    return load_profile(name) if local_path().is_file() else measure_here(fresh=False)


def _bytes(text: str) -> int:
    from lfm_arch.core.units import parse_quantity

    parsed = parse_quantity(text)
    if parsed is None or parsed[1] != "bytes":
        raise click.BadParameter(f"{text!r} is no size; write it as 8GB or 8GiB", param_hint="--memory")
    return int(parsed[0])


def _numbers(text: str) -> list[int]:
    try:
        found = [int(part.replace("_", "")) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of whole numbers", param_hint="--context") from None
    if min(found) < 1:
        raise click.BadParameter("a context has at least one token", param_hint="--context")
    return found


def _page(each: Any, *, layers: bool, explain: bool, series: Sequence[Any], whole: bool, wide: bool) -> Group:
    parts: list[Any] = [Text()]
    scenario = each.scenario
    parts.append(
        Text.assemble((each.graph.name, "bold"), " on ", (each.profile.title, "bold"), f" with {each.use.name}")
    )
    parts.append(
        Text(
            f"prompt {scenario.prompt:,} · generate {scenario.generate:,} · batch {scenario.batch} · "
            f"weights {scenario.weights} · cache {scenario.cache}",
            "dim",
        )
    )
    if whole:
        parts += [_headline(each), _memory(each)]
    if whole or layers:
        parts.append(_time(each, layers=layers, wide=wide))
    if series:
        parts.append(_contexts(series))
    if explain:
        parts.extend(_explain(each))
    parts.extend(_remarks(each))
    return Group(*parts)


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
        known = (
            Text.assemble((f"{number.kind}, ", "dim"), _tier(number.tier)) if number.tier else Text("unknown", "dim")
        )
        table.add_row(word, _shown(number.value, number.unit), _between(number), known)
    return Padding(table, (1, 0, 0, 0), expand=False)


def _memory(each: Any) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("memory", header_style="bold cyan")
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
        table.add_row(word, _shown(number.value, "B"), "▇" * round(20 * share), kind)
    capacity = each.capacity_bytes
    verdict = {True: ("fits in ", "green"), False: ("does not fit in ", "bold red"), None: ("", "dim")}[each.fits]
    whole = "capacity unknown" if capacity is None else f"{verdict[0]}{_shown(capacity, 'B')}"
    at_least = "" if each.memory.runtime is not None else "at least "
    table.add_row(
        Text("in total", "bold"),
        Text(f"{at_least}{_shown(each.memory_bytes, 'B')}", "bold"),
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
            _shown(each.prefill_s, "s"),
            _shown(each.decode_tokens_per_s, ""),
            _shown(each.memory.cache + each.memory.state, "B"),
            _shown(each.memory_bytes, "B"),
            _tier(each.tiers["decode"]),
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
        table.add_row(line.words, _rate(line.value, line.unit), _tier(line.tier), told)
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
        remarks.append(f"memory of {_shown(float(capacity.value), 'B')}: {capacity.note}; --memory says another")
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


def _summary(device: tuple[str, str], found: Sequence[Any]) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True, min_width=16)
    for heading in ("first token", "prefill/s", "decode/s", "memory"):
        table.add_column(heading, justify="right", header_style="dim", no_wrap=True)
    table.add_column("known by", header_style="dim", no_wrap=True)
    for each in found:
        table.add_row(
            each.graph.name,
            _shown(each.prefill_s, "s"),
            _shown(each.numbers["prefill_tokens_per_s"].value, ""),
            _shown(each.decode_tokens_per_s, ""),
            _shown(each.memory_bytes, "B"),
            Text("too large", "bold red") if each.fits is False else _tier(each.tier),
        )
    return Group(Text(), Text.assemble((device[0], "bold cyan"), f" with {device[1]}"), table)


def _tier(tier: str | None) -> Text:
    return Text("" if tier is None else tier.replace("_", " "), _TONES.get(tier or "", "dim"))


def _shown(value: float | None, unit: str) -> str:
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
    return f"{_shown(number.low, number.unit)} to {_shown(number.high, number.unit)}"


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
