"""An architecture is held by a family exactly, or every layer and field that is not is told."""

from pathlib import Path
from typing import Any

import pytest

from lfm_arch.core.errors import BuildError
from lfm_arch.export.fit import best_fit, refuse_misfit
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.operators.attention.declaration import Rope
from lfm_arch.operators.mlp.declaration import MLP
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.norm import LayerNorm, RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec, SharedWeights
from lfm_arch.spec.model import load_spec
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

SPECS = Path(__file__).parents[2] / "specs"
MOE = MoE(num_experts=4, experts_per_token=2, intermediate_size=24, router="sigmoid", selection_bias=True)
PLAIN = ATTENTION.model_copy(update={"qk_norm": None})
WINDOW = ATTENTION.model_copy(update={"window_size": 4})
GATED = ATTENTION.model_copy(update={"gate": "per_head"})


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("lfm2-350m", "lfm2"),
        ("lfm2-700m", "lfm2"),
        ("lfm2-1.2b", "lfm2"),
        ("lfm2-2.6b", "lfm2"),
        ("lfm2.5-230m", "lfm2"),
        ("lfm2-8b-a1b", "lfm2_moe"),
        ("lfm2-24b-a2b", "lfm2_moe"),
        ("lfm2.5-8b-a1b", "lfm2_moe"),
        ("lfm3-1.7b", "lfm3"),
    ],
)
def test_shipped_specs_are_native(name: str, family: str) -> None:
    found = best_fit(compile_graph(load_spec(SPECS / f"{name}.yaml")))
    assert (found.family.model_type, found.reasons) == (family, ())


@pytest.mark.parametrize(
    ("small", "family"),
    [
        (spec(layer(PLAIN), layer(PLAIN)), "llama"),
        (spec(layer(PLAIN.model_copy(update={"window_size": 4}))), "mistral"),
        (spec(layer(ATTENTION), layer(WINDOW)), "qwen3"),
        (spec(layer(ATTENTION, MOE.model_copy(update={"router": "softmax", "selection_bias": False}))), "qwen3_moe"),
        (spec(layer(PLAIN, MOE.model_copy(update={"router": "softmax", "selection_bias": False}))), "mixtral"),
        (spec(layer(CONV), layer(ATTENTION)), "lfm2"),
        (spec(layer(CONV, MOE), layer(ATTENTION, MOE)), "lfm2_moe"),
        (spec(layer(CONV), layer(WINDOW)), "lfm3"),
        (spec(layer(CONV, placement="sandwich"), layer(GATED, placement="sandwich")), "lfm3"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_the_first_family_that_holds_it(small: ArchSpec, family: str) -> None:
    found = best_fit(compile_graph(small))
    assert (found.family.model_type, found.reasons) == (family, ())


def reasons(family: str | None, *layers: Any, **fields: Any) -> list[str]:
    found = best_fit(compile_graph(spec(*layers, **fields)), family)
    with pytest.raises(BuildError) as caught:
        refuse_misfit(found)
    assert {each.code for each in caught.value.diagnostics} == {"E840"}
    return [each.message for each in caught.value.diagnostics]


def test_all_reasons_at_once() -> None:
    """Two kernel sizes, a gate, an alien channel mixer, two widths, another epsilon: five things with their layers."""
    told = reasons(
        "lfm2",
        layer(CONV),
        layer(ShortConv(kernel_size=5)),
        layer(CONV),
        layer(ATTENTION),
        layer(GATED),
        layer(ATTENTION, MLP(intermediate_size=8, activation="gelu")),
        layer(CONV, SwiGLU(intermediate_size=8)),
        final_norm=RMSNorm(eps=1e-3),
    )
    assert told == [
        "mixer kernel_size of layer 1 is 5, lfm2 has 3 there",
        "mixer gate of layer 4 is per_head, lfm2 has absent there",
        "the channel of layer 5 is mlp, which no lfm2 has",
        "channel intermediate_size of layer 6 is 8, lfm2 has 96 there",
        "final_norm.eps is 0.001, lfm2 has 1e-05 there",
    ]


@pytest.mark.parametrize(
    ("layers", "fields", "told"),
    [
        ((layer(None), layer(ATTENTION)), {}, "the mixer of layer 0 is absent, which no lfm2 has"),
        ((layer(CONV, None), layer(ATTENTION)), {}, "the channel of layer 0 is absent, which no lfm2 has"),
        ((layer(CONV), layer(ATTENTION, placement="sandwich")), {},
         "placement of layer 1 is sandwich, lfm2 has pre there"),
        ((layer(CONV), layer(ATTENTION.model_copy(update={"rope": None}))), {},
         "mixer rope of layer 1 is absent, lfm2 has default there"),
        ((layer(CONV), layer(ATTENTION.model_copy(update={"rope": Rope(theta=1e6, fraction=0.5)}))), {},
         "mixer rope.fraction of layer 1 is 0.5, lfm2 has 1.0 there"),
        ((), {"featurizers": {"text": TokenEmbedding(vocab_size=64, scale=2.0)}}, "text has scale=2"),
        ((), {"heads": {"lm": LMHead(vocab_size=32)}}, "lm scores 32 tokens, the embedding has 64"),
        ((), {"final_norm": None}, "final_norm is absent, lfm2 has rms_norm there"),
        ((), {"final_norm": LayerNorm(eps=1e-5)}, "final_norm is layer_norm, lfm2 has rms_norm there"),
        ((layer(CONV), layer(CONV)), {"shared_weights": (SharedWeights(what=("layer",), layers=(0, 1)),)},
         "layers.0 shares with layers.1"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)  # fmt: skip
def test_reason(layers: tuple[Any, ...], fields: dict[str, Any], told: str) -> None:
    assert told in reasons("lfm2", *layers, **fields)


def test_the_closest_family_answers() -> None:
    """Of eight refusals the user sees that of the family with the fewest."""
    layers = (layer(CONV), layer(ATTENTION), layer(CONV, SWIGLU.model_copy(update={"bias": True})))
    assert reasons(None, *layers) == ["channel bias of layer 2 is True, lfm2 has False there"]


def test_what_a_class_refuses_although_its_numbers_could_say_it() -> None:
    odd = PLAIN.model_copy(update={"num_heads": 3, "num_kv_heads": 3})
    assert reasons("llama", layer(odd)) == ["hidden_size=32 is no multiple of num_attention_heads=3"]
    assert best_fit(compile_graph(spec(layer(odd)))).family.model_type == "mistral"


def test_a_reason_is_shown_where_the_spec_says_it() -> None:
    found = best_fit(compile_graph(load_spec(SPECS / "lfm2-1.2b.yaml")), "qwen3")
    place = next(each.place for each in found.reasons if each.path == "operators.conv")
    assert place is not None
    assert "short_conv" in place.excerpt
