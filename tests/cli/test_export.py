"""`lfm-arch export` writes what transformers loads, says who runs it, or lists why nobody of the family does."""

import json
from pathlib import Path

import pytest

from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.runtime.checkpoint import save
from lfm_arch.spec.arch import ArchSpec
from tests.cli.program import run
from tests.graph.example import ATTENTION, CONV, layer, spec

NATIVE = spec(layer(CONV), layer(ATTENTION))
FOREIGN = spec(layer(CONV), layer(ShortConv(kernel_size=5)), layer(CONV), layer(ATTENTION))


def built(small: ArchSpec, directory: Path) -> Path:
    save(lower(compile_graph(small)), small, directory)
    return directory


def test_a_table_of_runtimes(tmp_path: Path) -> None:
    done = run("export", built(NATIVE, tmp_path / "m"), "--to", "hf")
    assert done.code == 0
    assert f"{tmp_path / 'm-hf'}: Lfm2ForCausalLM" in done.out
    assert "llama.cpp          runs it" in done.out
    assert "vLLM               unknown" in done.out
    assert (tmp_path / "m-hf" / "config.json").is_file()


def test_json(tmp_path: Path) -> None:
    out = tmp_path / "elsewhere"
    done = run("export", built(NATIVE, tmp_path / "m"), "--to", "hf", "--family", "lfm3", "-o", out, "--json")
    said = json.loads(done.out)
    assert (said["model_type"], said["directory"]) == ("lfm3", str(out))
    assert said["weight_bytes"] == sum(each.numel() * 4 for each in lower(compile_graph(NATIVE)).parameters())
    assert {each["name"]: each["runs"] for each in said["runtimes"]} == {
        "transformers": True, "llama.cpp": False, "onnxruntime-genai": False, "vLLM": None,
    }  # fmt: skip


def test_gguf(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    done = run("export", built(NATIVE, tmp_path / "m"), "--to", "gguf", "--weights", "q8_0", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["directory"] == str(tmp_path / "m-q8_0.gguf")
    assert (tmp_path / "m-q8_0.gguf").stat().st_size == said["weight_bytes"]


def test_reasons_and_the_way_out(tmp_path: Path) -> None:
    directory = built(FOREIGN, tmp_path / "m")
    done = run("export", directory, "--to", "hf")
    assert done.code == 1
    assert "error[E840]" in done.err
    assert "mixer kernel_size of layer 1 is 5, lfm2 has 3 there" in done.err
    assert "--to hf-custom" in done.err
    assert [*tmp_path.iterdir()] == [directory]
    assert run("export", directory, "--to", "hf-custom").code == 0
    assert json.loads((tmp_path / "m-hf-custom" / "config.json").read_text())["model_type"] == "lfm_arch"


@pytest.mark.parametrize(
    "options",
    [
        ["--to", "hf", "--family", "gpt9"],
        ["--to", "hf-custom", "--family", "lfm2"],
        ["--to", "hf", "--weights", "f16"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage(options: list[str], tmp_path: Path) -> None:
    done = run("export", tmp_path, *options)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_no_build(tmp_path: Path) -> None:
    done = run("export", tmp_path / "nothing", "--to", "hf")
    assert (done.code, "E812" in done.err) == (1, True)
