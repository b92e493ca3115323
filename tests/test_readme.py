"""The tour of the README runs, command by command."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.split("## Tour")[1], flags=re.DOTALL)
COMMANDS = [
    line for language, block in BLOCKS if language == "console" for line in block.splitlines() if line.startswith("$ ")
]
PROGRAMS = [block for language, block in BLOCKS if language == "python"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds what a reader's clone holds, so that the tour leaves nothing in this one."""
    place = tmp_path_factory.mktemp("clone")
    for folder in ("specs", "search"):
        shutil.copytree(ROOT / folder, place / folder)
    return place


def test_the_tour_is_worth_the_name() -> None:
    assert len(COMMANDS) >= 8
    assert PROGRAMS


@pytest.mark.slow
def test_every_command_of_the_tour_runs(home: Path) -> None:
    for line in COMMANDS:
        words = shlex.split(line.removeprefix("$ "), comments=True)
        assert words[0] == "lfm-arch", line
        done = subprocess.run(
            [sys.executable, "-c", "from lfm_arch.cli.main import main; main()", *words[1:]],
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        allowed = {0, 1} if words[1] == "diff" else {0}
        assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_of_the_tour_runs(home: Path, program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
