"""The `lfm-arch` command. Each subcommand is a file beside this one and is imported only when it is called."""

import importlib
import io
import keyword
import sys
from difflib import get_close_matches
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from lfm_arch.core.errors import LfmArchError

COMMANDS: dict[str, str] = {
    "check": "Check spec files and report every mistake with its place.",
    "show": "Draw an architecture with parameters, FLOPs, weights, cache and state per layer.",
    "diff": "Say what differs between two architectures.",
    "cost": "Predict speed and memory on a hardware profile.",
    "mem": "Count memory by part in a context.",
    "hw": "List, show, compare, validate and measure hardware profiles.",
    "build": "Compile a spec to a torch module and write a checkpoint directory.",
    "import": "Write the spec, and a build directory, of a Hugging Face checkpoint.",
    "export": "Write a build directory for Hugging Face transformers and what reads its checkpoints.",
    "run": "Push real input through a built model, or generate text.",
    "search": "Search a space for quality and latency on a hardware profile.",
    "report": "Write the HTML page of a study or of a single model.",
    "fmt": "Format spec files.",
    "schema": "Write the JSON Schemas that editors complete and check with.",
    "explain": "Explain an error code, an operator or a word of the language.",
    "completion": "Print the shell completion script for bash, zsh or fish.",
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported on use, so that `--help` and completion stay fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        # a word that Python keeps for itself names neither a module nor a function
        word = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        return getattr(importlib.import_module(f"lfm_arch.cli.{word}"), word)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; a misspelt one is told which was meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(error.format_message() + hint, ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names without importing what is behind them."""
        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EPILOG = """\b
Examples:
  lfm-arch check specs/*.yaml
  lfm-arch show specs/lfm2-1.2b.yaml
  lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --prompt 1024 --generate 256 --weights q4_0
  lfm-arch build specs/lfm2-350m.yaml --output runs/lfm2-350m
  lfm-arch search --hw cerebras
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lfm-arch", prog_name="lfm-arch")
def cli() -> None:
    """The language, compiler and hardware-aware search for hybrid language model architectures."""


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line; exit 0 when all is well, 1 for a mistake in a file, 2 for wrong usage, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # a spec may hold letters that a terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        result: Any = cli.main(args=args, prog_name="lfm-arch", standalone_mode=False)
    except LfmArchError as error:
        from lfm_arch.cli.output import print_diagnostics

        print_diagnostics(error.diagnostics)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # the reader of a pipe has seen enough, as in `lfm-arch show x.yaml | head`
        sys.stderr.close()
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)
