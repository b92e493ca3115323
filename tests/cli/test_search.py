"""The command search, from the outside: real trainings, tiny ones."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lfm_arch.cli.main import main
from lfm_arch.cli.search import default_study, duration
from lfm_arch.cli.study_screen import Screen, pareto_table, remarks
from lfm_arch.core.errors import Diagnostic, ReportError, UsageError
from lfm_arch.spec.model import load_spec
from tests.search.lab import Lab, record_of

ROOT = Path(__file__).parents[2]
TINY = (
    "quality: {tokens: 2 k, recall_tokens: 2 k, sequence_length: 64, validation_windows: 8, recall_tests: 8}\ntrials: 4"
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.chdir(tmp_path)
    made = Lab(tmp_path)
    made.write(f"{TINY}\nknown_good: [known.yaml]\nknown_good_seeds: 2")
    return made


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["search", *args])
    return int(done.value.code or 0)


def test_from_a_study_to_a_report(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("study.yaml", "--hw", "cerebras", "--output", "out") == 0
    out = capsys.readouterr().out
    assert "1/4  known" in out
    assert "4/4  trial-" in out
    assert re.search(r"\d+ (s|min) left\]", out)
    assert "all trials done: 4 complete" in out
    assert re.search(r"decode +validation +", out)
    assert "share a letter and are not ordered" in " ".join(out.split())
    assert "Unproven: nobody has shown" in out
    assert max(map(len, out[out.index("all trials done") :].splitlines())) <= 80
    files = sorted((lab.output / "pareto").glob("*.yaml"))
    assert files
    for path in files:
        assert load_spec(path).expect is not None
    page = (lab.output / "report.html").read_text()
    assert files[0].stem in page
    # running it again has nothing left to do
    assert run("study.yaml", "--hw", "cerebras", "--output", "out") == 0
    again = capsys.readouterr().out
    assert "going on after" in again
    assert "/4  " not in again


def test_as_json(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("study.yaml", "--trials", "2", "--json") == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert data["ending"] == "done"
    assert data["directory"] == "reports/tiny"
    assert data["summary"]["complete"] == 2
    assert Path(data["pareto"][0]["file"]).exists()
    assert data["pareto"][0]["objectives"]["bits_per_byte"]["kind"] == "measured"
    assert "2/2  trial-" in captured.err
    del lab


def test_other_hardware_seed_and_text(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    (lab.folder / "words.txt").write_text("the quick brown fox " * 5_000)
    arguments = ["study.yaml", "--hw", "qualcomm", "--trials", "1", "--data", "words.txt"]
    assert run(*arguments) == 0
    directory = lab.folder / "reports" / "tiny-snapdragon-8-elite"
    summary = json.loads((directory / "study.json").read_text())
    assert "words.txt" in summary["quality"]
    assert summary["command"] == "lfm-arch search study.yaml --hw qualcomm --trials 1 --data words.txt"
    assert run(*arguments, "--seed", "5") == 1
    assert "E952" in capsys.readouterr().err
    assert run(*arguments, "--seed", "5", "--fresh") == 0
    assert "older   reports/tiny-snapdragon-8-elite.old-1" in capsys.readouterr().out


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(lab: Lab) -> None:
    lab.write(f"{TINY.replace('2 k', '8 k')}\nknown_good: [known.yaml]")
    program = [sys.executable, "-u", "-c", "from lfm_arch.cli.main import main; main()"]
    process = subprocess.Popen(
        [*program, "search", str(lab.study), "--output", str(lab.output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = ""
    while "1/4  known" not in seen:
        seen += process.stdout.readline()
        assert process.poll() is None, seen
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "stopping after the step under way" in err
    assert "Traceback" not in err
    assert "stopped: " in out
    assert f"go on   lfm-arch search {lab.study} --output {lab.output}" in out
    assert (lab.output / "report.html").exists()
    kept = (lab.output / "records.jsonl").read_bytes()
    assert run(str(lab.study), "--output", str(lab.output)) == 0
    assert (lab.output / "records.jsonl").read_bytes().startswith(kept)


def test_time_is_up(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("study.yaml", "--time", "0.001") == 1
    out = capsys.readouterr().out
    assert "time is up: 0 complete" in out
    assert "go on   lfm-arch search study.yaml --time 0.001" in out
    del lab


def test_when_nothing_keeps_to_the_budgets(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lfm_arch.search.run.DISCARDED_BEFORE_GIVING_UP", 20)
    lab.write("budgets: {params: 1 k}\nobjectives: {decode_step_s: minimize}\nquality: null\nsampler: random")
    assert run("study.yaml") == 1
    out = capsys.readouterr().out
    assert "nothing new is proposed any more" in out
    assert "no candidate kept to the budgets; most often broken: params <= 1000" in out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nothing.yaml"], 1, "E101"),
        (["study.yaml", "--hw", "cerebrus"], 1, "E701"),
        (["study.yaml", "--time", "ten"], 2, "E961"),
        (["study.yaml", "--trials", "0"], 2, "--trials"),
        (["study.yaml", "--data", "nothing"], 1, "E901"),
        (["study.yaml", "--set", "trialz=3"], 1, "trialz"),
        (["known.yaml"], 1, "kind"),
        (["study.yaml", "--output", "known.yaml"], 1, "E953"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    lab: Lab, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert run(*arguments) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    del lab


def test_a_report_that_cannot_be_written_costs_no_result(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(directory: Path) -> Path:
        raise ReportError(Diagnostic("E962", f"{directory}/report.html cannot be written: No space left on device"))

    monkeypatch.setattr("lfm_arch.report.study.render_study", full)
    assert run("study.yaml", "--trials", "1") == 1
    err = capsys.readouterr().err
    assert "E953" in err
    assert "lfm-arch report reports/tiny" in err
    assert (lab.folder / "reports" / "tiny" / "pareto" / "known.yaml").exists()


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("90s", 90), ("1.5m", 90), ("10 min", 600), ("2h", 7200)])
def test_durations(text: str, expected: float) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "0", "ten", "5d", "-3", "1e3"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError, match="E961"):
        duration(text)


def test_the_default_study_is_the_one_in_the_tree() -> None:
    assert default_study() == ROOT / "search" / "default.yaml"


def test_equal_values_share_a_letter(lab: Lab) -> None:
    lab.write("known_good: [known.yaml]")
    session = lab.run()
    assert session.summary.noise is not None
    table = pareto_table(session.setup, session.records)
    cells = list(table.columns[2].cells)
    values = [(float(str(cell).split()[0]), str(cell).split()[1]) for cell in cells]
    for value, letter in values:
        for other, its in values:
            if abs(value - other) > session.summary.noise + 0.001:
                assert letter != its
    assert any("share a letter" in each for each in remarks(session))


def test_a_failure_is_a_line(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(lab.study, lab.output, None, quiet=False)
    screen.opens(lab.setup(), [])
    screen.finishes(record_of("failed", error="E921 the loss is nan"))
    assert "trial-0000  failed: E921 the loss is nan" in capsys.readouterr().out
