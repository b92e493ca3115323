"""The command diff, with the exit codes of diff."""

import json
from pathlib import Path

import pytest

from lfm_arch.cli.main import main

SPECS = Path(__file__).parents[2] / "specs"
SMALL, LARGE = str(SPECS / "lfm2-350m.yaml"), str(SPECS / "lfm2-1.2b.yaml")


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["diff", *args])
    return int(done.value.code or 0)


def test_nothing_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SMALL, SMALL) == 0
    assert "the same architecture" in capsys.readouterr().out


def test_a_name_is_no_difference() -> None:
    assert run(SMALL, SMALL, "--set-after", "name=other", "--set-after", "doc=renamed") == 0


def test_says_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SMALL, LARGE) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:8] == [
        "~ hidden_size 1024 -> 2048",
        "~ layers 0..15",
        "    channel.intermediate_size 4608 -> 8192",
        "~ layers 2, 5, 8, 10, 12, 14",
        "    mixer.num_heads 16 -> 32",
        "",
    ]
    assert lines[9].split() == ["params", "354,483,968", "1,170,340,608", "+230.2", "%"]


def test_edits_either_side(capsys: pytest.CaptureFixture[str]) -> None:
    edit = "operators.conv.kernel_size=5"
    assert run(SMALL, SMALL, "--set-before", edit, "--set-after", edit) == 0
    assert run(SMALL, SMALL, "--set-before", edit) == 1
    assert "mixer.kernel_size 5 -> 3" in capsys.readouterr().out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SMALL, LARGE, "--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["equal"] is False
    assert printed["changes"][0] == {
        "kind": "changed",
        "what": "hidden_size",
        "before": "1024",
        "after": "2048",
        "details": [],
    }
    assert printed["counts"]["params"] == {"before": 354_483_968, "after": 1_170_340_608}


@pytest.mark.parametrize("wrong", ["nowhere.yaml", str(SPECS)], ids=["missing", "a directory"])
def test_a_wrong_file_is_neither_equal_nor_different(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SMALL, wrong) == 2
    assert "error[E1" in capsys.readouterr().err


def test_one_file_is_not_enough() -> None:
    assert run(SMALL) == 2
