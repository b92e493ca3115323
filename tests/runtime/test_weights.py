"""Weight files: what is written is read by safetensors itself, in one file or several, and damage is found."""

import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lfm_arch.core.errors import BuildError
from lfm_arch.runtime.weights import INDEX, SINGLE, Entry, Weights, shards, write_weights

TENSORS = {
    "a": torch.randn(3, 5),
    "b": torch.randn(7).to(torch.bfloat16),
    "c.d": torch.randn(2, 2, 2).half(),
    "empty": torch.zeros(0, 4),
    "scalar": torch.tensor(3.5),
    "turned": torch.randn(4, 6).t(),
    "count": torch.arange(5),
}


def write(directory: Path, limit: int = 10**9) -> list[str]:
    entries = [Entry.of(name, tensor) for name, tensor in TENSORS.items()]
    return [file.name for file in write_weights(directory, entries, TENSORS.items(), limit=limit)]


def test_one_file_is_what_safetensors_reads(tmp_path: Path) -> None:
    told: list[int] = []
    entries = [Entry.of(name, tensor) for name, tensor in TENSORS.items()]
    (file,) = write_weights(tmp_path, entries, TENSORS.items(), progress=told.append)
    assert file.name == SINGLE
    found = load_file(tmp_path / SINGLE)
    assert found.keys() == TENSORS.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in TENSORS.items()
    )
    assert sum(told) == sum(entry.size_bytes for entry in entries)
    written = (tmp_path / SINGLE).read_bytes()
    assert (len(written), hashlib.sha256(written).hexdigest()) == (file.size_bytes, file.sha256)


def test_several_files_and_their_index(tmp_path: Path) -> None:
    names = write(tmp_path, limit=80)
    assert names[-1] == INDEX
    assert names[0] == f"model-00001-of-{len(names) - 1:05d}.safetensors"
    index = json.loads((tmp_path / INDEX).read_text())
    assert index["weight_map"].keys() == TENSORS.keys()
    for name, file_name in index["weight_map"].items():
        assert torch.equal(load_file(tmp_path / file_name)[name], TENSORS[name])
    assert index["metadata"]["total_size"] == sum(t.numel() * t.element_size() for t in TENSORS.values())
    read = dict(Weights.open(tmp_path).read())
    assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())


def test_a_file_is_full_before_the_next_begins_and_a_large_tensor_has_its_own() -> None:
    entries = [Entry(name, torch.float32, (size,)) for name, size in (("a", 5), ("b", 5), ("c", 30), ("d", 1))]
    assert [[entry.name for entry in group] for group in shards(entries, 40).values()] == [["a", "b"], ["c"], ["d"]]


def test_tensors_must_come_as_announced(tmp_path: Path) -> None:
    entries = [Entry("a", torch.float32, (2,))]
    with pytest.raises(AssertionError, match="was announced"):
        write_weights(tmp_path, entries, [("a", torch.zeros(3))])
    with pytest.raises(AssertionError, match="without being announced"):
        write_weights(tmp_path, entries, [("a", torch.zeros(2)), ("b", torch.zeros(2))])


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "cut":
        path.write_bytes(whole[:-9])
    elif how == "nothing":
        path.write_bytes(b"")
    elif how == "noise":
        path.write_bytes(b"\xff" * 64)
    elif how == "pickle":
        torch.save({"a": torch.zeros(1)}, path)
    elif how == "header":
        path.write_bytes(struct.pack("<Q", 10**12) + whole[8:])


@pytest.mark.parametrize("how", ["cut", "nothing", "noise", "pickle", "header"])
def test_damage_is_found(tmp_path: Path, how: str) -> None:
    write(tmp_path)
    damage(tmp_path / SINGLE, how)
    with pytest.raises(BuildError, match=r"E813.*model.safetensors"):
        Weights.open(tmp_path)


def test_a_format_that_no_model_has(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, dtype=torch.int16)}, tmp_path / SINGLE)
    with pytest.raises(BuildError, match=r"E813.*I16"):
        Weights.open(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": "../../etc/passwd"}}', '{"weight_map": {"a": 1}}']
)
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(BuildError, match="E813"):
        Weights.open(tmp_path)


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="E812"):
        Weights.open(tmp_path)
