"""Text, vectors, and the vectors that condition; what a spec may not say about featurizers and heads."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from lfm_arch.core.errors import GraphError, InputError
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.registry import FEATURIZERS, HEADS, AnyFeaturizer, AnyHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.featurizers.vectors.declaration import Vectors
from lfm_arch.parts.pool import pool

SPEECH = {
    "type": "audio_frames",
    "sample_rate": 16_000,
    "num_mel_bins": 80,
    "n_fft": 400,
    "hop_length": 160,
    "stride": 2,
}


def refused(kind: Any, written: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(written)
    (error,) = caught.value.errors()
    assert error["type"] == "lfm_arch", error
    return error.get("ctx", {})


def test_an_id_finds_its_row_scaled() -> None:
    module = TokenEmbedding(vocab_size=9, scale=3.0).build(4)
    torch.testing.assert_close(module(torch.tensor([[2, 8]])), 3 * module.weight[None, [2, 8]])


def test_a_short_pass_touches_few_rows() -> None:
    embedding = TokenEmbedding(vocab_size=100)
    assert embedding.cost(8, Workload(batch=2, tokens=3)).touched_params == 6 * 8
    assert embedding.cost(8, Workload(tokens=4096)).touched_params == 100 * 8


def test_pooled_is_a_linear_map_of_the_mean() -> None:
    module = Pooled(source="text", size=3).build(8)
    x_BTD = torch.randn(2, 5, 8)
    torch.testing.assert_close(module(stream=x_BTD), module.proj(x_BTD.sum(1) / 5))


@pytest.mark.parametrize("how", ["mean", "last", "first"])
def test_pooling_leaves_gaps_out(how: Any) -> None:
    x_BTD = torch.randn(3, 6, 4)
    mask_BT = torch.tensor([[0, 0, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0]], dtype=torch.bool)
    pooled = pool(x_BTD, how, mask_BT)
    for row in range(3):
        real = x_BTD[row][mask_BT[row]]
        expected = {"mean": real.mean(0), "last": real[-1], "first": real[0]}[how]
        torch.testing.assert_close(pooled[row], expected)


@pytest.mark.parametrize(
    ("module", "raw"),
    [(Features(size=4).build(8), torch.rand(2, 5)), (Vectors(size=4).build(8), torch.rand(2, 4))],
    ids=["features", "vectors"],
)
def test_vectors_of_another_size_are_refused(module: torch.nn.Module, raw: torch.Tensor) -> None:
    with pytest.raises(InputError, match="E223"):
        module(raw)


def test_a_tied_head_takes_over_the_vocabulary() -> None:
    text = TokenEmbedding(vocab_size=11)
    head = LMHead(tied_to="text").resolve({"text": text})
    assert head.vocab_size == 11
    assert head.params(8) == 0
    assert head.cost(8, Workload(tokens=2)).touched_params == 88
    x_BTD, weight = torch.randn(1, 2, 8), text.build(8).weight
    torch.testing.assert_close(head.build(8)(x_BTD, weight), x_BTD @ weight.t())


def test_a_head_with_a_vocabulary_keeps_it() -> None:
    head = LMHead(vocab_size=5)
    assert head.resolve({}) is head


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        (LMHead(tied_to="txt"), "'txt', which is no featurizer.*use one of text"),
        (LMHead(tied_to="image"), "'image', which is image_patches without a vocabulary"),
        (LMHead(tied_to="text", vocab_size=12), "vocab_size=12, but 'text' has 11 rows"),
    ],
    ids=["unknown", "image", "another size"],
)
def test_a_head_tied_to_something_else_is_refused(head: LMHead, complaint: str) -> None:
    with pytest.raises(GraphError, match=rf"E222.*{complaint}"):
        head.resolve({"text": TokenEmbedding(vocab_size=11), "image": ImagePatches(patch_size=2)})


def test_a_head_without_a_vocabulary_is_refused() -> None:
    assert refused(AnyHead, {"type": "lm_head"})["code"] == "E220"


def test_a_classifier_is_not_tied() -> None:
    wrong = refused(AnyHead, {"type": "classifier", "num_classes": 3, "pool": "mean", "tied_to": "text"})
    assert (wrong["code"], wrong["field"]) == ("E221", "tied_to")
    assert "classifier" in wrong["message"]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"hop_length": 401}, "hop_length"), ({"num_mel_bins": 201}, "num_mel_bins")],
    ids=["hop", "mel"],
)
def test_an_impossible_spectrogram_is_refused(change: dict[str, int], field: str) -> None:
    wrong = refused(AnyFeaturizer, SPEECH | change)
    assert (wrong["code"], wrong["field"]) == ("E224", field)


@pytest.mark.parametrize(
    ("union", "parts"), [(AnyFeaturizer, FEATURIZERS), (AnyHead, HEADS)], ids=["featurizers", "heads"]
)
def test_the_schema_names_every_type(union: Any, parts: tuple[type, ...]) -> None:
    schema = TypeAdapter(union).json_schema()
    assert set(schema["discriminator"]["mapping"]) == {part.model_fields["type"].default for part in parts}
