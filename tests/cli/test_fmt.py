"""`lfm-arch fmt` as a user calls it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lfm_arch.cli.fmt import fmt

UGLY = "lfm_arch:   1\nkind: model # what\nname: x\n"
NEAT = "lfm_arch: 1\nkind: model  # what\nname: x\n"


def run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(fmt, args, input=stdin, standalone_mode=False)


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "ugly.yaml"
    path.write_text(UGLY)
    return path


def test_formats_in_place(ugly: Path) -> None:
    result = run(str(ugly))
    assert result.return_value == 0
    assert ugly.read_text() == NEAT
    assert "formatted" in result.stderr
    again = run(str(ugly))
    assert again.return_value == 0
    assert again.stderr == ""


def test_check_writes_nothing_and_fails(ugly: Path) -> None:
    assert run("--check", str(ugly)).return_value == 1
    assert ugly.read_text() == UGLY
    ugly.write_text(NEAT)
    assert run("--check", str(ugly)).return_value == 0


def test_diff_shows_and_writes_nothing(ugly: Path) -> None:
    result = run("--diff", str(ugly))
    assert result.return_value == 0
    assert "-lfm_arch:   1\n" in result.stdout
    assert "+lfm_arch: 1\n" in result.stdout
    assert ugly.read_text() == UGLY


def test_reads_standard_input() -> None:
    result = run("-", stdin=UGLY)
    assert result.return_value == 0
    assert result.stdout == NEAT


def test_reports_every_broken_file_and_formats_the_others(ugly: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [\n")
    result = run(str(broken), str(ugly), str(tmp_path / "missing.yaml"))
    assert result.return_value == 1
    assert ugly.read_text() == NEAT
    assert "error[E104]" in result.stderr
    assert "error[E101]" in result.stderr


def test_without_a_file_is_wrong_usage() -> None:
    assert CliRunner().invoke(fmt, []).exit_code == 2


def test_refuses_bytes_that_are_no_text() -> None:
    result = CliRunner().invoke(fmt, ["-"], input=b"a: 1\nb: \xff\n", standalone_mode=False)
    assert result.return_value == 1
    assert "error[E115] <stdin>:2:1" in result.stderr


def test_says_when_a_file_cannot_be_written(ugly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.fsync", refuse)
    result = run(str(ugly))
    assert result.return_value == 1
    assert "error[E130]" in result.stderr
    assert ugly.read_text() == UGLY
