"""`lfm-arch build`: compile a spec and write a checkpoint directory."""

import json as json_text
from pathlib import Path
from typing import Any

import click

EPILOG = """\b
Examples:
  lfm-arch build specs/lfm2-350m.yaml
  lfm-arch build specs/lfm2-1.2b.yaml -o runs/big --dtype bfloat16 --seed 7
  lfm-arch build specs/lfm2-24b-a2b.yaml --meta
  lfm-arch build specs/lfm2-350m.yaml --set operators.conv.kernel_size=5 --set expect=null -o runs/wide
"""


@click.command(epilog=EPILOG)
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Directory to write; runs/<name of the model> by default."
)
@click.option("--meta", is_flag=True, help="Allocate no weights; with -o write spec and card without them.")
@click.option("--seed", default=0, show_default=True, help="Of the first weights.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True)
@click.option("--device", default="cpu", show_default=True, help="Where parts are placed before they are written.")
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Edit the spec before it is read.")
@click.option("--force", is_flag=True, help="Replace an earlier build.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def build(
    *,
    spec: Path,
    output: Path | None,
    meta: bool,
    seed: int,
    dtype: str,
    device: str,
    sets: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Compile SPEC to a torch module with random weights and write it with a card of every count.

    What the spec expects of itself is checked first. The directory appears whole or not at all.
    """
    from lfm_arch.runtime.architecture import read
    from lfm_arch.runtime.directory import refuse_in_use

    made = read(spec, sets=sets)
    directory = None if meta and output is None else output or Path("runs") / made.name
    if directory is not None:
        refuse_in_use(directory, force=force)
    # torch takes a second to import: a mistake is reported before
    from lfm_arch.runtime.build import build_directory, build_outline

    if directory is None:
        card = build_outline(made, dtype=dtype, seed=seed)
    else:
        with _Bar(quiet=as_json) as bar:
            card = build_directory(
                made,
                directory,
                device="meta" if meta else device,
                dtype=dtype,
                seed=seed,
                force=force,
                announce=bar.announce,
                progress=bar.advance,
            )
    if as_json:
        click.echo(json_text.dumps({**card, "directory": str(directory) if directory else None}, indent=1))
        return
    _print(card, directory)


def _print(card: dict[str, Any], directory: Path | None) -> None:
    from rich.table import Table

    from lfm_arch.cli.output import console
    from lfm_arch.runtime.card import summary

    table = Table(title=card["name"], title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in summary(card):
        table.add_row(name, value)
    table.add_row("written to", str(directory) if directory else "nothing was written (--meta)")
    console().print(table)


class _Bar:
    """Progress of making and writing weights, with the time left."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        from lfm_arch.cli.output import console

        self._progress = Progress(
            TextColumn("making weights"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TimeRemainingColumn(),
            console=console(stderr=True),
            transient=True,
            disable=quiet,
        )
        self._task = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def announce(self, total_bytes: int) -> None:
        self._progress.update(self._task, total=total_bytes, visible=total_bytes > 0)

    def advance(self, size_bytes: int) -> None:
        self._progress.advance(self._task, size_bytes)
