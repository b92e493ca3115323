"""`lfm-arch hw`, as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lfm_arch.cli.main import main
from lfm_arch.hardware import measure
from lfm_arch.hardware.profile import profile_names


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["hw", *arguments])
    out, err = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return code, out, err


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = measure.measure
    monkeypatch.setattr(measure, "WIDTH", 128)
    monkeypatch.setattr(measure, "HIDDEN", 256)
    monkeypatch.setattr(measure, "measure", lambda progress: whole(progress, seconds=0.001, ring_bytes=2**20))
    return tmp_path


def test_list_names_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    for name in profile_names():
        assert name in out
    assert "borrows" in out
    assert "13 runs" in out


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["apple-m4"]["alias"] == "apple"
    assert rows["apple-m4"]["bandwidth_bytes_per_s"] == 120e9
    assert rows["ryzen-ai-9-hx-370"]["bandwidth_bytes_per_s"] is None
    assert rows["snapdragon-8-elite"]["fitted_runtimes"] == {"llama.cpp-cpu": 13, "qnn": 12}


def test_show_tells_sources_fits_and_operators(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "qualcomm")
    assert code == 0
    assert "84.8 GB/s" in out
    assert "10600 MT/s * 8 B" in out
    assert "[geektopia_8e] https://" in out
    assert "fitted on 13 runs" in out
    assert "short_conv" in out


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", "apple-m4-max", "--json")
    data = json.loads(out)
    assert data["class"] == "laptop"
    assert data["memory"]["bandwidth"]["value"] == 546e9
    assert data["calibrations"]["mlx"]["rows"]
    assert data["calibrations"]["coreml"]["tier"] == "family"
    assert data["calibrations"]["llama.cpp-cpu"] is None


def test_an_unknown_name_says_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "show", "snapdragon-8-elit")
    assert code == 1
    assert "E701" in err
    assert "snapdragon-8-elite" in err


def test_profile_measures_and_keeps(capsys: pytest.CaptureFixture[str], quick: Path) -> None:
    code, out, _ = run(capsys, "profile")
    assert code == 0
    assert "torch-f32 on cpu" in out
    assert "spread" in out
    assert len(list((quick / "lfm-arch").iterdir())) == 1
    _, shown, _ = run(capsys, "show", "local")
    assert "torch-bf16 on cpu" in shown


def test_profile_as_json_is_the_file(capsys: pytest.CaptureFixture[str], quick: Path) -> None:
    _, out, _ = run(capsys, "profile", "--json")
    (path,) = (quick / "lfm-arch").iterdir()
    assert out == path.read_text()
    assert json.loads(out)["kind"] == "hw"


def test_local_is_measured_on_the_spot_by_cost(capsys: pytest.CaptureFixture[str], quick: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["cost", "specs/lfm2-350m.yaml", "--hw", "local", "--json"])
    assert ended.value.code == 0
    (data,) = json.loads(capsys.readouterr().out)
    assert data["scenario"]["weights"] == "f32"
    assert data["tiers"]["decode"] == "measured"
    assert (quick / "lfm-arch").is_dir()


@pytest.mark.parametrize("command", [["list"], ["show", "apple"], ["--help"], ["profile", "--help"]], ids=" ".join)
def test_looking_imports_no_torch(command: list[str]) -> None:
    program = (
        "import sys\nfrom lfm_arch.cli.main import main\n"
        f"try: main(['hw', *{command!r}])\nexcept SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_compare_puts_two_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "apple", "qualcomm")
    assert code == 0
    assert "apple-m4 (llama.cpp-metal)" in out
    assert "120 GB/s" in out
    assert "84.8 GB/s" in out
    _, out, _ = run(capsys, "compare", "mi300x", "h200", "--json")
    first, second = json.loads(out)
    assert first["data_sheet"]["link"] == 64e9
    assert second["rates"]["weights"]["tier"] == "family"


def test_validate_says_how_far_off(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lfm_arch.hardware import proof
    from lfm_arch.hardware.reference import runs

    some = [run for run in runs() if run.device in ("snapdragon-8-elite", "apple-m4", "apple-m4-max")]
    monkeypatch.setattr(proof, "runs", lambda: some)
    page = tmp_path / "validation.html"
    code, out, _ = run(capsys, "validate", "--html", str(page))
    assert code == 0
    for words in ("decode, model left out", "prefill, device left out", "plain roofline", "fastflowlm", "90 %"):
        assert (words in out) == (words != "fastflowlm"), words
    text = page.read_text(encoding="utf-8")
    assert text.count('class="chart"') == 4
    assert "Farthest off" in text
    _, out, _ = run(capsys, "validate", "--json")
    data = json.loads(out)
    assert data["runs"] == len(some)
    assert {point[0] for point in data["points"]["model"]} <= {run.id for run in some}
    assert data["splits"]["model"]["decode"]["median"] < 0.2
