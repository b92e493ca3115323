"""`lfm-arch report`: the page of a study, or of a single model."""

from pathlib import Path

import click

EPILOG = """\b
Examples:
  lfm-arch report reports/lfm-edge
  lfm-arch report specs/lfm3-1.7b.yaml --hw qualcomm,apple --prompt 4096 -o lfm3.html
"""


@click.command(epilog=EPILOG)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--hw", "devices", default="qualcomm", show_default=True, help="Profiles for a model's page, by comma.")
@click.option("--prompt", default=1024, show_default=True, type=click.IntRange(1), help="Tokens of prompt.")
@click.option("--generate", default=256, show_default=True, type=click.IntRange(1), help="Tokens to generate.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="Sequences at once.")
@click.option("--weights", default="q4_0", show_default=True, help="Weight format, see `lfm-arch explain weights`.")
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Edit a model's spec first.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="HTML file to write.")
def report(
    target: Path,
    devices: str,
    prompt: int,
    generate: int,
    batch: int,
    weights: str,
    sets: tuple[str, ...],
    output: Path | None,
) -> None:
    """Write one self-contained HTML page of TARGET, a study directory or a spec file, and print its path."""
    if target.is_dir():
        from lfm_arch.report.study import render_study

        click.echo(render_study(target, output=output))
        return
    from lfm_arch.graph.compile import compile_graph
    from lfm_arch.hardware.estimate import estimate
    from lfm_arch.hardware.profile import load_profile
    from lfm_arch.hardware.scenario import Scenario
    from lfm_arch.report.model import render_model
    from lfm_arch.spec.model import load_spec
    from lfm_arch.spec.write import write_spec

    spec = load_spec(target, sets)
    graph = compile_graph(spec)
    scenario = Scenario(prompt=prompt, generate=generate, batch=batch, weights=weights)
    estimates = [estimate(graph, load_profile(name.strip()), scenario) for name in devices.split(",") if name.strip()]
    page = output or Path(f"{spec.name}.html")
    click.echo(render_model(spec, graph, estimates, page, text=write_spec(spec)))
