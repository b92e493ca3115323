"""`lfm-arch hw`: the hardware profiles that ship, what is in them, and this machine's own."""

import json
from typing import Any

import click
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lfm_arch.cli.output import console

_STATUS_TONES = {"supported": "green", "emulated": "yellow", "unsupported": "red", "unknown": "dim"}

_MATMUL_WORDS = {
    "matmul_float": ("matmul, float", "FLOP/s"),
    "matmul_quantized": ("matmul, quantised", "FLOP/s"),
}

EPILOG = """\b
Examples:
  lfm-arch hw list
  lfm-arch hw show qualcomm
  lfm-arch hw show apple-m4-max --json
  lfm-arch hw profile
  lfm-arch hw compare apple qualcomm
  lfm-arch hw validate --html runs/validation.html
"""


@click.group(epilog=EPILOG)
def hw() -> None:
    """List and show hardware profiles, or measure this machine."""


@hw.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, numbers in base units.")
def list_(as_json: bool) -> None:  # noqa: FBT001
    """List the profiles that ship and what is known of each."""
    from lfm_arch.hardware.calibration import shipped
    from lfm_arch.hardware.profile import ALIASES, load_profile, profile_names

    aliases = {name: alias for alias, name in ALIASES.items()}
    fitted: dict[str, list[Any]] = {}
    for each in shipped().calibrations:
        fitted.setdefault(each.device, []).append(each)
    profiles = [load_profile(name) for name in profile_names()]
    if as_json:
        data = [
            {
                "name": each.name,
                "title": each.title,
                "alias": aliases.get(each.name),
                "class": each.device_class,
                "runtimes": [f"{use.name}@{use.unit}" for use in each.runtimes],
                "bandwidth_bytes_per_s": None if (b := each.bandwidth(each.use().unit)) is None else b.value,
                "capacity_bytes": None if (c := each.memory.capacity) is None else c.value,
                "fitted_runtimes": {c.runtime: len(c.rows) for c in fitted.get(each.name, [])},
            }
            for each in profiles
        ]
        click.echo(json.dumps(data, indent=2))
        return
    out = console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("profile", header_style="bold cyan", no_wrap=True)
    table.add_column("alias", style="green", header_style="dim", no_wrap=True)
    table.add_column("runtime", header_style="dim", no_wrap=True)
    table.add_column("memory", justify="right", header_style="dim", no_wrap=True)
    table.add_column("fitted on", justify="right", header_style="dim", no_wrap=True)
    for each in profiles:
        bandwidth = each.bandwidth(each.use().unit)
        runs = sum(len(c.rows) for c in fitted.get(each.name, []) if c.tier == "calibrated")
        table.add_row(
            each.name,
            aliases.get(each.name, ""),
            each.use().name,
            "unknown" if bandwidth is None else quantity(bandwidth.value, "B/s"),
            f"{runs} runs" if runs else Text("borrows", "dim"),
        )
    out.print(table)
    out.print(Text("\nlocal is this machine, measured by `lfm-arch hw profile`", "dim"))


@hw.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON, numbers in base units.")
def show(name: str, as_json: bool) -> None:  # noqa: FBT001
    """Show a profile: every number with its source, runtimes with what was fitted, operators with evidence."""
    from lfm_arch.hardware.calibration import shipped
    from lfm_arch.hardware.profile import load_profile

    profile = measure_here(fresh=False) if name == "local" else load_profile(name)
    found = {
        use.name: profile.calibration(use) or shipped().find(profile.name, use.unit, use.name)
        for use in profile.runtimes
    }
    if as_json:
        data = profile.model_dump(mode="json", by_alias=True)
        data["calibrations"] = {
            runtime: None
            if each is None
            else {
                "tier": each.tier,
                "rates": {rate: [fit.value, fit.low, fit.high] for rate, fit in each.rates.items()},
                "rows": list(each.rows),
                "models": list(each.models),
                "errors": dict(each.errors),
            }
            for runtime, each in found.items()
        }
        click.echo(json.dumps(data, indent=2))
        return
    out = console()
    known = [profile.name, profile.device_class, *([str(profile.year)] if profile.year else [])]
    out.print(Text.assemble((profile.title, "bold"), f"  {', '.join(known)}"))
    if profile.doc:
        out.print(Text(profile.doc, "dim"))
    out.print(_figures(profile))
    for use in profile.runtimes:
        out.print(_runtime(use, found[use.name]))
    out.print(_operators(profile))
    for note in profile.notes:
        out.print(Text.assemble(("· ", "cyan"), note))
    for key, source in profile.sources.items():
        out.print(Text(f"[{key}] {source.url} ({source.what}; {source.date})", "dim", overflow="fold"))


@hw.command()
@click.option("--json", "as_json", is_flag=True, help="Print the profile that was written.")
def profile(as_json: bool) -> None:  # noqa: FBT001
    """Measure this machine's CPU under torch and keep the profile as `local`; about half a minute.

    Streaming, matrix products by size, attention, element-wise steps and dispatch, in f32 and bf16. Other load on the
    machine shows in the spread.
    """
    from lfm_arch.hardware.local import local_path

    made = measure_here(fresh=True)
    if as_json:
        click.echo(local_path().read_text(encoding="utf-8"), nl=False)
        return
    out = console()
    out.print(Text.assemble((made.title, "bold"), f"  {made.doc}"))
    out.print(_figures(made))
    for use in made.runtimes:
        out.print(
            _runtime(use, made.calibration(use), spread=next(m.spread for m in made.measured if m.runtime == use.name))
        )
    out.print(Text(f"\nkept in {local_path()}; use it as --hw local", "dim"))


