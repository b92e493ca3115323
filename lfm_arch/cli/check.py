"""`lfm-arch check`: every mistake of every file in one run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import click

from lfm_arch.core.errors import Diagnostic, LfmArchError

if TYPE_CHECKING:
    from lfm_arch.spec.arch import ArchSpec
    from lfm_arch.spec.document import Document

EPILOG = """\b
Examples:
  lfm-arch check specs/*.yaml
  lfm-arch check my-model.yaml --set dims.hidden_size=1024
  lfm-arch check my-space.yaml --format sarif > report.sarif

\b
Exit codes: 0 all files are right, 1 a file is wrong, 2 the command was called wrongly.
"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Edit each file before it is checked.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How mistakes are told; json and sarif go to standard output.",
)
def check(files: tuple[str, ...], *, sets: tuple[str, ...], style: Literal["text", "json", "sarif"]) -> int:
    """Check spec FILES: models, spaces, studies and hardware profiles.

    A space is checked in every branch of every decision, and as a whole with every decision at its prior.
    """
    found: list[Diagnostic] = []
    for name in files:
        diagnostics, summary = _checked(name, sets)
        found += diagnostics
        if style == "text":
            if diagnostics:
                from lfm_arch.cli.output import print_diagnostics

                print_diagnostics(diagnostics)
            if summary:
                click.echo(f"{name}: {summary}")
    if style == "json":
        from lfm_arch.cli.sarif import json_text

        click.echo(json_text(found))
    elif style == "sarif":
        from lfm_arch.cli.codes import all_codes
        from lfm_arch.cli.sarif import sarif_text

        click.echo(sarif_text(found, all_codes()))
    return int(any(each.severity == "error" for each in found))


def _checked(name: str, sets: Sequence[str]) -> tuple[list[Diagnostic], str]:
    """Return what is to say of a file, and a line about what it is when it is right."""
    from lfm_arch.spec.document import open_document

    try:
        document = open_document(name, sets)
        if document.kind in ("study", "hw"):
            return [], _check_plain(name, document, sets)
        return _check_spec(document)
    except LfmArchError as error:
        return list(error.diagnostics), ""


def _check_plain(name: str, document: "Document", sets: Sequence[str]) -> str:
    from lfm_arch.spec.document import load_model

    document.problems.raise_errors()
    if document.kind == "hw":
        from lfm_arch.hardware.profile import Profile

        return f"hardware profile, {load_model(name, Profile, kind='hw', sets=sets).title}"
    from lfm_arch.search.study import Study

    return f"study of {load_model(name, Study, kind='study', sets=sets).space}"


def _check_spec(document: "Document") -> tuple[list[Diagnostic], str]:
    from lfm_arch.spec.open_check import check_space
    from lfm_arch.spec.problem import in_order
    from lfm_arch.spec.space import Space

    space = Space(document)
    spec = check_space(space)
    problems = document.problems
    if spec is None or problems.errors:
        return list(in_order((*problems.errors, *problems.warnings), problems.left_out)), ""
    warnings = list(problems.warnings)
    broken, summary = _check_graph(spec, is_space=space.kind == "space")
    if any(each.severity == "error" for each in broken):
        return list(in_order((*broken, *warnings))), ""
    if space.kind == "space":
        summary = f"space of {len(space.decisions())} decisions; at their priors {summary}"
    return list(in_order((*broken, *warnings))), summary


def _check_graph(spec: "ArchSpec", *, is_space: bool) -> tuple[list[Diagnostic], str]:
    from lfm_arch.graph.compile import check_promises, compile_graph
    from lfm_arch.graph.count import totals

    try:
        graph = compile_graph(spec)
    except LfmArchError as error:
        return list(error.diagnostics), ""
    counted = totals(graph)
    summary = f"{counted.layers} layers, {counted.params:,} parameters"
    if counted.active_params != counted.params:
        summary += f" ({counted.active_params:,} active)"
    try:
        check_promises(graph, spec)
    except LfmArchError as error:
        if is_space:
            # another candidate may keep them, and this one is only left out
            return [_as_warning(each) for each in error.diagnostics], summary
        return list(error.diagnostics), ""
    return [], summary


def _as_warning(each: Diagnostic) -> Diagnostic:
    message = f"with every decision at its prior: {each.message}"
    because = each.because or "a search leaves such candidates out"
    return Diagnostic("W602", message, each.place, each.path, because, each.help, each.notes, "warning")
