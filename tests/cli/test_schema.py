"""`lfm-arch schema` as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lfm_arch.cli.main import main
from lfm_arch.cli.schema import KINDS, schema
from lfm_arch.core.errors import UsageError


def test_prints_one() -> None:
    result = CliRunner().invoke(schema, ["model"])
    assert result.exit_code == 0
    assert json.loads(result.output)["title"] == "lfm-arch model"


def test_writes_all(tmp_path: Path) -> None:
    result = CliRunner().invoke(schema, ["--output", str(tmp_path / "new")])
    assert result.exit_code == 0
    assert {path.stem for path in (tmp_path / "new").iterdir()} == set(KINDS)


def test_wants_a_kind_or_a_directory(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["schema"])
    assert left.value.code == 2
    assert "error[E131]" in capsys.readouterr().err


def test_says_when_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(schema, ["--output", str(tmp_path / "file")])
    assert isinstance(result.exception, UsageError)
    assert result.exception.diagnostics[0].code == "E130"


def test_needs_no_torch() -> None:
    lines = (
        "import sys",
        "from lfm_arch.cli.schema import KINDS",
        "[make() for make in KINDS.values()]",
        "print('torch' in sys.modules)",
    )
    code = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
