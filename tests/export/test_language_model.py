"""`LfmArchForCausalLM` is our model behind transformers' interface: logits, loss, cache, generation, files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lfm_arch.core.errors import BuildError
from lfm_arch.export import hugging_face
from lfm_arch.export.hugging_face import register, to_custom
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.regression.declaration import Regression
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.runtime.checkpoint import save
from lfm_arch.runtime.generate import generate
from lfm_arch.spec.arch import SharedFeatures, SharedWeights
from lfm_arch.spec.model import load_spec
from tests.graph.example import ATTENTION, CONV, layer, spec

pytest.importorskip("transformers")
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from lfm_arch.export.language_model import CACHE, LfmArchConfig, LfmArchForCausalLM

MODELS = [path for path in (Path(__file__).parents[2] / "specs").rglob("*.yaml") if "kind: model" in path.read_text()]
WINDOW = Attention(num_heads=4, num_kv_heads=2, head_dim=8, rope=Rope(theta=1e4), window_size=4)
MOE = MoE(num_experts=4, experts_per_token=2, intermediate_size=16, router="sigmoid", selection_bias=True)
CUSTOM = spec(
    layer(CONV),
    layer(ATTENTION, MOE),
    layer(WINDOW),
    layer(CONV),
    layer(ATTENTION),
    layer(ATTENTION),
    name="custom",
    shared_weights=(SharedWeights(what=("layer",), layers=(0, 3)),),
    shared_features=(SharedFeatures(feature="kv", layers=(4, 5)),),
)
"""Windows, experts, a layer used twice and keys used twice: no class of transformers has all of it."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Any, Path]:
    """Our model, and theirs loaded from its export."""
    where = tmp_path_factory.mktemp("custom")
    ours = lower(compile_graph(CUSTOM), seed=3)
    with torch.no_grad():
        ours.get_buffer("layers.1.channel.selection_bias").copy_(torch.tensor([0.1, -0.3, 0.2, 0.4]))
    save(ours, CUSTOM, where / "build")
    done = to_custom(where / "build", where / "export")
    assert done.architecture == "LfmArchForCausalLM"
    register()
    loaded: Any = AutoModelForCausalLM.from_pretrained(where / "export", output_loading_info=True)
    theirs, told = loaded
    assert not told["missing_keys"], told
    assert not told["unexpected_keys"], told
    return ours, theirs.eval(), where


