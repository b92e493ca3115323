"""`lfm-arch mem`, as a user calls it."""

import json
from pathlib import Path

import pytest

from lfm_arch.cli.main import main

LFM2 = "specs/lfm2-1.2b.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["mem", *arguments])
    out, err = capsys.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return code, out, err


def data(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_the_cache_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, LFM2, "--context", "32k", "--batch", "8", "--generate", "256")
    # six layers of attention, keys and values of eight heads of 64, 16 bits
    one = 6 * 2 * 8 * 64 * 2
    assert found["end"]["cache"] == 8 * 32_768 * one
    assert found["prompt"]["cache"] == 8 * (32_768 - 256) * one
    assert found["end"]["weights"] == found["prompt"]["weights"]


def test_a_runtime_takes_whole_pages(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (LFM2, "--context", "1001", "--generate", "1", "--engine", "vllm")
    found = data(capsys, *asked)
    assert found["page_tokens"] == 16
    assert found["end"]["cache"] == 1008 * 6 * 2 * 8 * 64 * 2
    assert found["end"]["runtime"] is None
    _, out, _ = run(capsys, *asked)
    assert "pages of 16 tokens" in out
    assert "at least" in out


def test_formats_of_the_cache(capsys: pytest.CaptureFixture[str]) -> None:
    wide, narrow = (data(capsys, LFM2, "--cache", each)["end"]["cache"] for each in ("f16", "q8_0"))
    assert narrow / wide == pytest.approx(8.5 / 16)


def test_how_long_a_context_fits(capsys: pytest.CaptureFixture[str]) -> None:
    longest = data(capsys, LFM2, "--memory", "2GB")["longest_context"]
    fits, not_any_more = (
        data(capsys, LFM2, "--context", str(tokens))["end"]["total"] for tokens in (longest, longest + 1)
    )
    assert fits <= 2e9 < not_any_more
    _, out, _ = run(capsys, LFM2, "--memory", "100MB")
    assert "nothing fits" in out


def test_straight_from_a_config_of_transformers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192,
        "vocab_size": 128256, "tie_word_embeddings": True, "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "rope_theta": 500000.0, "max_position_embeddings": 131072, "attention_bias": False, "mlp_bias": False,
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    found = data(capsys, str(path), "--context", "2k", "--weights", "bf16")
    assert found["end"]["weights"] == 2 * 1_235_814_400
    assert found["end"]["cache"] == 2048 * 16 * 2 * 8 * 64 * 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--context", "many"], "no number of tokens"),
        (["--context", "100"], "leave no prompt"),
        (["--weights", "q9"], "E709"),
    ],
)
def test_a_mistake_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    code, _, err = run(capsys, LFM2, *arguments)
    assert code != 0
    assert words in err
