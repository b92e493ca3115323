"""The specs that ship, narrowed until they fit a test: built, written, read back, decoded token by token."""

from pathlib import Path

import pytest
import torch

import lfm_arch
from lfm_arch.lower.model import Model
from lfm_arch.runtime.architecture import Architecture, read
from lfm_arch.runtime.build import build_directory
from lfm_arch.runtime.generate import generate
from lfm_arch.runtime.state import new_state

SPECS = Path(__file__).parents[2] / "specs"
VOCAB, TOKENS = 400, 19
LFM2 = ("dims.hidden_size=64", "dims.num_heads=8", "operators.attn.num_kv_heads=4", "dims.intermediate_size=96")
NARROWED: dict[str, tuple[str, ...]] = {
    "lfm2-350m": LFM2,
    "lfm2-2.6b": LFM2,
    "lfm2-8b-a1b": (*LFM2, "moe[0].intermediate_size=16", "moe[0].num_experts=8"),
    "lfm3-1.7b": (
        *("dims.hidden_size=64", "dims.num_heads=4", "dims.num_kv_heads=2", "dims.head_dim=16"),
        *("operators.swiglu.intermediate_size=96", "operators.window.window_size=6"),
    ),
    "lfm1-40b-style": (
        *("dims.hidden_size=64", "dims.num_heads=8", "operators.attn.num_kv_heads=2", "dims.condition_size=8"),
        *("operators.swiglu.intermediate_size=96", "operators.adaptive.rank=8"),
        *("moe[0].intermediate_size=16", "moe[0].num_experts=8"),
    ),
}


@pytest.fixture(scope="module", params=NARROWED)
def made(request: pytest.FixtureRequest) -> Architecture:
    sets = (*NARROWED[request.param], f"featurizers.text.vocab_size={VOCAB}", "expect=null")
    return read(SPECS / f"{request.param}.yaml", sets=sets)


def awake(model: Model) -> Model:
    """Widen the first values, so that thirty layers say something else than their input."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(parameter.shape[-1] ** -0.5 / float(parameter.std()))
    return model


@torch.no_grad()
def test_decoding_equals_one_pass(made: Architecture) -> None:
    model = awake(lfm_arch.build(made.spec, seed=1))
    ids = torch.randint(0, VOCAB, (2, TOKENS), generator=torch.Generator().manual_seed(0))
    whole = model(ids)
    assert whole.std() > 0.1
    for chunks in ([1] * TOKENS, [8, 1, 1, 9]):
        state = new_state(model, batch=2, capacity=TOKENS)
        pieces = torch.cat([model(piece, state=state) for piece in ids.split(chunks, dim=1)], dim=1)
        torch.testing.assert_close(pieces, whole, rtol=1e-3, atol=1e-3)
    padded = torch.cat([torch.zeros(2, 3, dtype=torch.long), ids], dim=1)
    mask = (torch.arange(TOKENS + 3) >= 3).expand(2, -1)
    torch.testing.assert_close(model(padded, mask=mask)[:, 3:], whole, rtol=1e-3, atol=1e-3)


def test_written_and_read_back(made: Architecture, tmp_path: Path) -> None:
    card = build_directory(made, tmp_path / "out", seed=1, shard_bytes=100_000)
    model = lfm_arch.load(tmp_path / "out", verify=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == card["counts"]["params"]
    (tokens,) = generate(model, [5, 6, 7], max_new_tokens=4)
    assert [tokens] == generate(lfm_arch.build(made.spec, seed=1), [5, 6, 7], max_new_tokens=4)


def test_every_parameter_is_trained(made: Architecture) -> None:
    model = awake(lfm_arch.build(made.spec))
    ids = torch.randint(0, VOCAB, (2, 64), generator=torch.Generator().manual_seed(0))
    model(ids).log_softmax(-1)[..., 0].mean().backward()
    silent = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []


@torch.no_grad()
def test_text_pictures_and_speech_in_one_stream() -> None:
    sets = (*LFM2, "featurizers.audio.num_mel_bins=20", "heads.sentence.size=6", "expect=null")
    model = awake(lfm_arch.build(SPECS / "lfm2-omni-style.yaml", sets=(*sets, f"featurizers.text.vocab_size={VOCAB}")))
    image, audio = torch.randn(1, 3, 64, 32), torch.randn(1, 160 * 4 * 5)
    patches = model.get_submodule("image")(image).shape[1]
    frames = model.get_submodule("audio")(audio).shape[1]
    ids = torch.tensor([[1, 2, *[396] * patches, 3, *[397] * frames, 4, 5]])
    whole = model(ids, image=image, audio=audio)
    assert whole["lm"].shape == (1, ids.shape[1], VOCAB)
    assert whole["sentence"].shape == (1, 6)
    # the picture does not reach back, and it does reach forward
    other = model(ids, image=-image, audio=audio)
    torch.testing.assert_close(other["lm"][:, :2], whole["lm"][:, :2])
    assert not torch.allclose(other["lm"][:, -1], whole["lm"][:, -1])
    (tokens,) = generate(model, ids, max_new_tokens=3, image=image, audio=audio)
    assert tokens[0] == int(whole["lm"][0, -1].argmax())
