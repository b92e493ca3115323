"""Every featurizer and every head keeps its promises, and the checks notice when one does not."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.audio_frames.declaration import AudioFrames
from lfm_arch.featurizers.base import Featurizer, Head
from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.classifier.module import ClassifierModule
from lfm_arch.featurizers.contract import check_featurizer, check_head
from lfm_arch.featurizers.embedding.declaration import Embedding
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.registry import FEATURIZERS, HEADS
from lfm_arch.featurizers.regression.declaration import Regression
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.featurizers.vectors.declaration import Vectors
from lfm_arch.featurizers.vectors.module import VectorsModule
from lfm_arch.featurizers.video_tubelets.declaration import VideoTubelets

_DRAW = torch.Generator().manual_seed(1)


def _rand(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=_DRAW)


_SPEECH: dict[str, Any] = {"sample_rate": 16_000, "num_mel_bins": 20, "n_fft": 100}

EXAMPLES: tuple[tuple[Featurizer, Tensor | dict[str, Tensor]], ...] = (
    (TokenEmbedding(vocab_size=50), torch.randint(50, (2, 7), generator=_DRAW)),
    (TokenEmbedding(vocab_size=5, scale=5.5), torch.randint(5, (3, 7), generator=_DRAW)),
    (ImagePatches(patch_size=4), _rand(2, 3, 8, 12)),
    (ImagePatches(patch_size=2, channels=1, merge=2), _rand(2, 1, 8, 12)),
    (ImagePatches(patch_size=3, channels=2, merge=3), _rand(2, 2, 9, 9)),
    (AudioFrames(**_SPEECH, hop_length=40, stride=2), _rand(2, 40 * 2 * 6) - 0.5),
    (AudioFrames(**_SPEECH, hop_length=50, stride=3), _rand(2, 50 * 3 * 4) - 0.5),
    (VideoTubelets(patch_size=4, frames_per_tubelet=2), _rand(2, 6, 3, 8, 12)),
    (VideoTubelets(patch_size=2, frames_per_tubelet=1, channels=1), _rand(2, 3, 1, 4, 4)),
    (Vectors(size=6), _rand(2, 5, 6)),
    (Features(size=6), _rand(2, 6)),
    (Pooled(source="text", size=6), {"stream": _rand(2, 5, 32)}),
)
HEAD_EXAMPLES: tuple[Head, ...] = (
    LMHead(vocab_size=40),
    LMHead(vocab_size=40, tied_to="text"),
    *(Classifier(num_classes=3, pool=pool) for pool in ("mean", "last", "first")),
    Regression(size=4),
    *(Regression(size=4, pool=pool) for pool in ("mean", "last", "first")),
    Embedding(size=6, pool="mean"),
    Embedding(size=6, pool="last", normalize=False),
)


@pytest.mark.parametrize(("featurizer", "raw"), EXAMPLES, ids=lambda value: repr(value)[:60])
def test_featurizers_keep_their_promises(featurizer: Featurizer, raw: Tensor | dict[str, Tensor]) -> None:
    tokens = raw["stream"].shape[1] if isinstance(raw, dict) else None
    check_featurizer(featurizer, raw, tokens=tokens)
    check_featurizer(featurizer, raw, tokens=tokens, seed=1)


@pytest.mark.parametrize("head", HEAD_EXAMPLES, ids=repr)
def test_heads_keep_their_promises(head: Head) -> None:
    check_head(head)


def test_every_featurizer_has_an_example() -> None:
    assert {type(featurizer) for featurizer, _ in EXAMPLES} == set(FEATURIZERS)


def test_every_head_has_an_example() -> None:
    assert {type(head) for head in HEAD_EXAMPLES} == set(HEADS)


class _MiscountedVectors(Vectors):
    """Forgets its bias."""

    def cost(self, width: int, work: Workload) -> Cost:
        return Cost(params=self.size * width)


class _IdleVectors(Vectors):
    """Declares less work than it does."""

    def cost(self, width: int, work: Workload) -> Cost:
        held = super().cost(width, work)
        return Cost(params=held.params, active_params=held.params, touched_params=held.params)


class _LostVectors(Vectors):
    """Names a size that it does not put out."""

    def gives(self, name: str, width: int) -> TensorType:
        return TensorType(("batch", f"{name}_tokens", width + 1))


class _MixingModule(VectorsModule):
    def forward(self, vectors_BTC: Tensor) -> Tensor:
        return super().forward(vectors_BTC) + vectors_BTC.mean()


class _MixingVectors(Vectors):
    """Lets sequences of a batch see each other."""

    def build(self, width: int) -> VectorsModule:
        return _MixingModule(self.size, width)


class _DetachedModule(VectorsModule):
    def forward(self, vectors_BTC: Tensor) -> Tensor:
        return super().forward(vectors_BTC.detach())


class _DetachedVectors(Vectors):
    """Cuts the gradient."""

    def build(self, width: int) -> VectorsModule:
        return _DetachedModule(self.size, width)


class _FloatModule(VectorsModule):
    def forward(self, vectors_BTC: Tensor) -> Tensor:
        return super().forward(vectors_BTC).float()


class _FloatVectors(Vectors):
    """Ignores the number format of the model."""

    def build(self, width: int) -> VectorsModule:
        return _FloatModule(self.size, width)


@pytest.mark.parametrize(
    ("featurizer", "complaint"),
    [
        (_MiscountedVectors(size=6), "parameters, holds"),
        (_IdleVectors(size=6), "FLOPs declared"),
        (_LostVectors(size=6), "puts out"),
        (_MixingVectors(size=6), "not what it is alone"),
        (_DetachedVectors(size=6), "no gradient reaches raw"),
        (_FloatVectors(size=6), "in bfloat16 puts out"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broken_promise_is_noticed(featurizer: Featurizer, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_featurizer(featurizer, _rand(2, 5, 6))


class _UnmaskedModule(ClassifierModule):
    def forward(self, x_BTD: Tensor, weight: Tensor | None = None, mask_BT: Tensor | None = None) -> Tensor:
        del mask_BT
        return super().forward(x_BTD, weight)


class _UnmaskedClassifier(Classifier):
    """Pools padding too."""

    def build(self, width: int) -> ClassifierModule:
        return _UnmaskedModule(width, self.num_classes, self.pool)


def test_a_head_that_pools_padding_is_noticed() -> None:
    with pytest.raises(AssertionError, match="padded on the left"):
        check_head(_UnmaskedClassifier(num_classes=3, pool="mean"))


class _StuckModule(ClassifierModule):
    def __init__(self, width: int, size: int) -> None:
        super().__init__(width, size, "mean")
        self.unused = nn.Parameter(torch.zeros(3))


class _StuckClassifier(Classifier):
    """Holds a parameter that nothing uses."""

    def params(self, width: int) -> int:
        return super().params(width) + 3

    def cost(self, width: int, work: Workload) -> Cost:
        return super().cost(width, work) + Cost(params=3, active_params=3)

    def build(self, width: int) -> ClassifierModule:
        return _StuckModule(width, self.num_classes)


def test_a_head_with_a_dead_parameter_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no gradient reaches unused"):
        check_head(_StuckClassifier(num_classes=3, pool="mean"))
