"""A GGUF file read back with gguf's own reader holds the model's numbers under llama.cpp's names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lfm_arch.core.errors import BuildError
from lfm_arch.export import llama_cpp
from lfm_arch.export.llama_cpp import FORMATS, to_gguf
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.lower.names import to_foreign
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.runtime.checkpoint import save
from lfm_arch.spec.arch import ArchSpec
from tests.graph.example import ATTENTION, CONV, layer, spec

gguf = pytest.importorskip("gguf")
FFN = SwiGLU(intermediate_size=96)
SMALL = spec(layer(CONV, FFN), layer(ATTENTION, FFN), layer(CONV, FFN), heads={"lm": LMHead(vocab_size=64)})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    directory = tmp_path_factory.mktemp("gguf") / "m"
    model = lower(compile_graph(SMALL))
    save(model, SMALL, directory)
    return model, directory


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


@pytest.mark.parametrize("weights", FORMATS)
def test_every_tensor_comes_back(weights: str, built: tuple[Model, Path], tmp_path: Path) -> None:
    model, directory = built
    done = to_gguf(directory, tmp_path / "m.gguf", weights=weights)
    assert done.size_bytes == (tmp_path / "m.gguf").stat().st_size
    found = {each.name: each for each in gguf.GGUFReader(tmp_path / "m.gguf").tensors}
    theirs = to_foreign(compile_graph(SMALL), model, "lfm2")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LFM2, 3)
    assert len(found) == len(theirs)
    error = {"f32": 0.0, "f16": 1e-3, "bf16": 1e-2, "q8_0": 1e-2, "q4_0": 0.15}[weights]
    for name, tensor in theirs.items():
        read = found[names.get_name(name, try_suffixes=(".weight",))]
        wanted = tensor.squeeze(1) if tensor.ndim == 3 else tensor
        values = torch.from_numpy(np.array(gguf.dequantize(read.data, read.tensor_type), dtype=np.float32))
        assert values.shape == wanted.shape, name
        exact = wanted.ndim == 1 or tensor.ndim == 3
        assert (read.tensor_type.name == "F32") == (exact or weights == "f32"), name
        limit = 0.0 if exact else error * float(wanted.abs().max())
        assert float((values - wanted).abs().max()) <= limit, name


def test_keys(built: tuple[Model, Path], tmp_path: Path) -> None:
    _, directory = built
    done = to_gguf(directory, tmp_path / "m.gguf")
    held = fields(tmp_path / "m.gguf")
    wanted = {
        "general.architecture": "lfm2",
        "lfm2.embedding_length": 32,
        "lfm2.block_count": 3,
        "lfm2.feed_forward_length": 96,
        "lfm2.attention.head_count": 4,
        "lfm2.attention.head_count_kv": [0, 2, 0],
        "lfm2.rope.freq_base": 1e6,
        "lfm2.vocab_size": 64,
        "lfm2.shortconv.l_cache": 3,
        "tokenizer.ggml.model": "no_vocab",
    }
    assert {key: held[key] for key in wanted} == wanted
    assert held["lfm2.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    assert "no tokenizer.json" in done.runtimes[0].note


def test_a_tied_head_is_not_stored_twice(tmp_path: Path) -> None:
    tied = spec(layer(CONV), layer(ATTENTION))
    save(lower(compile_graph(tied)), tied, tmp_path / "m")
    to_gguf(tmp_path / "m", tmp_path / "m.gguf")
    names = [each.name for each in gguf.GGUFReader(tmp_path / "m.gguf").tensors]
    assert "output.weight" not in names
    assert "token_embd.weight" in names


def test_rows_that_fill_no_block_stay_f16(tmp_path: Path) -> None:
    small = spec(layer(CONV, SwiGLU(intermediate_size=40)), layer(ATTENTION, SwiGLU(intermediate_size=40)))
    save(lower(compile_graph(small)), small, tmp_path / "m")
    to_gguf(tmp_path / "m", tmp_path / "m.gguf", weights="q4_0")
    kinds = {each.name: each.tensor_type.name for each in gguf.GGUFReader(tmp_path / "m.gguf").tensors}
    assert (kinds["blk.0.ffn_down.weight"], kinds["blk.0.ffn_up.weight"]) == ("F16", "Q4_0")


def tokenizer(pre: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    vocab = {"a": 0, "b": 1, "ab": 2}
    special = {"id": 3, "content": "<end>", "special": True}
    return {
        "model": {"type": "BPE", "vocab": vocab, "merges": [["a", "b"]]},
        "pre_tokenizer": pre,
        "added_tokens": [special],
        **more,
    }


SPLIT = {"type": "Split", "pattern": {"Regex": llama_cpp._LLAMA3}}  # pyright: ignore[reportPrivateUsage]
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}


@pytest.mark.parametrize(
    ("words", "pre"),
    [
        (tokenizer({"type": "Sequence", "pretokenizers": [SPLIT, BYTES]}), "lfm2"),
        (tokenizer({**BYTES, "use_regex": True}), "gpt-2"),
        (tokenizer({"type": "Whitespace"}), None),
        (tokenizer({**BYTES, "use_regex": True}, normalizer={"type": "NFC"}), None),
    ],
    ids=["lfm2", "gpt-2", "another", "normalised"],
)
def test_vocabulary(words: dict[str, Any], pre: str | None, built: tuple[Model, Path], tmp_path: Path) -> None:
    """Text that llama.cpp would cut otherwise is worse than none: only kinds that match go along."""
    _, directory = built
    (tmp_path / "m").mkdir()
    for path in directory.iterdir():
        (tmp_path / "m" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "m" / "tokenizer.json").write_text(json.dumps(words))
    (tmp_path / "m" / "generation_config.json").write_text('{"eos_token_id": [3]}')
    done = to_gguf(tmp_path / "m", tmp_path / "m.gguf")
    held = fields(tmp_path / "m.gguf")
    assert held.get("tokenizer.ggml.pre") == pre
    assert done.runtimes[0].runs is (None if pre is None else True)
    if pre is not None:
        assert held["tokenizer.ggml.tokens"][:5] == ["a", "b", "ab", "<end>", "[PAD4]"]
        assert held["tokenizer.ggml.token_type"][:5] == [1, 1, 1, 3, 5]
        assert held["tokenizer.ggml.merges"] == ["a b"]
        assert held["tokenizer.ggml.eos_token_id"] == 3


@pytest.mark.parametrize(
    ("small", "code", "told"),
    [
        (spec(layer(CONV)), "E848", "convolutions alone"),
        (spec(layer(ATTENTION)), "E848", "attention alone"),
        (spec(layer(CONV), layer(ATTENTION.model_copy(update={"head_dim": 16}))), "E848", "must be hidden_size"),
        (spec(layer(CONV), layer(ATTENTION, placement="sandwich")), "E840", "sandwich"),
    ],
    ids=["convolutions", "attention", "heads", "no lfm2"],
)
def test_what_llama_cpp_cannot_run_is_refused(small: ArchSpec, code: str, told: str, tmp_path: Path) -> None:
    save(lower(compile_graph(small)), small, tmp_path / "m")
    with pytest.raises(BuildError, match=told) as caught:
        to_gguf(tmp_path / "m", tmp_path / "m.gguf")
    assert {each.code for each in caught.value.diagnostics} == {code}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_file_that_is_there_stays(built: tuple[Model, Path], tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_text("mine")
    with pytest.raises(BuildError, match="E810"):
        to_gguf(built[1], tmp_path / "m.gguf")
    assert (tmp_path / "m.gguf").read_text() == "mine"


def test_without_gguf(built: tuple[Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cpp, "find_spec", lambda _: None)
    with pytest.raises(BuildError, match="E846"):
        to_gguf(built[1], tmp_path / "m.gguf")
