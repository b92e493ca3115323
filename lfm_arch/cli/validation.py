"""What `lfm-arch hw validate` and `lfm-arch hw compare` print."""

import json
from pathlib import Path
from typing import Any

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lfm_arch.cli.output import console

_SPLITS = {"model": "model left out", "device": "device left out", "data_sheet": "plain roofline"}


def validate_costs(*, as_json: bool, html: str | None) -> None:
    """Validate, print, and write the page when asked for."""
    from lfm_arch.hardware.proof import prove
    from lfm_arch.report.hardware import render_validation

    proof = prove()
    if html:
        render_validation(proof, Path(html))
    if as_json:
        click.echo(json.dumps(proof, indent=1))
        return
    out = console()
    out.print(Text(f"{proof['runs']} published runs of {proof['models']} models on {proof['devices']} devices", "bold"))
    out.print(_errors(proof))
    out.print(_orders(proof))
    out.print(_runtimes(proof))
    if html:
        out.print(Text(f"\nby device, with every run: {html}", "dim"))


def _errors(proof: dict[str, Any]) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("errors", header_style="bold cyan", no_wrap=True)
    for heading in ("runs", "median", "90th", "bias", "inside"):
        table.add_column(heading, justify="right", header_style="dim", no_wrap=True)
    table.add_column("goal", header_style="dim", style="dim", no_wrap=True)
    for split, phases in proof["splits"].items():
        for phase, found in phases.items():
            goal = proof["goals"].get(split, {}).get(phase)
            tone = "" if goal is None else "green" if found["median"] <= goal else "red"
            inside = found["coverage"]
            table.add_row(
                f"{phase}, {_SPLITS[split]}",
                f"{found['count']}",
                Text(f"{found['median']:.1%}", tone),
                f"{found['p90']:.0%}",
                f"{found['bias']:+.1%}",
                "" if inside is None else Text(f"{inside:.0%}", "green" if 0.85 <= inside <= 0.95 else "red"),
                "" if goal is None else f"{goal:.0%}, 85 to 95 % inside",
            )
    return Padding(table, (1, 0, 0, 0), expand=False)


def _orders(proof: dict[str, Any]) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("pairs in the right order", header_style="bold cyan", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("goal", header_style="dim", style="dim", no_wrap=True)
    words = {
        "unseen": "alike in size, both left out",
        "context": "ratio moves with the context",
        "data_sheet": "alike in size, plain roofline",
    }
    for name, what in words.items():
        for phase, (right, pairs) in proof["order"][name].items():
            fine = pairs and right / pairs >= 0.9
            table.add_row(f"{phase}, {what}", Text(f"{right} of {pairs}", "green" if fine else "red"), "90 %")
    return Padding(table, (1, 0, 0, 0), expand=False)


def _runtimes(proof: dict[str, Any]) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("by runtime", header_style="bold cyan", no_wrap=True)
    for heading in ("", ""):
        table.add_column(heading, style="dim", no_wrap=True)
    for heading in ("runs", "median", "90th", "inside"):
        table.add_column(heading, justify="right", header_style="dim", no_wrap=True)
    for row in sorted(proof["by_runtime"], key=lambda row: (row["group"], row["phase"], row["split"])):
        table.add_row(
            row["group"],
            row["phase"],
            _SPLITS[row["split"]],
            f"{row['count']}",
            f"{row['median']:.0%}",
            f"{row['p90']:.0%}",
            f"{row['coverage']:.0%}",
        )
    return Padding(table, (1, 0, 0, 0), expand=False)


def compare_profiles(first: str, second: str, *, as_json: bool) -> None:
    """Put two profiles side by side."""
    from lfm_arch.hardware.account import RATE_WORDS
    from lfm_arch.hardware.formats import weight_format
    from lfm_arch.hardware.profile import load_profile
    from lfm_arch.hardware.resolve import resolve_rates

    profiles: list[Any] = [load_profile(name) for name in (first, second)]
    sheets = [{path: float(figure.value) for path, figure in each.figures()} for each in profiles]
    rates = []
    for each in profiles:
        use = each.use()
        weights = weight_format(use.formats[0] if use.formats else "q4_0")
        rates.append(dict(resolve_rates(each, use, weights.name, quantized=weights.quantized).items()))
    if as_json:
        data = [
            {
                "name": each.name,
                "runtime": each.use().name,
                "data_sheet": sheet,
                "rates": {name: {"value": rate.value, "tier": rate.tier} for name, rate in found.items()},
            }
            for each, sheet, found in zip(profiles, sheets, rates, strict=True)
        ]
        click.echo(json.dumps(data, indent=2))
        return
    from lfm_arch.cli.hw import quantity

    out = console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", header_style="bold cyan", no_wrap=True)
    for each in profiles:
        table.add_column(f"{each.name} ({each.use().name})", justify="right", header_style="bold cyan")
        table.add_column("", style="dim", no_wrap=True)
    for path in dict.fromkeys([*sheets[0], *sheets[1]]):
        if path.startswith("power"):
            continue
        last = path.rpartition(".")[2]
        unit = "B" if last == "capacity" else "B/s" if last in ("bandwidth", "outside", "link") else "FLOP/s"
        shown = [quantity(sheet[path], unit) if path in sheet else "unknown" for sheet in sheets]
        table.add_row(path.replace("units.", "").replace(".", " "), shown[0], "", shown[1], "")
    for name, (words, unit) in RATE_WORDS.items():
        pair = [found[name] for found in rates]
        if not any(rate.value for rate in pair):
            continue
        cells = [x for r in pair for x in (quantity(r.value, unit) if r.value else "unknown", r.tier.replace("_", " "))]
        table.add_row(words, *cells)
    out.print(table)
