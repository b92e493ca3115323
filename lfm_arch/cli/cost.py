"""`lfm-arch cost`: speed, memory and energy of architectures on hardware profiles."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import click
from rich.text import Text

from lfm_arch.cli.estimate_view import page, summary
from lfm_arch.cli.output import console

_CONTEXTS = "1024,4096,16384,65536"
_WIDE = 100
"""Columns of a terminal from which on a table says which layers a line is about."""

EPILOG = """\b
Examples:
  lfm-arch cost specs/lfm2-1.2b.yaml --hw apple
  lfm-arch cost specs/lfm2-1.2b.yaml specs/lfm2-350m.yaml --hw qualcomm,amd --prompt 4096 --weights q4_0
  lfm-arch cost specs/lfm2-1.2b.yaml --hw apple-m4-max --runtime mlx --weights int4_g64 --explain
  lfm-arch cost specs/lfm2-1.2b.yaml --hw raspberry-pi-5 --context 1024,8192,32768
  lfm-arch cost specs/lfm1-40b-style.yaml --hw mi300x --weights bf16 --chips 2 --parallel tensor
  lfm-arch cost specs/lfm2-1.2b.yaml specs/lfm3-1.7b.yaml --hw apple,qualcomm --html cost.html
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
@click.option("--chips", default=1, show_default=True, help="Equal chips that hold the model together.")
@click.option(
    "--parallel",
    type=click.Choice(["tensor", "pipeline", "expert"]),
    default="tensor",
    show_default=True,
    help="How they share it.",
)
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
@click.option("--html", type=click.Path(dir_okay=False), metavar="PATH", help="Write a page with plots too.")
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
    chips: int,
    parallel: Any,
    sets: Sequence[str],
    context: str | None,
    layers: bool,  # noqa: FBT001
    explain: bool,  # noqa: FBT001
    strict: str | None,
    html: str | None,
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
        held = None if memory is None else parse_bytes(memory)
        scenario = Scenario(prompt, generate, batch, chosen, cache, held, chips, parallel)
        found.extend(estimate(graph, profile, scenario, runtime=runtime) for graph in graphs)
    if strict is not None:
        for each in found:
            each.require(strict)
    longer = [
        [(n, estimate(e.graph, e.profile, replace(e.scenario, prompt=n), runtime=runtime)) for n in contexts]
        for e in found
    ]
    if html:
        from pathlib import Path

        from lfm_arch.report.cost import render_cost

        render_cost(found, Path(html))
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
            out.print(summary(device, list(group)))
    for each, series in zip(found, longer, strict=True):
        if whole or layers or explain or series:
            out.print(page(each, layers=layers, explain=explain, series=series, whole=whole, wide=out.width >= _WIDE))
    if not (whole or layers or explain or contexts):
        out.print(Text("\none SPEC on one profile: also memory by part, and where the time goes", "dim"))


def _measured(name: str) -> Any:
    from lfm_arch.cli.hw import measure_here
    from lfm_arch.hardware.local import local_path
    from lfm_arch.hardware.profile import load_profile

    return load_profile(name) if local_path().is_file() else measure_here(fresh=False)


def parse_bytes(text: str) -> int:
    """Read a size such as 8GB from the command line."""
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
