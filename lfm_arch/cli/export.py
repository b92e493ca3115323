"""`lfm-arch export`: write a build directory for other runtimes."""

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lfm_arch.export.hugging_face import Exported

EPILOG = """\b
Examples:
  lfm-arch export runs/lfm2-350m --to hf
  lfm-arch export runs/lfm2-350m --to hf --family lfm3 -o runs/as-lfm3
  lfm-arch export runs/mamba-130m --to hf-custom --json
  lfm-arch export runs/lfm2-350m --to gguf --weights q8_0
"""


@click.command(epilog=EPILOG)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--to", "target", type=click.Choice(["hf", "hf-custom", "gguf"]), required=True,
    help="hf: a checkpoint of a class that ships with transformers. hf-custom: one of LfmArchForCausalLM, which needs"
    " lfm-arch installed and holds any language model. gguf: one file for llama.cpp, of models shaped as LFM2.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Directory to write; DIRECTORY with the target's name by"
    " default.",
)  # fmt: skip
@click.option("--family", help="With --to hf: the transformers family to insist on, as lfm2.")
@click.option(
    "--weights", type=click.Choice(["f32", "f16", "bf16", "q8_0", "q4_0"]), help="With --to gguf: format of the"
    " matrices; f16 by default.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(
    *, directory: Path, target: str, output: Path | None, family: str | None, weights: str | None, as_json: bool
) -> None:
    """Write the model in DIRECTORY, as `lfm-arch build` wrote it, for Hugging Face transformers.

    With --to hf the architecture must be one that a transformers class has, exactly; otherwise every layer and field
    that is not is listed, and nothing is written. --to hf-custom never depends on that.
    """
    from lfm_arch.export.families import FAMILIES

    if family is not None and (family not in FAMILIES or target != "hf"):
        raise click.UsageError(f"--family goes with --to hf and is one of {', '.join(FAMILIES)}")
    if weights is not None and target != "gguf":
        raise click.UsageError("--weights goes with --to gguf; a checkpoint keeps the format of the build")
    name = directory.absolute().name
    end = f"-{weights or 'f16'}.gguf" if target == "gguf" else f"-{target}"
    output = output or directory.absolute().with_name(name + end)
    if target == "gguf":
        from lfm_arch.export.llama_cpp import to_gguf

        done = to_gguf(directory, output, weights=weights or "f16")
    else:
        from lfm_arch.export.hugging_face import to_custom, to_native

        done = to_native(directory, output, family=family) if target == "hf" else to_custom(directory, output)
    if as_json:
        click.echo(json_text.dumps(_as_json(done), indent=1))
        return
    _print(done)


def _as_json(done: "Exported") -> dict[str, object]:
    return {
        "directory": str(done.directory),
        "model_type": done.model_type,
        "architecture": done.architecture,
        "files": list(done.files),
        "weight_bytes": done.size_bytes,
        "runtimes": [{"name": each.name, "runs": each.runs, "note": each.note} for each in done.runtimes],
    }


def _print(done: "Exported") -> None:
    from rich.table import Table

    from lfm_arch.cli.output import console
    from lfm_arch.core.units import size

    out = console()
    out.print(f"{done.directory}: {done.architecture}, {size(done.size_bytes)} of weights")
    table = Table(show_header=False, box=None)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in done.runtimes:
        table.add_row(each.name, {True: "runs it", False: "does not run it", None: "unknown"}[each.runs], each.note)
    out.print(table)
