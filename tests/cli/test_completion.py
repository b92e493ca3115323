"""The completion scripts, and what they complete."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lfm_arch.cli.completion import completion
from lfm_arch.cli.main import COMMANDS, cli

COMMAND = Path(sys.executable).parent / "lfm-arch"


@pytest.mark.parametrize(
    ("shell", "sign"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef lfm-arch"), ("fish", "complete --no-files --command lfm-arch")],
)
def test_prints_a_script(shell: str, sign: str) -> None:
    result = CliRunner().invoke(completion, [shell])
    assert result.exit_code == 0
    assert sign in result.output
    assert "_LFM_ARCH_COMPLETE" in result.output


def test_refuses_another_shell() -> None:
    result = CliRunner().invoke(completion, ["tcsh"])
    assert result.exit_code == 2
    assert "bash" in result.output


def test_completes_commands_without_importing_them() -> None:
    before = set(sys.modules)
    items = cli.shell_complete(cli.make_context("lfm-arch", [], resilient_parsing=True), "")
    assert {item.value for item in items} >= set(COMMANDS)
    assert not {name for name in set(sys.modules) - before if name.startswith("lfm_arch.cli.")}


@pytest.mark.skipif(not COMMAND.exists(), reason="the package is not installed")
@pytest.mark.parametrize(
    ("words", "expected"), [("lfm-arch sch", ["schema"]), ("lfm-arch completion z", ["zsh"])], ids=str
)
def test_bash_completes(words: str, expected: list[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    script = f"""
        eval "$(lfm-arch completion bash)"
        COMP_WORDS=({words}) COMP_CWORD={len(words.split()) - 1}
        _lfm_arch_completion lfm-arch
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    # an old bash knows no `-o nosort`, which does not matter here
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path}, timeout=60, check=False
    )
    assert done.stdout.split() == expected, done.stderr
