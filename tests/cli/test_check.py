"""`lfm-arch check` as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lfm_arch.cli.check import check
from tests.spec.sample import write

SPECS = Path(__file__).parents[2] / "specs"


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(check, [str(each) for each in args], standalone_mode=False)


def test_right_files_say_what_they_are(tmp_path: Path) -> None:
    result = run(SPECS / "lfm2-1.2b.yaml", write(tmp_path, ""))
    assert result.return_value == 0
    assert result.stderr == ""
    assert "lfm2-1.2b.yaml: 16 layers, 1,170,340,608 parameters" in result.stdout
    assert "child.yaml: 6 layers" in result.stdout


def test_every_mistake_of_every_file(tmp_path: Path) -> None:
    first = write(tmp_path, "operators: {conv: {kernal_size: 3}, attn: {qk_norm: rmss}}\nblocks: {conv: {mixer: cnov}}")
    other = tmp_path / "other.yaml"
    other.write_text("lfm_arch: 1\nkind: model\nname: other\nextends: tiny.yaml\nheads: {lm: {vocab_sise: 3}}\n")
    result = run(first, other)
    assert result.return_value == 1
    for code, path in (
        ("E201", "operators.conv.kernal_size"),
        ("E205", "operators.attn.qk_norm"),
        ("E350", "blocks.conv.mixer"),
        ("E201", "heads.lm.vocab_sise"),
    ):
        assert f"error[{code}]" in result.stderr
        assert path in result.stderr
    assert "did you mean `kernel_size`?" in result.stderr
    assert "^^^^" in result.stderr


def test_mistakes_of_the_architecture_count(tmp_path: Path) -> None:
    result = run(write(tmp_path, "expect: {params: 12}\nconstraints: [{check: layers <= 3, why: the phone}]"))
    assert result.return_value == 1
    assert "error[E501]" in result.stderr
    assert "error[E511]" in result.stderr
    assert "the phone" in result.stderr


def test_edits_apply(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert run(path, "--set", "operators.conv.kernel_size=5").return_value == 0
    wrong = run(path, "--set", "operators.conv.kernel_size=1")
    assert wrong.return_value == 1
    assert "command line:1:28" in wrong.stderr
    assert "tiny.yaml:7:41" in wrong.stderr  # what it replaced


def test_json_and_sarif_go_to_standard_output(tmp_path: Path) -> None:
    path = write(tmp_path, "operators: {conv: {kernel_size: 1}}")
    result = run(path, "--format", "json")
    assert result.return_value == 1
    [row] = json.loads(result.stdout)
    assert (row["code"], row["line"], row["path"]) == ("E204", 5, "operators.conv.kernel_size")
    log = json.loads(run(path, "--format", "sarif").stdout)
    assert [each["id"] for each in log["runs"][0]["tool"]["driver"]["rules"]] == ["E204"]
    assert json.loads(run(write(tmp_path, ""), "--format", "json").stdout) == []


def test_a_space_is_checked_at_its_priors(tmp_path: Path) -> None:
    text = "dims: {hidden_size: {$choice: [64, 128], prior: 128}}\nconstraints: [{check: hidden_size < 100}]"
    result = run(write(tmp_path, text, kind="space"))
    # other candidates may satisfy it, so the space is right
    assert result.return_value == 0
    assert "W602" in result.stderr
    assert "space of 1 decisions; at their priors 6 layers" in result.stdout


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    result = run(write(tmp_path, "operators: {spare: {type: short_conv, kernel_size: 3}}"))
    assert result.return_value == 0
    assert "warning[W201]" in result.stderr


def test_other_kinds_of_files(tmp_path: Path) -> None:
    root = SPECS.parent
    result = run(root / "search" / "default.yaml", root / "lfm_arch" / "hardware" / "profiles" / "h100-sxm.yaml")
    assert result.return_value == 0, result.stderr
    assert "study of" in result.stdout
    assert "hardware profile" in result.stdout


@pytest.mark.parametrize(
    ("args", "code"), [((), 2), (("--format", "xml", "a.yaml"), 2), (("nothing.yaml",), 1)], ids=str
)
def test_exit_codes(args: tuple[str, ...], code: int) -> None:
    script = "from lfm_arch.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script, "check", *args], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_torch_is_not_imported() -> None:
    script = (
        "import sys\n"
        "from lfm_arch.cli.check import check\n"
        f"assert check.main([{str(SPECS / 'lfm2-1.2b.yaml')!r}], standalone_mode=False) == 0\n"
        "assert not {'torch', 'optuna', 'rich', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
