import pytest

from lfm_arch.cli.main import COMMANDS, main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    out, err = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, out, err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"lfm-arch {command}" in out.split("Example")[1]


def test_a_misspelt_command_is_wrong_usage_and_told_which_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "chek", "x.yaml")
    assert code == 2
    assert "Did you mean 'check'?" in err
