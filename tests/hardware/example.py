"""Small models and devices that tests of costs share."""

import json
from typing import Any, Literal

from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.profile import Profile
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec, Layer

NORM = RMSNorm(eps=1e-5)


def attention(window_size: int | None = None, **fields: Any) -> Attention:
    return Attention(num_heads=16, num_kv_heads=4, head_dim=64, window_size=window_size, **fields)


def model(
    *mixers: Any, width: int = 1024, hidden: int = 4096, vocab: int = 32_000, tied: bool = True, channel: Any = None
) -> Graph:
    """Make a language model of some mixers, each with the same channel mixer."""
    channel = channel or SwiGLU(intermediate_size=hidden)
    return compile_graph(
        ArchSpec(
            name="example",
            hidden_size=width,
            featurizers={"text": TokenEmbedding(vocab_size=vocab)},
            layers=tuple(Layer(block="b", group="g", mixer=mixer, channel=channel, norm=NORM) for mixer in mixers),
            final_norm=NORM,
            heads={"lm": LMHead(tied_to="text") if tied else LMHead(vocab_size=vocab)},
        )
    )


def encoder(direction: Literal["causal", "bidirectional"] = "bidirectional") -> Graph:
    """Make a model that classifies and does not decode."""
    layer = Layer(block="b", group="g", mixer=attention(direction=direction), norm=NORM)
    return compile_graph(
        ArchSpec(
            name="encoder",
            hidden_size=1024,
            featurizers={"text": TokenEmbedding(vocab_size=1000)},
            layers=(layer,),
            heads={"classes": Classifier(num_classes=3, pool="mean")},
        )
    )


def dense(layers: int = 8) -> Graph:
    return model(*(attention() for _ in range(layers)))


def conv(layers: int = 8) -> Graph:
    return model(*(ShortConv(kernel_size=3) for _ in range(layers)))


def experts(num_experts: int = 8, experts_per_token: int = 2) -> Graph:
    moe = MoE(num_experts=num_experts, experts_per_token=experts_per_token, intermediate_size=1024)
    return model(*(attention() for _ in range(4)), channel=moe)


def device(
    *,
    bandwidth: float | None = 50e9,
    peak: float | None = 5e12,
    capacity: float | None = 8e9,
    kind: str = "gpu",
    rates: dict[str, float] | None = None,
    **more: Any,
) -> Profile:
    """Make a device of nobody's, with what it is said to reach."""

    def figure(value: float | None) -> dict[str, Any] | None:
        return None if value is None else {"value": value, "kind": "vendor", "source": "sheet"}

    measured = [] if rates is None else [{"runtime": "llama.cpp-cpu", "unit": "it", "rates": rates}]
    return Profile.model_validate_json(
        json.dumps(
            {
                "name": "example-device",
                "title": "An example",
                "vendor": "Nobody",
                "class": "edge",
                "sources": {"sheet": {"url": "https://example.org", "what": "sheet", "date": "2026-11-01"}},
                "memory": {
                    "capacity": None if capacity is None else {**(figure(0) or {}), "value": int(capacity)},
                    "bandwidth": figure(bandwidth),
                },
                "units": {"it": {"kind": kind, "peaks": {} if peak is None else {"f16": figure(peak)}}},
                "runtimes": [{"engine": "llama.cpp", "backend": "cpu", "unit": "it"}],
                "measured": measured,
                **more,
            }
        )
    )
