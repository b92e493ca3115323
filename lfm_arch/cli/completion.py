"""`lfm-arch completion`: the script that teaches a shell the commands, options and spec files."""

import click
from click.shell_completion import get_completion_class

from lfm_arch.cli.main import cli

_HOW = {
    "bash": "echo 'eval \"$(lfm-arch completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(lfm-arch completion zsh)\"' >> ~/.zshrc",
    "fish": "lfm-arch completion fish > ~/.config/fish/completions/lfm-arch.fish",
}


@click.command(
    epilog="\b\nExamples, each turns it on for good:\n" + "\n".join(f"  {command}" for command in _HOW.values()),
)
@click.argument("shell", type=click.Choice(list(_HOW)))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    complete = get_completion_class(shell)
    assert complete is not None, f"click completes no {shell}"
    # asking bash for its version, as `source` does, would print a warning where bash is old or missing
    script = complete(cli, {}, "lfm-arch", "_LFM_ARCH_COMPLETE")
    click.echo(script.source_template % script.source_vars())
