"""`lfm-arch cost`, as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from lfm_arch.cli.main import main

LFM2 = "specs/lfm2-1.2b.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["cost", *arguments])
    out, err = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return code, out, err


def test_one_spec_on_one_profile(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, LFM2, "--hw", "apple", "--weights", "q4")
    assert code == 0
    for words in ("lfm2-1.2b on Apple M4", "first token", "prefill", "decode", "90 % interval", "modelled, family"):
        assert words in out
    for part in ("weights", "key/value cache", "fixed state", "activations", "the runtime itself", "fits in"):
        assert part in out
    assert "10 x short_conv + swiglu" in out
    assert "layers 0-1, 3-4, 6-7, 9, 11, 13, 15" in out


def test_every_layer_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, LFM2, "--hw", "qualcomm", "--layers")
    assert sum("swiglu" in line for line in out.splitlines()) == 16
    assert "layer 15" in out


def test_where_numbers_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, LFM2, "--hw", "qualcomm", "--explain")
    assert " of 84.8 GB/s" in out
    assert "m1704" in out
    assert "https://arxiv.org/abs/2511.23404" in out


def test_several_specs_and_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, LFM2, "specs/lfm2-350m.yaml", "--hw", "qualcomm, amd")
    assert code == 0
    assert out.count("lfm2-350m") == out.count("lfm2-1.2b") == 2
    assert "snapdragon-8-elite with llama.cpp-cpu" in out
    assert "ryzen-ai-9-hx-370 with llama.cpp-cpu" in out


@pytest.mark.parametrize(("arguments", "contexts"), [(["--context"], 4), (["--context", "2048,8_192"], 2)])
def test_as_the_context_grows(capsys: pytest.CaptureFixture[str], arguments: list[str], contexts: int) -> None:
    # the option may stand alone, so it comes last
    _, out, _ = run(capsys, LFM2, "--hw", "qualcomm", "--json", *arguments)
    series = json.loads(out)[0]["contexts"]
    assert len(series) == contexts
    speeds = [each["decode_tokens_per_s"]["value"] for each in series]
    assert speeds == sorted(speeds, reverse=True)


def test_json_is_everything(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--prompt", "2048", "--generate", "64", "--batch", "2", "--weights", "q8_0"]
    code, out, _ = run(capsys, LFM2, "--hw", "apple", "--json", *sizes)
    assert code == 0
    (data,) = json.loads(out)
    assert data["scenario"] == {
        "prompt": 2048, "generate": 64, "batch": 2, "weights": "q8_0", "cache": "f16", "memory": None,
        "chips": 1, "parallel": "tensor", "past": 0,
    }  # fmt: skip
    assert data["profile"] == "apple-m4"
    assert data["numbers"]["weights_bytes"]["kind"] == "exact"
    assert data["numbers"]["weights_bytes"]["value"] == pytest.approx(1_170_340_608 * 8.5 / 8)
    assert {node["decode_bound"] for node in data["nodes"]} <= {
        "matmul", "weights", "attention", "kv", "state", "elementwise", "overhead",
    }  # fmt: skip
    assert all(rate["how"] for rate in data["rates"])


def test_too_large_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, LFM2, "--hw", "apple", "--memory", "0.5GB")
    assert code == 0
    assert "does not fit in 476.8 MiB" in out


def test_unproven_operators_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, LFM2, "--hw", "cerebras")
    assert "short_conv: unknown on Cerebras Inference" in out


def test_a_value_of_the_spec_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(
        capsys, LFM2, "--hw", "apple", "--set", "operators.conv.kernel_size=4", "--set", "expect=null", "--json"
    )
    _, before, _ = run(capsys, LFM2, "--hw", "apple", "--json")
    weights = [json.loads(each)[0]["numbers"]["weights_bytes"]["value"] for each in (before, out)]
    assert weights[1] - weights[0] == pytest.approx(10 * 2048 * 4.5 / 8)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--hw", "appel"], 1, ["E701", "apple"]),
        (["--hw", "apple", "--runtime", "vllm"], 1, ["E708", "llama.cpp-metal@gpu"]),
        (["--hw", "apple", "--weights", "q4_9"], 1, ["E709", "q4_0"]),
        (["--hw", "apple", "--cache", "f8"], 1, ["E709", "fp8"]),
        (["--hw", "apple", "--prompt", "0"], 1, ["E713"]),
        (["--hw", "raspberry-pi-5", "--strict", "calibrated"], 1, ["E712", "class"]),
        (["--hw", "apple", "--strict", "sure"], 2, ["sure", "calibrated"]),
        (["--hw", "apple", "--memory", "8"], 2, ["8GB"]),
        (["--hw", "apple", "--context", "a,b"], 2, ["whole numbers"]),
        ([], 2, ["--hw"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value and value[0].startswith("--") else None,
)
def test_mistakes_are_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: list[str]
) -> None:
    ended, _, err = run(capsys, LFM2, *arguments)
    assert ended == code, err
    for word in words:
        assert word in err
    assert "Traceback" not in err


def test_a_missing_spec_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "specs/lfm2-1.2c.yaml", "--hw", "apple")
    assert code == 1
    assert "E101" in err


def test_a_profile_of_ones_own_with_a_mistake_says_where(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(
        "lfm_arch: 1\nkind: hw\nname: board\ntitle: Board\nvendor: Me\nclass: edge\n"
        "units:\n  cpu: {kind: cpu}\nruntimes:\n  - {engine: llama.cpp, backend: cpu, unit: gpu}\n"
    )
    code, _, err = run(capsys, LFM2, "--hw", str(path))
    assert code == 1
    assert "E710" in err
    assert "board.yaml:10" in err


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize(
    "arguments",
    [
        [LFM2, "--hw", "apple-m4-max", "--context"],
        [LFM2, "--hw", "cerebras", "--layers"],
        ["specs/lfm2-24b-a2b.yaml", LFM2, "--hw", "raspberry-pi-5,ryzen-ai-9-hx-370,nvidia"],
    ],
    ids=["one", "layers", "many"],
)
def test_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], width: int
) -> None:
    monkeypatch.setattr("lfm_arch.cli.cost.console", lambda: Console(file=sys.stdout, width=width, color_system=None))
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    # a number that was cut says nothing
    assert "…" not in out


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cost", "--help"])
    out = capsys.readouterr().out
    assert "lfm-arch cost specs/lfm2-1.2b.yaml --hw apple" in out


def test_costing_imports_no_torch() -> None:
    program = (
        "import sys\nfrom lfm_arch.cli.main import main\n"
        f"try: main(['cost', {LFM2!r}, '--hw', 'apple,qualcomm', '--explain'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_two_chips_share_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["specs/lfm1-40b-style.yaml", "--hw", "mi300x", "--weights", "bf16", "--chips", "2", "--json"]
    found = {}
    for parallel in ("tensor", "pipeline", "expert"):
        code, out, _ = run(capsys, *asked, "--parallel", parallel)
        assert code == 0
        (data,) = json.loads(out)
        assert data["scenario"]["chips"] == 2
        found[parallel] = data["numbers"]["weights_bytes"]["value"]
    assert found["tensor"] < found["pipeline"] < found["expert"]


def test_an_unknown_link_is_an_error_not_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, LFM2, "--hw", "raspberry-pi-5", "--chips", "2")
    assert code == 1
    assert "E715" in err


def test_a_page_with_plots(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "made" / "cost.html"
    code, _, _ = run(capsys, LFM2, "specs/lfm3-1.7b.yaml", "--hw", "apple,cerebras", "--html", str(page))
    assert code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("speed over context") == 2
    assert text.count("roof of this runtime") >= 2
    assert text.count('class="band"') == 4
    assert "http://" not in text.replace("http://www.w3.org", "")
