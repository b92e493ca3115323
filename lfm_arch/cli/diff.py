"""`lfm-arch diff`: what differs between two architectures."""

import json as json_text
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfm_arch.core.errors import LfmArchError

if TYPE_CHECKING:
    from rich.text import Text

    from lfm_arch.graph.diff import Change, Difference

EPILOG = """\b
Examples:
  lfm-arch diff specs/lfm2-350m.yaml specs/lfm2-1.2b.yaml
  lfm-arch diff specs/lfm2-1.2b.yaml reports/edge/pareto/trial-0017.yaml --json
  lfm-arch diff specs/lfm2-1.2b.yaml specs/lfm2-1.2b.yaml --set-after operators.conv.kernel_size=5
\b
Exit codes: 0 the same architecture, 1 they differ, 2 a file is wrong.
"""
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


@click.command(epilog=EPILOG)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--set-before", "sets_before", multiple=True, metavar="PATH=VALUE", help="Edit BEFORE before it is read.")
@click.option("--set-after", "sets_after", multiple=True, metavar="PATH=VALUE", help="Edit AFTER before it is read.")
@click.option("--json", "as_json", is_flag=True, help="Print changes and counts as JSON.")
@click.pass_context
def diff(
    ctx: click.Context,
    *,
    before: Path,
    after: Path,
    sets_before: tuple[str, ...],
    sets_after: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what differs between the architectures of BEFORE and AFTER: layers, fields, sharing, counts.

    Names, comments and the way a file is written do not count. A space stands for its candidate at the priors.
    """
    from lfm_arch.cli.candidate import choose
    from lfm_arch.graph.compile import compile_graph
    from lfm_arch.graph.diff import diff as compare

    try:
        graphs = [compile_graph(choose(path, sets).spec) for path, sets in ((before, sets_before), (after, sets_after))]
    except LfmArchError as error:
        from lfm_arch.cli.output import print_diagnostics

        print_diagnostics(error.diagnostics)
        ctx.exit(2)
    found = compare(*graphs)
    if as_json:
        click.echo(json_text.dumps(found.as_json(), indent=2))
    else:
        from lfm_arch.cli.output import console

        out = console()
        for line in _lines(found, str(before), str(after)):
            out.print(line, soft_wrap=True)
    ctx.exit(0 if found.equal else 1)


def _lines(found: "Difference", before: str, after: str) -> "Iterator[Text]":
    from rich.text import Text

    if found.equal:
        yield Text(f"{before} and {after} are the same architecture", "green")
        return
    yield Text.assemble((before, "bold"), " -> ", (after, "bold"))
    yield Text()
    for change in found.changes:
        yield from _change(change)
    yield Text()
    yield from _counts(found)


def _change(change: "Change") -> "Iterator[Text]":
    from rich.text import Text

    sign, tone = _SIGNS[change.kind]
    one = (change.after or change.before).isdigit()
    head = Text(f"{sign} {'layer' if change.what == 'layers' and one else change.what}", tone)
    if change.before and change.after and change.before != change.after:
        head.append(f" {change.before} -> {change.after}")
    elif change.before or change.after:
        head.append(f" {change.after or change.before}")
    yield head
    for detail in change.details:
        yield Text(f"    {detail}")


def _counts(found: "Difference") -> "Iterator[Text]":
    from rich.text import Text

    rows = [("", "before", "after", "")]
    for name, values in found.as_json()["counts"].items():
        mine, theirs = values["before"], values["after"]
        if isinstance(mine, str):
            rows.append((name, mine, theirs, ""))
            continue
        ratio = f"{(theirs / mine - 1) * 100:+.1f} %" if mine and mine != theirs else ""
        rows.append((name, f"{mine:,}", f"{theirs:,}", ratio))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for number, (name, mine, theirs, ratio) in enumerate(rows):
        text = f"{name:<{widths[0]}}  {mine:>{widths[1]}}  {theirs:>{widths[2]}}  {ratio:>{widths[3]}}"
        same = number > 0 and mine == theirs
        yield Text(text.rstrip(), "bright_black" if number == 0 or same else "")
