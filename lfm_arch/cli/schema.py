"""`lfm-arch schema`: JSON Schemas for editors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lfm_arch.core.errors import Diagnostic, UsageError


def _model() -> dict[str, Any]:
    from lfm_arch.spec.schema import model_schema

    return model_schema("model")


def _space() -> dict[str, Any]:
    from lfm_arch.spec.schema import model_schema

    return model_schema("space")


def _hw() -> dict[str, Any]:
    from lfm_arch.hardware.profile import Profile
    from lfm_arch.spec.schema import file_schema

    return file_schema(Profile, "hw")


def _study() -> dict[str, Any]:
    from lfm_arch.search.study import Study
    from lfm_arch.spec.schema import file_schema

    return file_schema(Study, "study")


KINDS: dict[str, Callable[[], dict[str, Any]]] = {"model": _model, "space": _space, "study": _study, "hw": _hw}


@click.command(
    epilog="""\b
Examples:
  lfm-arch schema --output schema       write schema/model.json, schema/space.json, ...
  lfm-arch schema model                 print one of them

\b
The first line of a file tells the editor (VS Code with the YAML extension, and others) which one to use:
  # yaml-language-server: $schema=schema/model.json
"""
)
@click.argument("kind", required=False, type=click.Choice(list(KINDS)))
@click.option("--output", type=click.Path(path_type=Path), help="Directory to write one file for each kind to.")
def schema(kind: str | None, output: Path | None) -> None:
    """Write the JSON Schemas that editors complete and check with; operators of installed plug-ins are included."""
    from lfm_arch.spec.schema import schema_text

    if output is None:
        if kind is None:
            message = "neither a kind to print nor a directory to write to"
            raise UsageError(Diagnostic("E131", message, help="lfm-arch schema --output schema"))
        click.echo(schema_text(KINDS[kind]()), nl=False)
        return
    for name in KINDS if kind is None else (kind,):
        path = output / f"{name}.json"
        try:
            output.mkdir(parents=True, exist_ok=True)
            path.write_text(schema_text(KINDS[name]()), encoding="utf-8")
        except OSError as error:
            raise UsageError(Diagnostic("E130", f"`{path}` cannot be written: {error.strerror or error}")) from error
        click.echo(path)
