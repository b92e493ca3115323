"""`lfm-arch fmt`: one layout for all spec files."""

import difflib
import sys

import click

from lfm_arch.core.errors import Diagnostic, LfmArchError


@click.command(
    epilog="""\b
Examples:
  lfm-arch fmt specs/*.yaml
  lfm-arch fmt --check --diff my-model.yaml
  lfm-arch fmt - < my-model.yaml
"""
)
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="FILE...")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@click.option("--diff", "show", is_flag=True, help="Print what would change, and write nothing.")
def fmt(files: tuple[str, ...], *, check: bool, show: bool) -> int:
    """Format spec files in place; comments and meaning stay. FILE `-` is standard input, printed formatted."""
    from lfm_arch.cli.output import print_diagnostics
    from lfm_arch.spec.format import format_bytes, format_file

    changed: list[str] = []
    problems: list[Diagnostic] = []
    for name in files:
        try:
            if name == "-":
                before, after = format_bytes(sys.stdin.buffer.read(), "<stdin>")
            else:
                before, after = format_file(name)
        except LfmArchError as error:
            problems.extend(error.diagnostics)
            continue
        if show:
            _print_diff(name, before, after)
        if name == "-" and not check and not show:
            click.echo(after, nl=False)
        elif before != after and (check or show or _write(name, after, problems)):
            changed.append(name)
    print_diagnostics(problems)
    for name in changed:
        click.echo(f"{'would format' if check or show else 'formatted'} {name}", err=True)
    return 1 if problems or (check and changed) else 0


def _write(name: str, text: str, problems: list[Diagnostic]) -> bool:
    from lfm_arch.core.files import write_atomically

    try:
        write_atomically(name, text)
    except OSError as error:
        message = f"`{name}` cannot be written: {error.strerror or error}"
        problems.append(Diagnostic("E130", message, because="it stays as it was"))
        return False
    return True


def _print_diff(name: str, before: str, after: str) -> None:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name} (formatted)", lineterm="")
    for line in lines:
        color = {"+": "green", "-": "red", "@": "cyan"}.get(line[0]) if line[:3] not in ("+++", "---") else None
        click.echo(click.style(line, fg=color) if color else line)
