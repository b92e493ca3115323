"""Build directories: whole or not there, read back exactly, every mismatch said."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import lfm_arch
from lfm_arch.core.errors import BuildError, LfmArchError
from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.runtime.architecture import read
from lfm_arch.runtime.build import build, build_directory
from lfm_arch.runtime.checkpoint import load, save
from lfm_arch.spec.arch import ArchSpec, DepthGroup, SharedFeatures, SharedWeights
from tests.graph.example import ATTENTION, CONV, layer, spec

EXPERTS = MoE(num_experts=4, experts_per_token=2, intermediate_size=16, router="sigmoid", selection_bias=True)
SPECS = {
    "plain": spec(layer(), layer(ATTENTION)),
    "experts": spec(layer(), layer(ATTENTION, EXPERTS)),
    "shared": spec(
        *(layer(), layer(ATTENTION), layer(), layer(ATTENTION), layer(ATTENTION)),
        groups=(
            DepthGroup(name="trunk", start=0, stop=4, repeat=2, share="weights"),
            DepthGroup(name="tail", start=4, stop=5),
        ),
        shared_features=(SharedFeatures(feature="kv", layers=(3, 4), path="sharing[0]"),),
        shared_weights=(SharedWeights(what=("channel", "norm"), layers=(0, 4), path="sharing[1]"),),
    ),
}
SMALL = SPECS["plain"]
IDS = torch.tensor([[1, 5, 9, 2]])


@pytest.fixture
def built(tmp_path: Path) -> Path:
    build_directory(read(SMALL), tmp_path / "small", seed=7)
    return tmp_path / "small"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("architecture", SPECS.values(), ids=SPECS.keys())
def test_what_is_built_part_by_part_is_what_is_built_whole(architecture: ArchSpec, dtype: str, tmp_path: Path) -> None:
    made = read(architecture)
    card = build_directory(made, tmp_path / "streamed", dtype=dtype, seed=3, shard_bytes=20_000)
    whole = build(architecture, dtype=dtype, seed=3)
    save(whole, architecture, tmp_path / "saved")
    streamed, saved = load(tmp_path / "streamed", verify=True), load(tmp_path / "saved")
    for model in (streamed, saved):
        found = model.state_dict()
        assert found.keys() == whole.state_dict().keys()
        for name, tensor in whole.state_dict().items():
            assert torch.equal(found[name], tensor), name
            assert found[name].dtype == tensor.dtype
        assert len(list(model.parameters())) == len(list(whole.parameters()))
        torch.testing.assert_close(model(IDS), whole(IDS))
    # every tensor is stored once
    stored = load_file(tmp_path / "saved" / "model.safetensors")
    assert sum(tensor.numel() for name, tensor in stored.items() if "bias" not in name) == card["counts"]["params"]
    assert card["counts"]["params"] == made.totals.params


def test_the_directory_and_its_card(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == ["README.md", "card.json", "model.safetensors", "spec.yaml"]
    card = json.loads((built / "card.json").read_text())
    assert card["weights"] == "random"
    assert card["seed"] == 7
    assert card["dtype"] == "float32"
    assert card["architecture_id"] == read(SMALL).id
    assert card["counts"]["layout"] == "cA"
    assert sum(part["params"] for part in card["parts"]) == card["counts"]["params"]
    assert [part["mixer"] for part in card["parts"] if part["kind"] == "layer"] == ["short_conv", "attention"]
    assert card["counts"]["cache_bytes"]["4096"] == 4096 * 2 * 2 * 2 * 8 + 2 * 32 * 2
    assert (
        card["versions"]["torch"] == torch.__version__.split("+")[0] or card["versions"]["torch"] == torch.__version__
    )
    assert set(card["files"]) == {"spec.yaml", "model.safetensors"}
    text = (built / "README.md").read_text()
    assert f"{card['counts']['params']:,}" in text
    assert "nothing was trained" in text


def test_two_builds_are_equal_byte_for_byte(built: Path, tmp_path: Path) -> None:
    build_directory(read(SMALL), tmp_path / "again", seed=7)
    for path in built.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_loading_elsewhere_and_otherwise(built: Path) -> None:
    narrow = load(built, dtype="bfloat16")
    assert {parameter.dtype for parameter in narrow.parameters()} == {torch.bfloat16}
    outline = lfm_arch.load(built, device="meta")
    assert {parameter.device.type for parameter in outline.parameters()} == {"meta"}


def test_a_build_is_never_written_over(built: Path) -> None:
    before = (built / "model.safetensors").read_bytes()
    with pytest.raises(BuildError, match=r"E810.*--force"):
        build_directory(read(SMALL), built, seed=8)
    assert (built / "model.safetensors").read_bytes() == before
    build_directory(read(SMALL), built, seed=8, force=True)
    assert (built / "model.safetensors").read_bytes() != before
    assert [path.name for path in built.parent.iterdir()] == ["small"]


def test_what_is_no_build_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BuildError, match=r"E810.*no build"):
        build_directory(read(SMALL), tmp_path, force=True)
    with pytest.raises(BuildError, match="E810"):
        build_directory(read(SMALL), tmp_path / "thesis.txt", force=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    build_directory(read(SMALL), tmp_path / "empty")


def python(program: str, argument: Path) -> str:
    """Run a program in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(argument)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FULL = """
import resource, signal, sys
from pathlib import Path
from lfm_arch.core.errors import BuildError
from lfm_arch.runtime.architecture import read
from lfm_arch.runtime.build import build_directory
from tests.runtime.test_checkpoint import SMALL
made = read(SMALL)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    build_directory(made, Path(sys.argv[1]), force=True)
except BuildError as error:
    print(error.diagnostics[0].code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_when_the_disk_is_full_nothing_half_written_is_left(built: Path) -> None:
    """The system refuses to write beyond a size, in the middle of the weights."""
    before = {path.name: path.read_bytes() for path in built.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(built)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "E811", done.stderr
    assert [path.name for path in built.parent.iterdir()] == ["small"]
    assert {path.name: path.read_bytes() for path in built.iterdir()} == before


def test_a_place_that_may_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="E811"):
        build_directory(read(SMALL), tmp_path / "file" / "below")


def test_too_little_room_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 1000))  # type: ignore[attr-defined]
    with pytest.raises(BuildError, match=r"E811.*1000 B are free"):
        build_directory(read(SMALL), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_directory(read(SMALL), tmp_path / "out", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def edit(directory: Path, change: Any) -> None:
    path = directory / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def codes(directory: Path, **options: Any) -> list[str]:
    with pytest.raises(LfmArchError) as raised:
        load(directory, **options)
    return [each.code for each in raised.value.diagnostics]


def test_every_mismatch_is_said_at_once(built: Path) -> None:
    def change(tensors: dict[str, Any]) -> None:
        tensors["layers.9.mixer.conv.weight"] = torch.zeros(3)
        del tensors["layers.0.mixer_norm.weight"]
        tensors["layers.0.mixer.conv.weight"] = torch.zeros(32, 1, 4)
        tensors["text.weight"] = tensors["text.weight"].half()

    edit(built, change)
    assert sorted(codes(built)) == ["E814", "E814", "E815", "E816"]


def test_damaged_and_missing_files(built: Path) -> None:
    weights = built / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 255
    weights.write_bytes(data)
    load(built)
    assert codes(built, verify=True) == ["E813"]
    weights.write_bytes(data[:-5])
    assert codes(built) == ["E813"]
    weights.unlink()
    assert codes(built) == ["E812"]
    (built / "card.json").write_text('{"format": 99}')
    assert codes(built) == ["E813"]
    (built / "card.json").write_text("{")
    assert codes(built) == ["E813"]
    (built / "card.json").unlink()
    assert codes(built) == ["E812"]
    assert codes(built / "nowhere") == ["E812"]
    assert codes(Path(__file__)) == ["E812"]


def test_a_spec_that_was_edited_or_lost(built: Path) -> None:
    path = built / "spec.yaml"
    text = path.read_text()
    assert "kernel_size: 3" in text
    path.write_text(text.replace("kernel_size: 3", "kernel_size: 4"))
    assert codes(built) == ["E817"]
    path.write_text("lfm_arch: [")
    assert codes(built)[0].startswith("E1")
    path.unlink()
    assert codes(built) == ["E812"]


def test_a_build_without_weights(tmp_path: Path) -> None:
    card = build_directory(read(SMALL), tmp_path / "m", device="meta")
    assert card["weights"] == "none"
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["README.md", "card.json", "spec.yaml"]
    assert codes(tmp_path / "m") == ["E818"]
    assert load(tmp_path / "m", device="meta").slots.keys() == {"layers.0", "layers.1"}


def test_saving_a_model_of_another_architecture(tmp_path: Path) -> None:
    other = lower(compile_graph(spec(layer(CONV))))
    with pytest.raises(BuildError, match="E814"):
        save(other, SMALL, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_were_trained_come_back(tmp_path: Path) -> None:
    model = build(SMALL)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(IDS).square().mean().backward()
    optimizer.step()
    card = save(model, SMALL, tmp_path / "out")
    assert card["weights"] == "trained"
    torch.testing.assert_close(load(tmp_path / "out")(IDS), model(IDS))


@pytest.mark.parametrize("options", [{"device": "nowhere"}, {"device": "cuda:99"}, {"dtype": "int8"}], ids=str)
def test_devices_and_formats_that_are_not_there(options: dict[str, str]) -> None:
    with pytest.raises(BuildError, match="E823"):
        build(SMALL, **options)  # type: ignore[arg-type]


def test_memory_stays_bounded_while_writing(tmp_path: Path) -> None:
    """A model of 240 MB is written with a fifth of that in memory: parts are made, written, and forgotten."""
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding\n"
        "from lfm_arch.operators.swiglu.declaration import SwiGLU\n"
        "from lfm_arch.runtime.architecture import read\n"
        "from lfm_arch.runtime.build import build_directory\n"
        "from tests.graph.example import CONV, layer, spec\n"
        "layers = [layer(CONV, SwiGLU(intermediate_size=2048)) for _ in range(20)]\n"
        "made = read(spec(*layers, hidden_size=320, featurizers={'text': TokenEmbedding(vocab_size=64)}))\n"
        "build_directory(made, Path(sys.argv[1]) / 'tiny', device='meta')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "card = build_directory(made, Path(sys.argv[1]) / 'out')\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(card['counts']['weight_bytes'], (after - before) * 1024)\n"
    )
    written, grown = map(int, python(program, tmp_path).split())
    assert written > 180e6
    assert grown < written / 5, f"{grown:,} bytes for {written:,}"
