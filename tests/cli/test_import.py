"""`lfm-arch import` prints or writes a spec, converts weights, and refuses what it cannot hold."""

import json
from pathlib import Path
from typing import Any

from lfm_arch.spec.model import load_spec
from tests.cli.program import run

CONFIG: dict[str, Any] = {
    "model_type": "lfm2",
    "hidden_size": 32,
    "intermediate_size": 48,
    "block_auto_adjust_ff_dim": False,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "full_attn_idxs": [1],
    "vocab_size": 64,
    "eos_token_id": 7,
}


def written(directory: Path, **changes: Any) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps(CONFIG | changes, indent=1))
    return path


def test_the_spec_goes_to_standard_output(tmp_path: Path) -> None:
    done = run("import", written(tmp_path), "--name", "small")
    assert done.code == 0
    (tmp_path / "m.yaml").write_text(done.out)
    spec = load_spec(tmp_path / "m.yaml")
    assert spec.name == "small"
    assert spec.expect is not None
    assert (spec.expect.layout, spec.expect.params) == ("cAc", 27_568)
    assert "keys that change nothing: eos_token_id, model_type" in done.err


def test_the_spec_goes_to_a_file_that_is_not_replaced(tmp_path: Path) -> None:
    config, target = written(tmp_path), tmp_path / "specs" / "m.yaml"
    assert run("import", config, "-o", target).code == 0
    before = target.read_text()
    assert run("check", target).code == 0
    done = run("import", config, "-o", target, "--name", "other")
    assert (done.code, target.read_text()) == (2, before)
    assert run("import", config, "-o", target, "--name", "other", "--force").code == 0
    assert "name: other" in target.read_text()


def test_json(tmp_path: Path) -> None:
    said = json.loads(run("import", tmp_path if written(tmp_path) else "", "--json").out)
    assert said["model_type"] == "lfm2"
    assert said["ignored_keys"] == ["eos_token_id", "model_type"]
    assert said["expect"]["params"] == 27_568
    assert said["spec"].startswith("# Imported from config.json")


def test_every_problem_with_its_line(tmp_path: Path) -> None:
    done = run("import", written(tmp_path, secret_gate=1, hidden_act="relu"))
    assert done.code == 1
    assert "error[E842]" in done.err
    assert "error[E844]" in done.err
    assert '"secret_gate": 1' in done.err
    assert "Traceback" not in done.err


def test_weights_go_there_and_back(tmp_path: Path) -> None:
    """A build, exported, imported and built into: the same files of weights, and the same words out of it."""
    written(tmp_path)
    assert run("import", tmp_path, "-o", tmp_path / "m.yaml", "--name", "m").code == 0
    assert run("build", tmp_path / "m.yaml", "-o", tmp_path / "a").code == 0
    assert run("export", tmp_path / "a", "--to", "hf", "-o", tmp_path / "hf").code == 0
    done = run("import", tmp_path / "hf", "--weights", tmp_path / "b", "--name", "m", "-o", tmp_path / "again.yaml")
    assert done.code == 0, done.err
    assert f"weights written to {tmp_path / 'b'} as float32" in done.err
    assert load_spec(tmp_path / "again.yaml") == load_spec(tmp_path / "m.yaml")
    prompt = ["--tokens", "5,6,7", "--max-new-tokens", "5", "--json"]
    first, second = (json.loads(run("run", tmp_path / each, *prompt).out)["ids"] for each in "ab")
    assert first == second
    refused = run("import", tmp_path / "hf", "--weights", tmp_path / "b")
    assert (refused.code, "E810" in refused.err) == (1, True)


def test_a_config_without_weights(tmp_path: Path) -> None:
    done = run("import", written(tmp_path), "--weights", tmp_path / "b")
    assert (done.code, "E812" in done.err) == (1, True)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a program")
    done = run("import", tmp_path, "--weights", tmp_path / "b")
    assert (done.code, "E845" in done.err) == (1, True)
