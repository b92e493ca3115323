"""Where the positions of the stack come from."""

from typing import Any

import pytest

from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.inference import tokens_of
from lfm_arch.graph.resolve import main_stream
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.condition import FeaturizerCondition
from lfm_arch.spec.arch import Fusion
from tests.graph.example import CONV, layer, spec

BOTH = {"text": TokenEmbedding(vocab_size=64), "image": ImagePatches(patch_size=4)}
CASES: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "text alone": ({}, "text_tokens", "text"),
    "no featurizer": ({"featurizers": {}, "heads": {}}, "tokens", None),
    "images in front": (
        {"featurizers": BOTH, "fusion": Fusion(type="prefix", streams=("image", "text"))},
        "image_patches + text_tokens",
        "text",
    ),
    "images inside": (
        {
            "featurizers": BOTH,
            "fusion": Fusion(type="interleave", streams=("text", "image"), placeholders={"image": 3}),
        },
        "text_tokens",
        "text",
    ),
    "a prompt that is only pooled": (
        {
            "featurizers": {
                "prompt": TokenEmbedding(vocab_size=64),
                "text": TokenEmbedding(vocab_size=64),
                "topic": Pooled(source="prompt", size=8),
            },
            "layers": (layer(CONV, AdaptiveLinear(rank=4, condition=FeaturizerCondition(name="topic", size=8))),),
        },
        "text_tokens",
        "text",
    ),
}


@pytest.mark.parametrize(("fields", "tokens", "main"), CASES.values(), ids=CASES.keys())
def test_says_what_the_tokens_are(fields: dict[str, Any], tokens: str, main: str | None) -> None:
    made = spec(**fields)
    assert main_stream(made) == main
    assert tokens_of(compile_graph(made)) == tokens