@pytest.fixture(scope="module")
def ids_BT() -> Tensor:
    return torch.randint(1, 64, (2, 11), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_logits_are_ours(pair: tuple[Model, Any, Path], ids_BT: Tensor) -> None:
    ours, theirs, _ = pair
    assert type(theirs) is LfmArchForCausalLM
    logits = ours(ids_BT)
    assert logits.std() > 0.01
    # the same module on the same input, but threads may add up in another order
    for same in (theirs(ids_BT).logits, theirs(ids_BT, return_dict=False)[0]):
        torch.testing.assert_close(same, logits, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(theirs(ids_BT, logits_to_keep=3).logits, logits[:, -3:], rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_a_cache_continues_piece_by_piece(pair: tuple[Model, Any, Path], ids_BT: Tensor) -> None:
    """It grows on the way: nobody told it how long the text will be."""
    ours, theirs, _ = pair
    cache, logits = None, []
    for piece in ids_BT.split([3, 1, 5, 2], dim=1):
        output = theirs(piece, use_cache=True, **{CACHE: cache})
        cache = output[CACHE]
        logits.append(output.logits)
    assert cache is not None
    assert cache.get_seq_length() == 11
    torch.testing.assert_close(torch.cat(logits, dim=1), ours(ids_BT), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_no_cache_is_made_unless_asked(pair: tuple[Model, Any, Path], ids_BT: Tensor) -> None:
    assert pair[1](ids_BT).get(CACHE) is None


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "anew"])
def test_generates_what_ours_generates(pair: tuple[Model, Any, Path], ids_BT: Tensor, cached: bool) -> None:
    ours, theirs, _ = pair
    made = theirs.generate(ids_BT, max_new_tokens=9, do_sample=False, use_cache=cached)
    assert made[:, 11:].tolist() == generate(ours, ids_BT, max_new_tokens=9)


def test_beams_reorder_the_cache(pair: tuple[Model, Any, Path], ids_BT: Tensor) -> None:
    theirs = pair[1]
    beams: dict[str, Any] = {"max_new_tokens": 9, "do_sample": False, "num_beams": 3}
    with_cache, without = (theirs.generate(ids_BT, **beams, use_cache=use) for use in (True, False))
    assert torch.equal(with_cache, without)


def test_left_padded_prompts(pair: tuple[Model, Any, Path], ids_BT: Tensor) -> None:
    ours, theirs, _ = pair
    padded_BT, mask_BT = ids_BT.clone(), torch.ones_like(ids_BT)
    padded_BT[0, :4], mask_BT[0, :4] = 0, 0
    made = theirs.generate(padded_BT, attention_mask=mask_BT, max_new_tokens=6, do_sample=False)
    rows = [ids_BT[0, 4:].tolist(), ids_BT[1].tolist()]
    assert made[:, 11:].tolist() == generate(ours, rows, max_new_tokens=6)


def test_loss_is_that_of_the_next_token(pair: tuple[Model, Any, Path], ids_BT: Tensor) -> None:
    theirs = pair[1]
    labels = ids_BT.clone()
    labels[0, :5] = -100
    output = theirs(ids_BT, labels=labels)
    wanted = torch.nn.functional.cross_entropy(
        output.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
    )
    torch.testing.assert_close(output.loss, wanted)
    output.loss.backward()
    assert all(parameter.grad is not None for parameter in theirs.parameters() if parameter.requires_grad)
    theirs.zero_grad()


@torch.no_grad()
def test_saved_again_it_is_the_same(pair: tuple[Model, Any, Path], ids_BT: Tensor, tmp_path: Path) -> None:
    """Transformers writes shared tensors once, and reads them back to all of their places."""
    _, theirs, _ = pair
    theirs.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert torch.equal(again(ids_BT).logits, theirs(ids_BT).logits)
    assert again.get_buffer("model.layers.1.channel.selection_bias").tolist() == pytest.approx([0.1, -0.3, 0.2, 0.4])
    assert sum(each.numel() for each in again.parameters()) == sum(each.numel() for each in theirs.parameters())


@torch.no_grad()
def test_a_new_model_has_the_first_values_of_a_build(ids_BT: Tensor) -> None:
    made = LfmArchForCausalLM(LfmArchConfig.of(CUSTOM)).eval()
    assert torch.equal(made(ids_BT).logits, lower(compile_graph(CUSTOM))(ids_BT))


@torch.no_grad()
def test_tensors_that_no_file_holds_get_their_first_values(
    pair: tuple[Model, Any, Path], ids_BT: Tensor, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    _, theirs, where = pair
    held = load_file(where / "export" / "model.safetensors")
    lost = "model.layers.2.mixer.q_proj.weight"
    del held[lost]
    (tmp_path / "config.json").write_text((where / "export" / "config.json").read_text())
    save_file(held, tmp_path / "model.safetensors", metadata={"format": "pt"})
    made = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    wanted = lower(compile_graph(CUSTOM)).get_parameter(lost.removeprefix("model."))
    assert torch.equal(made.get_parameter(lost), wanted)
    kept = "model.layers.2.mixer.k_proj.weight"
    assert torch.equal(made.get_parameter(kept), theirs.get_parameter(kept))


def test_the_configuration_holds_the_architecture(pair: tuple[Model, Any, Path]) -> None:
    _, theirs, where = pair
    assert architecture_id(compile_graph(theirs.config.spec)) == architecture_id(compile_graph(CUSTOM))
    held = json.loads((where / "export" / "config.json").read_text())
    assert (held["model_type"], held["vocab_size"], held["num_hidden_layers"]) == ("lfm_arch", 64, 6)
    assert "auto_map" not in held


def test_it_loads_in_another_process(pair: tuple[Model, Any, Path], ids_BT: Tensor) -> None:
    ours, _, where = pair
    program = (
        "import sys, torch\n"
        "from lfm_arch.export.hugging_face import register\n"
        "register()\n"
        "from transformers import AutoModelForCausalLM\n"
        "model = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "print(model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=4, do_sample=False)[0, 3:].tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(where / "export")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(generate(ours, [[5, 6, 7]], max_new_tokens=4)[0])


@pytest.mark.parametrize(
    "call", [{"inputs_embeds": torch.zeros(1, 1, 32)}, {"output_attentions": True}, {"output_hidden_states": True}],
    ids=lambda call: next(iter(call)),
)  # fmt: skip
def test_what_it_cannot_do_is_refused(pair: tuple[Model, Any, Path], ids_BT: Tensor, call: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="LfmArchForCausalLM"):
        pair[1](ids_BT, **call)


@pytest.mark.parametrize(
    "heads",
    [{"value": Regression(size=2)}, {"lm": LMHead(tied_to="text"), "value": Regression(size=2)}],
    ids=["another head", "two heads"],
)
def test_no_language_model(heads: dict[str, Any], tmp_path: Path) -> None:
    other = spec(heads=heads)
    save(lower(compile_graph(other)), other, tmp_path / "build")
    with pytest.raises(BuildError, match="E847"):
        to_custom(tmp_path / "build", tmp_path / "export")


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "find_spec", lambda _: None)
    with pytest.raises(BuildError, match="E846"):
        register()


@pytest.mark.parametrize("path", sorted(MODELS), ids=lambda path: path.stem)
def test_any_architecture_goes_through_a_configuration(path: Path) -> None:
    shipped = load_spec(path)
    config = LfmArchConfig(architecture=json.loads(json.dumps(shipped.model_dump(mode="json"))))
    assert config.spec == shipped
