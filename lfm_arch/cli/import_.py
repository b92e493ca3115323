"""`lfm-arch import`: a spec, and a build directory, out of a Hugging Face checkpoint."""

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lfm_arch.export.configuration import Imported

EPILOG = """\b
Examples:
  lfm-arch import checkpoints/LFM2-1.2B/config.json
  lfm-arch import checkpoints/LFM2-1.2B -o specs/mine.yaml --weights runs/lfm2-1.2b
  lfm-arch run runs/lfm2-1.2b --text "The capital of France is"

\b
Families that are read: llama, mistral, qwen3, qwen3_moe, mixtral, lfm2, lfm2_moe, lfm3.
"""


@click.command("import", epilog=EPILOG)
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write the spec to; standard output by default."
)
@click.option(
    "--weights", type=click.Path(path_type=Path), metavar="DIRECTORY",
    help="Also convert the safetensors beside the config.json to a build directory.",
)  # fmt: skip
@click.option("--name", help="Name of the model; that of the directory by default.")
@click.option("--force", is_flag=True, help="Replace the file, and an earlier build.")
@click.option("--json", "as_json", is_flag=True, help="Print the spec, ignored keys and counts as JSON.")
def import_(
    *, source: Path, output: Path | None, weights: Path | None, name: str | None, force: bool, as_json: bool
) -> None:
    """Write the spec of SOURCE, a Hugging Face config.json or a directory with one.

    The spec computes exactly what transformers computes. A key that could change that and cannot be held is refused
    by name; keys that change nothing are listed.
    """
    from lfm_arch.export.configuration import import_config

    imported = import_config(source, name=name)
    if output is not None and output.exists() and not force:
        raise click.UsageError(f"{output} exists; choose another -o, or replace it with --force")
    card, unused = None, ()
    if weights is not None:
        from lfm_arch.export.hugging_face import from_native

        card, unused = from_native(imported, imported.source.parent, weights, force=force)
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(imported.text, encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"{output} cannot be written: {error.strerror or error}") from error
    if as_json:
        click.echo(json_text.dumps(_as_json(imported, output, weights, unused), indent=1))
        return
    if output is None:
        click.echo(imported.text, nl=False)
    _tell(imported, output, weights, card, unused)


def _as_json(
    imported: "Imported", output: Path | None, weights: Path | None, unused: tuple[str, ...]
) -> dict[str, object]:
    expect = imported.spec.expect
    return {
        "name": imported.spec.name,
        "model_type": imported.family.model_type,
        "spec": imported.text,
        "expect": None if expect is None else expect.model_dump(exclude_none=True),
        "ignored_keys": list(imported.ignored),
        "notes": list(imported.notes),
        "written": None if output is None else str(output),
        "weights": None if weights is None else str(weights),
        "unused_tensors": list(unused),
    }


def _tell(
    imported: "Imported",
    output: Path | None,
    weights: Path | None,
    card: dict[str, Any] | None,
    unused: tuple[str, ...],
) -> None:
    """Say beside the spec, on standard error, what was done."""
    assert imported.spec.expect is not None, f"{imported.spec.name} expects nothing of itself"
    lines = [f"{imported.family.architecture} with {imported.spec.expect.params:,} parameters"]
    lines += [] if output is None else [f"spec written to {output}"]
    lines += [] if card is None else [f"weights written to {weights} as {card['dtype']}"]
    lines += list(imported.notes)
    lines += [f"keys that change nothing: {', '.join(imported.ignored)}"] if imported.ignored else []
    lines += [f"tensors that nothing computes with: {', '.join(unused)}"] if unused else []
    for line in lines:
        click.echo(line, err=True)
