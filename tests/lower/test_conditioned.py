"""Whole models whose layers are modulated by features: their own, an earlier layer's, another input's."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lfm_arch.featurizers.audio_frames.declaration import AudioFrames
from lfm_arch.featurizers.base import Featurizer, Head
from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.embedding.declaration import Embedding
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.regression.declaration import Regression
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.featurizers.vectors.declaration import Vectors
from lfm_arch.featurizers.video_tubelets.declaration import VideoTubelets
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv
from lfm_arch.operators.adaptive_experts.declaration import AdaptiveExperts
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.base import Operator
from lfm_arch.operators.condition import FeaturizerCondition, RunningMeanCondition, TokenCondition
from lfm_arch.operators.full_adaptive_experts.declaration import FullAdaptiveExperts
from lfm_arch.operators.full_adaptive_linear.declaration import FullAdaptiveLinear
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.runtime.state import new_state
from lfm_arch.spec.arch import ArchSpec, Fusion, Layer, SharedFeatures

NORM = RMSNorm(eps=1e-5)
TEXT = TokenEmbedding(vocab_size=40)
LM = LMHead(tied_to="text")
PROMPT = FeaturizerCondition(name="summary", size=6)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def layer(mixer: Operator | None = None, channel: Operator | None = None) -> Layer:
    return Layer(block="b", group="trunk", mixer=mixer, channel=channel, norm=NORM)


def conv(condition: Any) -> AdaptiveConv:
    return AdaptiveConv(kernel_size=3, num_heads=2, head_dim=8, condition=condition)


def model_of(
    *layers: Layer,
    featurizers: dict[str, Featurizer] | None = None,
    heads: dict[str, Head] | None = None,
    fusion: Fusion | None = None,
    shared: tuple[int, ...] = (),
) -> Model:
    spec = ArchSpec(
        name="small",
        hidden_size=16,
        featurizers=featurizers or {"text": TEXT},
        layers=layers,
        final_norm=NORM,
        heads=heads or {"lm": LM},
        fusion=fusion,
        shared_features=(SharedFeatures(feature="condition", layers=shared),) if shared else (),
    )
    graph = compile_graph(spec)
    model = lower(graph)
    with torch.no_grad():
        for parameter in model.parameters():
            # first values are small enough to hide that features change anything
            if parameter.ndim > 1:
                parameter.normal_(std=parameter.shape[-1] ** -0.5)
    assert totals(graph).params == sum(parameter.numel() for parameter in model.parameters())
    return model.eval()


def stepwise(model: Model, ids_BT: Tensor, chunk: int, **inputs: Tensor) -> Tensor:
    state = new_state(model, batch=len(ids_BT), capacity=ids_BT.shape[1])
    steps = [model(text=piece, state=state, **inputs) for piece in ids_BT.split(chunk, dim=1)]
    return torch.cat(steps, dim=1)


RUNNING, EACH = RunningMeanCondition(size=6), TokenCondition(size=6)
OWN = (layer(conv(RUNNING), AdaptiveLinear(rank=4, condition=RUNNING)), layer(conv(EACH)))
EXPERTS = tuple(layer(conv(EACH), AdaptiveExperts(num_experts=3, rank=2, condition=RUNNING)) for _ in range(3))


@pytest.mark.parametrize("chunk", [1, 3], ids="by{}".format)
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_streaming_equals_one_pass(chunk: int, *, shared: bool) -> None:
    """A layer whose mixer and channel mixer both keep a running mean, and layers that share what one computed."""
    layers = EXPERTS if shared else OWN
    model = model_of(*layers, shared=(0, 1, 2) if shared else ())
    ids_BT = torch.randint(40, (2, 7))
    torch.testing.assert_close(stepwise(model, ids_BT, chunk), model(ids_BT), rtol=1e-4, atol=1e-5)


def test_sharing_saves_what_is_not_computed_again() -> None:
    apart, together = (
        model_of(*EXPERTS),
        model_of(*EXPERTS, shared=(0, 1, 2)),
    )
    saved = sum(each.numel() for each in apart.parameters()) - sum(each.numel() for each in together.parameters())
    # two readers, whose mixers and channel mixers all read what the first mixer computed
    assert saved == 2 * 2 * (16 * 6 + 6)


SPEAKER: dict[str, Featurizer] = {"text": TEXT, "speaker": Features(size=6)}


def spoken_to() -> Model:
    condition = FeaturizerCondition(name="speaker", size=6)
    return model_of(
        layer(conv(condition), FullAdaptiveLinear(condition=condition)),
        layer(conv(condition), FullAdaptiveExperts(num_experts=2, condition=condition, bias=True)),
        featurizers=SPEAKER,
    )


def test_a_vector_beside_the_text_changes_the_answer() -> None:
    model, ids_BT, one_BC = spoken_to(), torch.randint(40, (2, 5)), torch.randn(2, 6)
    assert (model(text=ids_BT, speaker=one_BC) - model(text=ids_BT, speaker=-one_BC)).abs().max() > 1e-2


def test_a_vector_beside_the_text_conditions_all_steps() -> None:
    model, ids_BT, speaker_BC = spoken_to(), torch.randint(40, (2, 5)), torch.randn(2, 6)
    whole = model(text=ids_BT, speaker=speaker_BC)
    state = new_state(model, batch=2, capacity=5)
    first = model(text=ids_BT[:, :2], speaker=speaker_BC, state=state)
    rest = model(text=ids_BT[:, 2:], state=state)
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole, rtol=1e-4, atol=1e-5)


def test_rows_of_a_batch_do_not_see_each_other() -> None:
    model, ids_BT, speaker_BC = spoken_to(), torch.randint(40, (3, 5)), torch.randn(3, 6)
    alone = [model(text=ids_BT[row : row + 1], speaker=speaker_BC[row : row + 1]) for row in range(3)]
    torch.testing.assert_close(torch.cat(alone), model(text=ids_BT, speaker=speaker_BC), rtol=1e-4, atol=1e-5)


def test_text_image_audio_and_video_meet() -> None:
    model = model_of(
        layer(conv(PROMPT), AdaptiveLinear(rank=4, condition=PROMPT)),
        featurizers={
            "image": ImagePatches(patch_size=4, merge=2),
            "audio": AudioFrames(sample_rate=8000, num_mel_bins=12, n_fft=64, hop_length=32, stride=2),
            "video": VideoTubelets(patch_size=4, frames_per_tubelet=2),
            "text": TEXT,
            "summary": Pooled(source="image", size=6),
        },
        fusion=Fusion(type="prefix", streams=("image", "audio", "video", "text")),
    )
    ids_BT, image = torch.randint(40, (2, 5)), torch.randint(256, (2, 3, 16, 24), dtype=torch.uint8)
    audio, video = torch.rand(2, 64 * 3) - 0.5, torch.rand(2, 4, 3, 8, 8)
    logits = model(image=image, audio=audio, video=video, text=ids_BT)
    assert logits.shape == (2, 2 * 3 + 3 + 2 * 4 + 5, 40)
    # what the conversation is about modulates every token, also those before which nothing else changed
    other = model(image=255 - image, audio=audio, video=video, text=ids_BT)
    assert ((other - logits).abs().amax(dim=(0, 2)) > 1e-5).all()


def test_heads_for_all_kinds_of_answers() -> None:
    heads: dict[str, Head] = {
        "topic": Classifier(num_classes=3, pool="mean"),
        "vector": Embedding(size=5, pool="last"),
        "numbers": Regression(size=2),
    }
    model = model_of(layer(conv(EACH)), featurizers={"sensor": Vectors(size=7)}, heads=heads)
    vectors_BTC, mask_BS = torch.randn(2, 5, 7), torch.tensor([[True] * 5, [False, False, True, True, True]])
    answers = model(sensor=vectors_BTC, mask=mask_BS)
    assert {name: tuple(each.shape) for name, each in answers.items()} == {
        "topic": (2, 3), "vector": (2, 5), "numbers": (2, 5, 2),
    }  # fmt: skip
    torch.testing.assert_close(answers["vector"].norm(dim=-1), torch.ones(2))
    alone = model(sensor=vectors_BTC[1:, 2:])
    for name in ("topic", "vector"):
        torch.testing.assert_close(answers[name][1:], alone[name], rtol=1e-4, atol=1e-5)


def loss_at_repeating(model: Model, steps: int = 80) -> float:
    """Train on putting out the token before; knowing nothing costs ln 40 = 3.7."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    loss = torch.zeros(())
    for _ in range(steps):
        ids_BT = torch.randint(40, (16, 20))
        loss = F.cross_entropy(model(ids_BT)[:, 1:].flatten(0, 1), ids_BT[:, :-1].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize("condition", [EACH, RUNNING], ids=lambda each: each.type)
def test_the_token_mixer_learns_to_mix(condition: Any) -> None:
    channel = AdaptiveLinear(rank=4, condition=condition)
    assert loss_at_repeating(model_of(layer(conv(condition), channel))) < 0.5


def test_without_a_token_mixer_nothing_is_learnt_about_other_tokens() -> None:
    assert loss_at_repeating(model_of(layer(None, AdaptiveLinear(rank=4, condition=EACH)))) > 3.5
