"""Generation: greedy equals the argmax of single passes, padding changes nothing, a seed means the same tokens."""

from typing import Any

import pytest
import torch

from lfm_arch.core.errors import BuildError
from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.runtime.generate import Sampling, choose, generate, stream
from lfm_arch.runtime.state import new_state
from lfm_arch.spec.arch import ArchSpec, Fusion
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

WINDOW = Attention(num_heads=4, num_kv_heads=1, head_dim=8, rope=Rope(theta=1e4), window_size=4)
PROMPTS = [[5, 9, 2, 41, 3, 8, 1], [7], [1, 2, 3, 4]]


def made(architecture: ArchSpec) -> Model:
    model = lower(compile_graph(architecture), seed=3)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=2 * parameter.shape[-1] ** -0.5, generator=generator)
    return model


@pytest.fixture(scope="module")
def model() -> Model:
    return made(spec(layer(), layer(ATTENTION), layer(WINDOW)))


@torch.no_grad()
def by_hand(model: Model, prompt: list[int], steps: int) -> list[int]:
    """Feed the whole text again for every token."""
    text = list(prompt)
    for _ in range(steps):
        text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    return text[len(prompt) :]


def test_greedy_equals_reading_everything_again(model: Model) -> None:
    (tokens,) = generate(model, PROMPTS[0], max_new_tokens=12)
    assert tokens == by_hand(model, PROMPTS[0], 12)
    assert len(set(tokens)) > 3, "a model that repeats one token shows nothing"


def test_a_padded_batch_gives_what_each_prompt_gives_alone(model: Model) -> None:
    together = generate(model, PROMPTS, max_new_tokens=9)
    assert together == [by_hand(model, prompt, 9) for prompt in PROMPTS]
    assert generate(model, torch.tensor([PROMPTS[0]]), max_new_tokens=9) == together[:1]


def test_a_stop_token_ends_its_row_only(model: Model) -> None:
    free = generate(model, PROMPTS, max_new_tokens=9)
    stop = free[0][4]
    stopped = generate(model, PROMPTS, max_new_tokens=9, stop_ids=[stop])
    for row, tokens in enumerate(free):
        assert stopped[row] == (tokens[: tokens.index(stop)] if stop in tokens else tokens)


def test_streaming_ends_when_all_rows_have_ended(model: Model) -> None:
    (free,) = generate(model, PROMPTS[0], max_new_tokens=9)
    steps = list(stream(model, PROMPTS[0], max_new_tokens=50, stop_ids=[free[2]]))
    assert [step[0] for step in steps] == free[: free.index(free[2]) + 1]


def test_a_seed_means_the_same_tokens_and_rows_differ(model: Model) -> None:
    warm = Sampling(temperature=1.0, seed=4)
    first = generate(model, [PROMPTS[0]] * 3, max_new_tokens=12, sampling=warm)
    assert first == generate(model, [PROMPTS[0]] * 3, max_new_tokens=12, sampling=warm)
    assert len({tuple(row) for row in first}) == 3
    # a row's tokens do not depend on who else is in the batch
    assert generate(model, PROMPTS[0], max_new_tokens=12, sampling=warm) == first[:1]
    other = generate(model, PROMPTS[0], max_new_tokens=12, sampling=Sampling(temperature=1.0, seed=5))
    assert other != first[:1]


def draws(scores: list[float], **fields: Any) -> set[int]:
    sampling = Sampling(temperature=1.0, **fields)
    generator = torch.Generator().manual_seed(0)
    return {choose(torch.tensor([scores]), sampling, [generator])[0] for _ in range(300)}


