"""Checkpoints go out of transformers into a build directory and back, with equal logits and equal files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lfm_arch.core.errors import BuildError
from lfm_arch.export.configuration import import_config
from lfm_arch.export.hugging_face import from_native, to_custom, to_native
from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.runtime.checkpoint import load, save
from lfm_arch.runtime.generate import generate
from lfm_arch.spec.model import load_spec
from tests.graph.example import ATTENTION, CONV, layer, spec

pytest.importorskip("transformers")
from tests.export.example import CONFIGS, make, opened, saved, some_ids


@pytest.fixture(scope="module", params=CONFIGS)
def trip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Their model, and a directory with it as they saved it (`hf`), our build of it, and our export of that."""
    where = tmp_path_factory.mktemp(request.param)
    theirs = make(CONFIGS[request.param]())
    source = saved(theirs, where / "hf")
    from_native(import_config(source), source, where / "build")
    done = to_native(where / "build", where / "export", family=request.param)
    assert (done.model_type, done.architecture) == (theirs.config.model_type, type(theirs).__name__)
    return theirs, where


def tensors(directory: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in directory.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}
            found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return found


@torch.no_grad()
def test_imported_logits_are_theirs(trip: tuple[Any, Path]) -> None:
    theirs, where = trip
    ids = some_ids()
    logits = theirs(ids, use_cache=False).logits
    assert logits.std() > 0.1, "logits that say nothing would be equal to anything"
    torch.testing.assert_close(load(where / "build")(ids), logits, rtol=2e-5, atol=2e-5)


@torch.no_grad()
def test_exported_loads_natively_with_equal_logits(trip: tuple[Any, Path]) -> None:
    theirs, where = trip
    back = opened(where / "export")
    assert type(back) is type(theirs)
    ids = some_ids()
    assert torch.equal(back(ids, use_cache=False).logits, theirs(ids, use_cache=False).logits)


def test_exported_file_holds_what_theirs_holds(trip: tuple[Any, Path]) -> None:
    """The same names and values as transformers itself writes, so that other readers find them too."""
    _, where = trip
    ours, theirs = tensors(where / "export"), tensors(where / "hf")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@torch.no_grad()
def test_exported_generates_what_ours_generates(trip: tuple[Any, Path]) -> None:
    _, where = trip
    ids = some_ids()
    made = opened(where / "export").generate(ids, max_new_tokens=8, do_sample=False)
    assert made[:, ids.shape[1] :].tolist() == generate(load(where / "build"), ids, max_new_tokens=8)


def test_spec_reads_back_and_export_is_read_as_the_same(trip: tuple[Any, Path]) -> None:
    _, where = trip
    first = import_config(where / "hf", name="m")
    (where / "m.yaml").write_text(first.text)
    assert load_spec(where / "m.yaml") == first.spec
    assert import_config(where / "export", name="m").spec == first.spec


def test_tokens_with_a_meaning_come_along(trip: tuple[Any, Path]) -> None:
    _, where = trip
    assert json.loads((where / "export" / "config.json").read_text())["bos_token_id"] == 3


@pytest.mark.parametrize("family", ["lfm2_moe", "lfm3", "mixtral", "qwen3_moe"])
def test_names_of_the_running_model_are_read_too(family: str, tmp_path: Path) -> None:
    """Experts stacked and gates renamed, as a running model holds them: how tools save it that know no family."""
    theirs = make(CONFIGS[family]())
    source = saved(theirs, tmp_path / "hf")
    held = {name: tensor.contiguous() for name, tensor in theirs.state_dict().items()}
    if theirs.config.tie_word_embeddings:
        del held["lm_head.weight"]
    save_file(held, source / "model.safetensors", metadata={"format": "pt"})
    from_native(import_config(source), source, tmp_path / "build")
    with torch.no_grad():
        ids = some_ids()
        ours, logits = load(tmp_path / "build")(ids), theirs(ids, use_cache=False).logits
    torch.testing.assert_close(ours, logits, rtol=2e-5, atol=2e-5)


def test_shards_on_the_way_in_and_out(tmp_path: Path) -> None:
    theirs = make(CONFIGS["lfm2"]())
    theirs.save_pretrained(tmp_path / "hf", max_shard_size="200KB")
    assert len([*(tmp_path / "hf").glob("*.safetensors")]) > 2
    from_native(import_config(tmp_path / "hf"), tmp_path / "hf", tmp_path / "build")
    done = to_native(tmp_path / "build", tmp_path / "export", shard_bytes=300_000)
    assert "model.safetensors.index.json" in done.files
    assert len([name for name in done.files if name.endswith(".safetensors")]) > 2
    with torch.no_grad():
        ids = some_ids()
        assert torch.equal(opened(tmp_path / "export")(ids).logits, theirs(ids).logits)


def test_bfloat16_stays(tmp_path: Path) -> None:
    theirs = make(CONFIGS["lfm2_moe"]()).bfloat16()
    source = saved(theirs, tmp_path / "hf")
    card, _ = from_native(import_config(source), source, tmp_path / "build")
    assert card["dtype"] == "bfloat16"
    to_native(tmp_path / "build", tmp_path / "export")
    ours = tensors(tmp_path / "export")
    assert ours["model.layers.2.feed_forward.experts.7.w2.weight"].dtype == torch.bfloat16
    assert all(torch.equal(ours[name], tensor.to(ours[name].dtype)) for name, tensor in tensors(source).items())


