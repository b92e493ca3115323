"""The commands build and run, as a user types them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lfm_arch.cli.main import main

SPEC = """\
lfm_arch: 1
kind: model
name: tiny
doc: for tests
dims: {hidden_size: 32}
featurizers:
  text: {type: token_embedding, vocab_size: 300}
operators:
  conv: {type: short_conv, kernel_size: 3}
  attn: {type: attention, num_heads: 4, num_kv_heads: 2, head_dim: 8, rope: {theta: 1.0e+4}}
  mlp: {type: swiglu, intermediate_size: 64}
norm: {type: rms_norm, eps: 1.0e-5, placement: pre}
blocks:
  conv: {mixer: conv, channel: mlp}
  attn: {mixer: attn, channel: mlp}
depth_groups:
  - {name: trunk, stack: 2*conv attn}
heads:
  lm: {type: lm_head, tied_to: text}
expect:
  layout: ccA
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as raised:
        main(list(words))
    assert isinstance(raised.value.code, int)
    return raised.value.code


def test_build_writes_where_it_says_and_prints_counts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("build", "tiny.yaml") == 0
    shown = capsys.readouterr().out
    card = json.loads((here / "runs" / "tiny" / "card.json").read_text())
    for words in ("tiny", f"{card['counts']['params']:,}", "ccA", card["architecture_id"], "runs/tiny"):
        assert words in shown
    assert (here / "runs" / "tiny" / "model.safetensors").stat().st_size > card["counts"]["weight_bytes"]


def test_build_json_is_the_card(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("build", "tiny.yaml", "-o", "out", "--json", "--dtype", "bfloat16", "--seed", "5") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("directory") == "out"
    assert printed == json.loads((here / "out" / "card.json").read_text())
    assert (printed["dtype"], printed["seed"]) == ("bfloat16", 5)


def test_meta_writes_nothing_unless_asked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("build", "tiny.yaml", "--meta") == 0
    assert "nothing was written" in capsys.readouterr().out
    assert [path.name for path in here.iterdir()] == ["tiny.yaml"]
    assert call("build", "tiny.yaml", "--meta", "-o", "m") == 0
    assert sorted(path.name for path in (here / "m").iterdir()) == ["README.md", "card.json", "spec.yaml"]


def test_an_edit_changes_what_is_built(here: Path) -> None:
    assert call("build", "tiny.yaml", "-o", "out", "--set", "operators.conv.kernel_size=5") == 0
    assert "kernel_size: 5" in (here / "out" / "spec.yaml").read_text()
    # the resolved spec builds the same model
    assert call("build", "out/spec.yaml", "-o", "again") == 0
    assert (here / "out" / "model.safetensors").read_bytes() == (here / "again" / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        (["tiny.yaml", "--set", "depth_groups[0].stack=3*conv"], 1, "E504"),
        (["nowhere.yaml"], 1, "E101"),
        (["tiny.yaml", "--device", "nowhere"], 1, "E823"),
        (["tiny.yaml", "-o", "tiny.yaml"], 1, "E810"),
        (["tiny.yaml", "--dtype", "int3"], 2, "int3"),
        (["tiny.yaml", "--seed", "x"], 2, "--seed"),
        ([], 2, "SPEC"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("here")
def test_mistakes_and_their_exit_codes(
    words: list[str], exit_code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("build", *words) == exit_code
    assert says in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.usefixtures("here")
def test_building_again_needs_force(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("build", "tiny.yaml") == 0
    assert call("build", "tiny.yaml", "--seed", "1") == 1
    assert "--force" in capsys.readouterr().err
    assert call("build", "tiny.yaml", "--seed", "1", "--force") == 0


def test_ctrl_c_while_writing(here: Path) -> None:
    """A real signal to a real process, in the middle of 1.6 GB of weights."""
    edits = ["dims.hidden_size=2048", "operators.mlp.intermediate_size=16384", "expect=null"]
    words = [word for edit in edits for word in ("--set", edit)]
    program = "from lfm_arch.cli.main import main; import sys; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "build", "tiny.yaml", "-o", "big", *words], cwd=here, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if any(path.stat().st_size > 1000 for path in here.glob(".big*/model*.safetensors")):
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, stderr.decode()
    assert b"Traceback" not in stderr
    assert [path.name for path in here.iterdir()] == ["tiny.yaml"]


@pytest.fixture
def built(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert call("build", "tiny.yaml") == 0
    capsys.readouterr()
    return here / "runs" / "tiny"


def test_run_reads_text_as_bytes_and_says_that_weights_are_random(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(built), "--text", "häh", "--max-new-tokens", "5", "--json") == 0
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert made["prompt_ids"] == list("häh".encode())
    assert len(made["ids"]) == 5
    assert made["tokenizer"] == "bytes"
    assert made["weights"] == "random"
    assert call("run", str(built), "--text", "häh", "--max-new-tokens", "5") == 0
    shown = capsys.readouterr()
    assert shown.out == made["text"] + "\n"
    assert "random" in shown.err


def test_run_reads_tokens_and_repeats_by_seed(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    warm = ["run", str(built), "--tokens", "1,2,3", "--max-new-tokens", "6", "--temperature", "2", "--top-k", "50"]
    texts = []
    for seed in ("1", "1", "2"):
        assert call(*warm, "--seed", seed) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert len(texts[0].split()) == 6
    assert call("run", str(built), "--tokens", "1,2,3", "--stop", texts[0].split()[0], "--temperature", "2",
                "--top-k", "50", "--seed", "1") == 0  # fmt: skip
    assert capsys.readouterr().out.strip() == ""


def test_run_uses_the_tokenizer_of_the_directory(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: number for number, word in enumerate(["[UNK]", "liquid", "model"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(built / "tokenizer.json"))
    assert call("run", str(built), "--text", "liquid model", "--max-new-tokens", "2", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["prompt_ids"] == [1, 2]
    assert made["tokenizer"] == "tokenizer.json"
    (built / "tokenizer.json").write_text("{")
    assert call("run", str(built), "--text", "liquid") == 1
    assert "E822" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        (["runs/tiny"], 2, "--text"),
        (["runs/tiny", "--text", "a", "--tokens", "1"], 2, "--text"),
        (["runs/tiny", "--tokens", "one"], 2, "one"),
        (["runs/tiny", "--tokens", "300"], 1, "E821"),
        (["runs/tiny", "--text", ""], 1, "E821"),
        (["runs/nowhere", "--text", "a"], 1, "E812"),
        (["runs/tiny", "--text", "a", "--device", "nowhere"], 1, "E823"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("built")
def test_run_mistakes(words: list[str], exit_code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", *words) == exit_code
    assert says in capsys.readouterr().err


def test_run_without_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("build", "tiny.yaml", "-o", "small", "--set", "featurizers.text.vocab_size=100") == 0
    assert call("run", "small", "--text", "a") == 1
    assert "E822" in capsys.readouterr().err
    assert call("run", "small", "--tokens", "1", "--max-new-tokens", "1") == 0
    assert (here / "small").is_dir()