def test_what_sampling_may_draw() -> None:
    scores = [3.0, 2.0, 1.0, 0.0]  # chances 0.644, 0.237, 0.087, 0.032
    assert draws(scores) == {0, 1, 2, 3}
    assert draws(scores, top_k=2) == {0, 1}
    assert draws(scores, top_k=9) == {0, 1, 2, 3}
    assert draws(scores, top_p=0.6) == {0}
    assert draws(scores, top_p=0.65) == {0, 1}
    assert draws(list(reversed(scores)), top_p=0.9) == {1, 2, 3}
    assert draws(scores, top_k=3, top_p=0.99) == {0, 1, 2}


def test_temperature_sharpens() -> None:
    scores = torch.tensor([[1.0, 0.0]])
    generator = torch.Generator().manual_seed(0)
    shares = []
    for temperature in (0.2, 1.0, 5.0):
        sampling = Sampling(temperature=temperature)
        shares.append(sum(choose(scores, sampling, [generator])[0] == 0 for _ in range(500)) / 500)
    assert shares[0] > 0.97
    assert shares == sorted(shares, reverse=True)
    assert 0.5 < shares[2] < 0.62


@pytest.mark.parametrize("order", [("image", "text"), ("text", "image")], ids="-".join)
def test_a_picture_in_front_or_behind_is_part_of_the_prompt(order: tuple[str, str]) -> None:
    featurizers = {"text": TokenEmbedding(vocab_size=64), "image": ImagePatches(patch_size=4)}
    both = made(spec(layer(), layer(ATTENTION), featurizers=featurizers, fusion=Fusion(type="prefix", streams=order)))
    pixels = torch.randn(2, 3, 8, 8)
    rows = generate(both, [[5, 9], [7, 8]], max_new_tokens=6, image=pixels)
    alone = generate(both, [7, 8], max_new_tokens=6, image=pixels[1:])
    assert rows[1] == alone[0]
    with torch.no_grad():
        seen, other = (both(text=torch.tensor([[7, 8]]), image=image) for image in (pixels[1:], -pixels[1:]))
    assert not torch.allclose(seen[:, -1], other[:, -1])
    if order[0] == "text":
        assert generate(both, [[5, 9, 2], [7, 8]], max_new_tokens=6, image=pixels)[1] == alone[0]
    else:
        with pytest.raises(BuildError, match="E821"):
            generate(both, [[5, 9, 2], [7, 8]], max_new_tokens=6, image=pixels)


def test_an_empty_state_has_the_declared_slots(model: Model) -> None:
    state = new_state(model, batch=3, capacity=17, dtype=torch.bfloat16)
    shapes = {layer: {name: tuple(slot.shape) for name, slot in slots.items()} for layer, slots in state.slots.items()}
    assert shapes == {
        "layers.0": {"window": (3, 32, 2)},
        "layers.1": {"key": (3, 2, 17, 8), "value": (3, 2, 17, 8)},
        "layers.2": {"key": (3, 1, 3, 8), "value": (3, 1, 3, 8)},
    }
    assert {slot.dtype for slots in state.slots.values() for slot in slots.values()} == {torch.bfloat16}


def test_a_model_that_cannot_generate_says_why() -> None:
    both_ways = Attention(num_heads=4, num_kv_heads=4, head_dim=8, direction="bidirectional")
    classifier = made(spec(layer(both_ways), heads={"mood": Classifier(num_classes=3, pool="mean")}))
    with pytest.raises(BuildError, match=r"E820.*no language model head"):
        generate(classifier, [1], max_new_tokens=1)


@pytest.mark.parametrize("prompt", [[], [[1], []], [64], [-1]], ids=str)
def test_prompts_that_cannot_be_read(model: Model, prompt: Any) -> None:
    with pytest.raises(BuildError, match="E821"):
        generate(model, prompt, max_new_tokens=1)


def test_bfloat16_generates() -> None:
    narrow = lower(compile_graph(spec(layer(CONV, SWIGLU), layer(ATTENTION))), dtype=torch.bfloat16)
    (tokens,) = generate(narrow, [1, 2, 3], max_new_tokens=5)
    assert len(tokens) == 5