@pytest.mark.parametrize("mixer", [CONV, ATTENTION], ids=["convolutions", "attention"])
@torch.no_grad()
def test_models_of_one_mixer_alone(mixer: Any, tmp_path: Path) -> None:
    """A model of convolutions is told not to make the cache that transformers cannot make for it."""
    small = spec(layer(mixer), layer(mixer))
    model = lower(compile_graph(small))
    save(model, small, tmp_path / "build")
    done = to_native(tmp_path / "build", tmp_path / "export", family="lfm2")
    assert {each.name: each.runs for each in done.runtimes}["llama.cpp"] is False
    ids = some_ids(tokens=9) % 64
    theirs = opened(tmp_path / "export")
    torch.testing.assert_close(theirs(ids).logits, model(ids), rtol=2e-5, atol=2e-5)
    made = theirs.generate(ids, max_new_tokens=5, do_sample=False)
    assert made[:, ids.shape[1] :].tolist() == generate(model, ids, max_new_tokens=5)


@torch.no_grad()
def test_heads_narrower_than_the_stream(tmp_path: Path) -> None:
    small = spec(layer(CONV), layer(ATTENTION.model_copy(update={"head_dim": 16})))
    model = lower(compile_graph(small))
    save(model, small, tmp_path / "build")
    done = to_native(tmp_path / "build", tmp_path / "export")
    assert (done.model_type, done.config["head_dim"]) == ("lfm2", 16)
    (note,) = [each.note for each in done.runtimes if each.name == "llama.cpp"]
    assert "num_heads * head_dim" in note
    ids = some_ids() % 64
    torch.testing.assert_close(opened(tmp_path / "export")(ids).logits, model(ids), rtol=2e-5, atol=2e-5)


def test_what_is_missing_left_over_or_of_another_shape_is_told(tmp_path: Path) -> None:
    source = saved(make(CONFIGS["lfm2"]()), tmp_path / "hf")
    held = tensors(source)
    held["model.layers.0.conv.conv.weight"] = torch.zeros(64, 1, 4)
    held["model.layers.9.extra"] = torch.zeros(1)
    held["model.layers.2.rotary_emb.inv_freq"] = torch.zeros(8)
    del held["model.layers.1.ffn_norm.weight"]
    save_file(held, source / "model.safetensors")
    with pytest.raises(BuildError) as caught:
        from_native(import_config(source), source, tmp_path / "build")
    assert {each.code for each in caught.value.diagnostics} == {"E806"}
    assert sorted(each.message for each in caught.value.diagnostics) == [
        "model.layers.0.conv.conv.weight has shape [64, 1, 4], the architecture has [64, 1, 3]",
        "model.layers.1.ffn_norm.weight is missing",
        "model.layers.9.extra is not a tensor of this architecture",
    ]
    assert not (tmp_path / "build").exists()


def test_pickles_are_refused(tmp_path: Path) -> None:
    source = saved(make(CONFIGS["lfm2"]()), tmp_path / "hf")
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(BuildError, match="E845"):
        from_native(import_config(source), source, tmp_path / "build")


def test_a_build_without_weights_is_refused(tmp_path: Path) -> None:
    from lfm_arch.runtime.architecture import read
    from lfm_arch.runtime.build import build_directory

    build_directory(read(spec()), tmp_path / "build", device="meta")
    for write in (to_native, to_custom):
        with pytest.raises(BuildError, match="E818"):
            write(tmp_path / "build", tmp_path / "export")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    small = spec()
    save(lower(compile_graph(small)), small, tmp_path / "build")
    to_native(tmp_path / "build", tmp_path / "export")
    with pytest.raises(BuildError, match="E810"):
        to_native(tmp_path / "build", tmp_path / "export")


def test_memory_holds_one_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No reader is asked for a tensor before the one before it was written."""
    from lfm_arch.export import tensors as room

    experts = MoE(num_experts=4, experts_per_token=2, intermediate_size=16, router="sigmoid")
    small = spec(layer(CONV, experts), layer(ATTENTION, experts))
    save(lower(compile_graph(small)), small, tmp_path / "build")
    events: list[str] = []
    cut = room.Files.cut

    def noted(files: room.Files, name: str, piece: room.Cut) -> torch.Tensor:
        events.append("read")
        found = cut(files, name, piece)
        assert piece.expert is None or found.numel() == 16 * 32, "one expert's matrix at a time"
        return found

    monkeypatch.setattr(room.Files, "cut", noted)
    to_native(tmp_path / "build", tmp_path / "export", progress=lambda _: events.append("written"))
    assert events[:-1:2] == ["read"] * (len(events) // 2)
    assert events[1::2] == ["written"] * (len(events) // 2)


def test_the_kernel_size_is_in_the_file(tmp_path: Path) -> None:
    small = spec(layer(ShortConv(kernel_size=5)), layer(ATTENTION))
    save(lower(compile_graph(small)), small, tmp_path / "build")
    config = to_native(tmp_path / "build", tmp_path / "export").config
    assert config["conv_L_cache"] == 5
    assert (config["block_auto_adjust_ff_dim"], config["intermediate_size"]) == (False, 96)