@hw.command()
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="As JSON, numbers in base units.")
def compare(first: str, second: str, as_json: bool) -> None:  # noqa: FBT001
    """Compare two profiles: data sheets, and what their first runtimes reach with q4_0 weights."""
    from lfm_arch.cli.validation import compare_profiles

    compare_profiles(first, second, as_json=as_json)


@hw.command()
@click.option("--json", "as_json", is_flag=True, help="Every figure as JSON.")
@click.option("--html", type=click.Path(dir_okay=False), metavar="PATH", help="Write the page too.")
def validate(as_json: bool, html: str | None) -> None:  # noqa: FBT001
    """Predict every published run without having seen it, and say how far off; about twenty seconds.

    One model is left out of what a runtime on a device was fitted on, then whole devices. Errors are of the time.
    """
    from lfm_arch.cli.validation import validate_costs

    validate_costs(as_json=as_json, html=html)


def measure_here(*, fresh: bool) -> Any:
    """Return this machine's profile, measuring it with a progress bar on stderr when need be."""
    from lfm_arch.hardware.local import local_path, local_profile

    if not fresh and local_path().is_file():
        return local_profile()
    bar = Progress(
        TextColumn("measuring this machine"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)

        def progress(label: str, number: int, total: int) -> None:
            bar.update(task, description=label, completed=number, total=total)

        return local_profile(progress, fresh=fresh)


def _figures(profile: Any) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("data sheet", header_style="bold cyan", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("", style="dim", overflow="fold", ratio=1)
    units = {"capacity": "B", "bandwidth": "B/s", "power": "W"}
    for path, figure in profile.figures():
        words = path.replace("units.", "").replace("memory.", "memory ").replace(".", " ")
        last = path.rpartition(".")[2]
        unit = "W" if path.startswith("power") else units.get(last, "FLOP/s")
        if path.startswith("power"):
            words = f"power {figure.state}{f', {figure.unit}' if figure.unit else ''}, {figure.scope}"
        told = "; ".join(part for part in (figure.formula, figure.note) if part)
        sparse = " sparse" if getattr(figure, "sparse", False) else ""
        table.add_row(
            words, f"{quantity(figure.value, unit)}{sparse}", figure.kind, f"{told} [{figure.source}]".strip()
        )
    if not table.row_count:
        table.add_row("nothing with a source", "", "", "")
    return Padding(table, (1, 0, 0, 0), expand=False)


def _runtime(use: Any, found: Any, spread: Any = None) -> Padding:
    from lfm_arch.hardware.account import RATE_WORDS

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(f"{use.name} on {use.unit}", header_style="bold cyan", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    left_out = found is not None and any(fit.low is not None for fit in found.rates.values())
    heading = "spread" if spread is not None else "leaving one model out" if left_out else ""
    table.add_column(heading, style="dim", header_style="dim", no_wrap=True)
    if found is None:
        table.add_row(Text("no published runs tell its rates apart; they are borrowed", "dim"), "", "")
        return Padding(table, (1, 0, 0, 0), expand=False)
    for name, fit in found.rates.items():
        what, unit = {**RATE_WORDS, **_MATMUL_WORDS}[name]
        ends = [] if fit.low is None else [quantity(end, unit) for end in (fit.low, fit.high)]
        around = " to ".join(ends) if spread is None else f"{spread.get(name, 0):.0%}"
        table.add_row(what, quantity(fit.value, unit), around)
    told = found.note or f"fitted on {len(found.rows)} runs of {', '.join(found.models)}"
    errors = ", ".join(f"{name.replace('_', ' ')} {value:.1%}" for name, value in found.errors.items())
    return Padding(_under(table, f"{told}{f'; mean error {errors}' if errors else ''}"), (1, 0, 0, 0), expand=False)


def _under(table: Table, text: str) -> Any:
    from rich.console import Group

    return Group(table, Text(text, "dim"))


def _operators(profile: Any) -> Padding:
    from lfm_arch.hardware.runtime import load_engine
    from lfm_arch.operators.registry import operators

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("operators", header_style="bold cyan", no_wrap=True)
    engines = list(dict.fromkeys(use.engine for use in profile.runtimes))
    for engine in engines:
        table.add_column(engine, header_style="dim", no_wrap=True)
    for word in operators():
        statuses = [load_engine(engine).supports(word).status for engine in engines]
        table.add_row(word, *(Text(status, _STATUS_TONES[status]) for status in statuses))
    return Padding(table, (1, 0, 1, 0), expand=False)


def quantity(value: float, unit: str) -> str:
    """Write a number of a profile with its unit."""
    from lfm_arch.core.units import seconds, size

    if unit == "s":
        return seconds(value) if value else "0 s"
    if unit == "B":
        return size(value)
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= factor and unit in ("B/s", "FLOP/s"):
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}".strip()
