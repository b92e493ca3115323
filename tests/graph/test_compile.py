"""Every rule is broken once, and told with its place and its way out."""

from collections.abc import Callable
from typing import Any

import pytest

from lfm_arch.core.errors import Diagnostic, GraphError, Place
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.codes import CODES
from lfm_arch.graph.compile import PASSES, compile_graph
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.condition import FeaturizerCondition, TokenCondition
from lfm_arch.operators.mlp.declaration import MLP
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import GeGLU, SwiGLU
from lfm_arch.spec.arch import (
    ArchSpec,
    DepthGroup,
    ExpertPlacement,
    Fusion,
    SharedFeatures,
    SharedFeaturizers,
    SharedWeights,
)
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

TEXT = TokenEmbedding(vocab_size=64)
IMAGE = ImagePatches(patch_size=4)
WIDER = CONV.model_copy(update={"kernel_size": 5})
BIDIRECTIONAL = ATTENTION.model_copy(update={"direction": "bidirectional"})
FEWER_KEYS = ATTENTION.model_copy(update={"num_kv_heads": 1})
CLASSIFIER = Classifier(num_classes=3, pool="mean")


def adaptive(name: str, size: int = 8) -> AdaptiveLinear:
    return AdaptiveLinear(rank=4, condition=FeaturizerCondition(name=name, size=size))


def four(**fields: Any) -> ArchSpec:
    """Two convolutions and two attention layers, by turns."""
    return spec(layer(), layer(ATTENTION), layer(), layer(ATTENTION), **fields)


def experts(*layers: int, **fields: Any) -> ExpertPlacement:
    return ExpertPlacement(layers=layers, experts={"num_experts": 4, "experts_per_token": 2} | fields, path="moe[0]")


def kv(*layers: int, path: str = "sharing[0]") -> SharedFeatures:
    return SharedFeatures(feature="kv", layers=layers, path=path)


def weights(*layers: int, what: Any = ("mixer",), path: str = "sharing[0]") -> SharedWeights:
    return SharedWeights(what=what, layers=layers, path=path)


BROKEN: dict[str, tuple[str, str, Callable[[], ArchSpec]]] = {
    # what is wrong: code, where, how to make it
    "no layers": ("E401", "depth_groups", lambda: spec().model_copy(update={"layers": ()})),
    "a head called like a featurizer": ("E402", "heads.text", lambda: spec(heads={"text": LMHead(tied_to="text")})),
    "a reserved name": ("E402", "featurizers.state", lambda: spec(featurizers={"state": TEXT}, heads={})),
    "a word of Python": ("E402", "heads.class", lambda: spec(heads={"class": CLASSIFIER})),
    "featurizers that read each other": (
        "E403",
        "featurizers.a",
        lambda: spec(
            featurizers={"text": TEXT, "a": Pooled(source="b", size=8), "b": Pooled(source="a", size=8)},
            heads={"topic": CLASSIFIER},
        ),
    ),
    "weights owned by what comes later": (
        "E403",
        "featurizers.a",
        lambda: spec(
            featurizers={"text": TEXT, "a": Pooled(source="text", size=8), "b": Pooled(source="a", size=8)},
            layers=(layer(CONV, adaptive("b")),),
            shared_featurizers=(SharedFeaturizers(featurizers=("b", "a"), path="sharing[0]"),),
            heads={"topic": CLASSIFIER},
        ),
    ),
    "a featurizer reads a misspelled one": (
        "E404",
        "featurizers.topic.source",
        lambda: spec(
            featurizers={"text": TEXT, "topic": Pooled(source="txt", size=8)},
            layers=(layer(CONV, adaptive("topic")),),
            heads={"topics": CLASSIFIER},
        ),
    ),
    "an operator reads a misspelled featurizer": (
        "E404",
        "operators.channel.condition.name",
        lambda: spec(
            featurizers={"text": TEXT, "user": Features(size=8)},
            layers=(layer(CONV, adaptive("user")), layer(CONV, adaptive("usr"))),
        ),
    ),
    "a layer without parts": ("E405", "blocks.none", lambda: spec(layer(None, None))),
    "half a parallel layer": ("E405", "blocks.short_conv", lambda: spec(layer(CONV, None, placement="parallel"))),
    "a channel mixer as the mixer": ("E406", "operators.swiglu", lambda: spec(layer(SWIGLU, SWIGLU))),
    "a mixer as the channel mixer": ("E406", "operators.channel", lambda: spec(layer(CONV, CONV))),
    "two streams and no fusion": ("E407", "featurizers", lambda: spec(featurizers={"text": TEXT, "image": IMAGE})),
    "feature vectors only": (
        "E407",
        "featurizers",
        lambda: spec(
            featurizers={"user": Features(size=8)}, layers=(layer(CONV, adaptive("user")),), heads={"t": CLASSIFIER}
        ),
    ),
    "fusion of one": ("E408", "fusion.streams", lambda: spec(fusion=Fusion(type="prefix", streams=("text",)))),
    "fusion of a vector": (
        "E408",
        "fusion.streams[1]",
        lambda: spec(
            featurizers={"text": TEXT, "user": Features(size=8)},
            fusion=Fusion(type="prefix", streams=("text", "user")),
        ),
    ),
    "interleaving without a placeholder": (
        "E408",
        "fusion",
        lambda: spec(
            featurizers={"text": TEXT, "image": IMAGE}, fusion=Fusion(type="interleave", streams=("text", "image"))
        ),
    ),
    "a placeholder that the text does not know": (
        "E408",
        "fusion.placeholders.image",
        lambda: spec(
            featurizers={"text": TEXT, "image": IMAGE},
            fusion=Fusion(type="interleave", streams=("text", "image"), placeholders={"image": 64}),
        ),
    ),
    "placeholders where nothing reads them": (
        "E408",
        "fusion.placeholders",
        lambda: spec(
            featurizers={"text": TEXT, "image": IMAGE},
            fusion=Fusion(type="prefix", streams=("image", "text"), placeholders={"image": 3}),
        ),
    ),
    "cross-attention that no layer reads": (
        "E408",
        "fusion.streams[1]",
        lambda: spec(
            featurizers={"text": TEXT, "image": IMAGE}, fusion=Fusion(type="cross_attention", streams=("text", "image"))
        ),
    ),
    "an unused featurizer": (
        "E409",
        "featurizers.user",
        lambda: spec(featurizers={"text": TEXT, "user": Features(size=8)}),
    ),
    "experts in a layer that does not exist": ("E420", "moe[0]", lambda: four(moe=(experts(3, 4),))),
    "experts where there is no channel mixer": (
        "E420",
        "moe[0]",
        lambda: spec(layer(CONV, None), layer(), moe=(experts(0, 1),)),
    ),
    "experts twice": (
        "E421",
        "moe[1]",
        lambda: four(moe=(experts(0, 1), experts(1).model_copy(update={"path": "moe[1]"}))),
    ),
    "experts with a misspelled field": ("E422", "moe[0].num_expert", lambda: four(moe=(experts(0, num_expert=3),))),
    "experts of an unknown kind": (
        "E422",
        "moe[0]",
        lambda: spec(layer(CONV, MLP(intermediate_size=64, activation="gelu")), moe=(experts(0),)),
    ),
    "experts that would lose a field": (
        "E422",
        "moe[0]",
        lambda: spec(layer(CONV, GeGLU(intermediate_size=64, activation="gelu_tanh")), moe=(experts(0),)),
    ),
    "experts without a size": (
        "E422",
        "moe[0]",
        lambda: spec(
            layer(CONV, AdaptiveLinear(rank=4, condition=TokenCondition(size=8))), moe=(experts(0, expert="swiglu"),)
        ),
    ),
    "sharing with a layer that does not exist": ("E430", "sharing[0]", lambda: four(shared_weights=(weights(0, 9),))),
    "sharing alone": ("E430", "sharing[0]", lambda: four(shared_features=(kv(1),))),
    "sharing with itself": ("E430", "sharing[0]", lambda: four(shared_weights=(weights(0, 0),))),
    "passes that do not divide": (
        "E431",
        "depth_groups[0].repeat",
        lambda: four(groups=(DepthGroup(name="trunk", start=0, stop=4, repeat=3),)),
    ),
    "weights of different mixers": ("E432", "sharing[0]", lambda: four(shared_weights=(weights(0, 1),))),
    "weights of different fields": (
        "E432",
        "sharing[0]",
        lambda: spec(layer(CONV), layer(WIDER), shared_weights=(weights(0, 1),)),
    ),
    "norms in different places": (
        "E432",
        "sharing[0]",
        lambda: spec(layer(), layer(placement="sandwich"), shared_weights=(weights(0, 1, what=("norm",)),)),
    ),
    "passes that differ and share": (
        "E432",
        "depth_groups[0].share",
        lambda: spec(
            layer(CONV), layer(WIDER), groups=(DepthGroup(name="g", start=0, stop=2, repeat=2, share="weights"),)
        ),
    ),
    "an owner that only reads keys": (
        "E432",
        "sharing[1]",
        lambda: spec(
            *(layer(ATTENTION) for _ in range(3)),
            shared_features=(kv(0, 1),),
            shared_weights=(weights(1, 2, path="sharing[1]"),),
        ),
    ),
    "a feature read too early": ("E433", "sharing[0]", lambda: four(shared_features=(kv(3, 1),))),
    "a feature in two entries": (
        "E434",
        "sharing[1]",
        lambda: spec(*(layer(ATTENTION) for _ in range(3)), shared_features=(kv(0, 1), kv(1, 2, path="sharing[1]"))),
    ),
    "a feature that a layer does not compute": ("E435", "sharing[0]", lambda: four(shared_features=(kv(0, 1),))),
    "a feature that a layer cannot read": ("E435", "sharing[0]", lambda: four(shared_features=(kv(1, 2),))),
    "a condition that a featurizer makes": (
        "E435",
        "sharing[0]",
        lambda: spec(
            layer(CONV, adaptive("user")),
            layer(CONV, adaptive("user")),
            featurizers={"text": TEXT, "user": Features(size=8)},
            shared_features=(SharedFeatures(feature="condition", layers=(0, 1), path="sharing[0]"),),
        ),
    ),
    "keys of another size": (
        "E436",
        "sharing[0]",
        lambda: spec(layer(ATTENTION), layer(FEWER_KEYS), shared_features=(kv(0, 1),)),
    ),
    "keys that never come": (
        "E437",
        "operators.shared_kv_attention",
        lambda: spec(layer(ATTENTION), layer(ATTENTION.reader("kv"))),
    ),
    "different featurizers with one copy of weights": (
        "E438",
        "sharing[0]",
        lambda: spec(
            featurizers={"text": TEXT, "image": IMAGE},
            fusion=Fusion(type="prefix", streams=("image", "text")),
            shared_featurizers=(SharedFeaturizers(featurizers=("text", "image"), path="sharing[0]"),),
        ),
    ),
    "a condition of another size": (
        "E441",
        "operators.channel",
        lambda: spec(layer(CONV, adaptive("user", 16)), featurizers={"text": TEXT, "user": Features(size=8)}),
    ),
    "a language model that sees ahead": ("E442", "operators.attention", lambda: spec(layer(BIDIRECTIONAL))),
    "a language model conditioned on all of its text": (
        "E443",
        "featurizers.topic",
        lambda: spec(
            layer(CONV, adaptive("topic")), featurizers={"text": TEXT, "topic": Pooled(source="text", size=8)}
        ),
    ),
    "a head tied to nothing": ("E222", "heads.lm.tied_to", lambda: spec(heads={"lm": LMHead(tied_to="txt")})),
}


def mistakes(broken: ArchSpec) -> tuple[Diagnostic, ...]:
    with pytest.raises(GraphError) as caught:
        compile_graph(broken)
    return caught.value.diagnostics


@pytest.mark.parametrize(("code", "path", "make"), BROKEN.values(), ids=BROKEN.keys())
def test_says_what_is_wrong_and_nothing_else(code: str, path: str, make: Callable[[], ArchSpec]) -> None:
    found = mistakes(make())
    assert [(each.code, each.path) for each in found] == [(code, path)]
    assert found[0].because or found[0].help, "a mistake without a rule or a way out"


def test_every_rule_is_in_the_table_and_broken_above() -> None:
    in_table = {code for stage in PASSES for code in stage.rules}
    documented = {code.code for code in CODES}
    assert in_table - {"E222"} == {code for code in documented if code.startswith("E4")}
    # the width of a stream is a rule for plug-ins, tested below
    assert in_table - {"E440"} <= {code for code, _, _ in BROKEN.values()}


def test_says_everything_at_once() -> None:
    found = mistakes(
        spec(
            layer(CONV, CONV),
            layer(ATTENTION),
            featurizers={"text": TEXT, "user": Features(size=8)},
            moe=(experts(7),),
            shared_weights=(weights(0, 1),),
            heads={"lm": LMHead(tied_to="txt")},
        )
    )
    assert [each.code for each in found] == ["E406", "E409", "E420", "E432", "E222"]


def test_points_at_the_places_of_the_file() -> None:
    broken = spec(layer(CONV), layer(WIDER), shared_weights=(weights(0, 1),))
    broken.__pydantic_private__ = {"_locate": lambda path: Place(f"{path}.yaml", 3, 5, 9)}
    (found,) = mistakes(broken)
    assert found.place == Place("sharing[0].yaml", 3, 5, 9)
    assert found.notes == ("layer 0: operators.short_conv.yaml:3:5", "layer 1: operators.short_conv.yaml:3:5")
    assert "kernel_size 3 and 5" in found.message


def test_offers_the_nearest_name() -> None:
    (found,) = mistakes(
        spec(fusion=Fusion(type="prefix", streams=("text", "imge")), featurizers={"text": TEXT, "image": IMAGE})
    )[:1]
    assert found.help == "did you mean `image`?"


def test_a_stream_is_as_wide_as_the_stack() -> None:
    class Narrow(TokenEmbedding):
        def gives(self, name: str, width: int) -> Any:
            return super().gives(name, width // 2)

    broken = spec(heads={}).model_copy(update={"featurizers": {"text": Narrow(vocab_size=64)}})
    assert [each.code for each in mistakes(broken)] == ["E440"]


# what the passes make


def test_layers_read_one_another_and_the_featurizer() -> None:
    graph = compile_graph(four())
    assert [node.id for node in graph] == [
        "input.text", "text", "layers.0", "layers.1", "layers.2", "layers.3", "final_norm", "lm", "output",
    ]  # fmt: skip
    assert graph.into("text") == {"raw": "input.text"}
    assert graph.into("layers.0") == {"stream": "text"}
    assert graph.into("lm") == {"stream": "final_norm", "weights": "text"}
    assert graph.into("output") == {"lm": "lm"}


def test_types_have_the_sizes_that_are_known() -> None:
    types = {node.id: str(node.type) for node in compile_graph(four())}
    assert types["input.text"] == "int [batch, text_tokens]"
    assert types["text"] == "[batch, text_tokens, 32]"
    assert types["layers.3"] == "[batch, tokens, 32]"
    assert types["lm"] == "[batch, tokens, 64]"


def test_a_bare_stack_reads_and_gives_its_stream() -> None:
    graph = compile_graph(spec(layer(), featurizers={}, heads={}, final_norm=None))
    assert [node.id for node in graph] == ["input.stream", "layers.0", "output"]
    assert str(graph["input.stream"].type) == "[batch, tokens, 32]"
    assert graph.into("output") == {"stream": "layers.0"}


def test_experts_take_over_what_is_not_written() -> None:
    graph = compile_graph(four(moe=(experts(1, 3, router="sigmoid"),)))
    placed = MoE(num_experts=4, experts_per_token=2, intermediate_size=96, router="sigmoid", expert="swiglu")
    assert [node.part.channel for node in graph.layers] == [SWIGLU, placed, SWIGLU, placed]


def test_experts_are_of_the_kind_they_replace() -> None:
    graph = compile_graph(spec(layer(CONV, GeGLU(intermediate_size=64)), moe=(experts(0),)))
    assert graph["layers.0"].part.channel.expert == "geglu"


def test_a_reader_of_keys_has_none_of_its_own() -> None:
    graph = compile_graph(four(shared_features=(kv(1, 3),)))
    assert graph["layers.1"].part.mixer == ATTENTION
    assert graph["layers.3"].part.mixer == ATTENTION.reader("kv")
    assert graph.into("shared.kv.0") == {"owns": "layers.1"}
    assert graph.into("layers.3") == {"stream": "layers.2", "mixer.kv": "shared.kv.0"}


def test_a_reader_may_have_other_queries_than_the_owner() -> None:
    more = ATTENTION.model_copy(update={"num_heads": 8})
    graph = compile_graph(spec(layer(ATTENTION), layer(more), shared_features=(kv(0, 1),)))
    assert graph["layers.1"].part.mixer == more.reader("kv")


def test_says_which_fields_do_not_fit_and_no_others() -> None:
    assert ATTENTION.rope is not None
    other = ATTENTION.model_copy(
        update={"num_heads": 8, "rope": ATTENTION.rope.model_copy(update={"theta": 1e4}), "num_kv_heads": 4}
    )
    (found,) = mistakes(spec(layer(ATTENTION), layer(other), shared_features=(kv(0, 1),)))
    assert found.message == "layer 1 cannot take the kv of layer 0: num_kv_heads 2 and 4, rope.theta 1e+06 and 10000"


def test_a_layer_takes_a_condition_wherever_it_can() -> None:
    conditioned = AdaptiveLinear(rank=4, condition=TokenCondition(size=8))
    shared = (SharedFeatures(feature="condition", layers=(0, 2), path="sharing[0]"),)
    graph = compile_graph(spec(layer(CONV, conditioned), layer(), layer(CONV, conditioned), shared_features=shared))
    assert graph.into("layers.2") == {"stream": "layers.1", "channel.condition": "shared.condition.0"}
    assert graph["layers.2"].part.channel == conditioned.reader("condition")
    assert graph["layers.2"].part.mixer == CONV


def test_passes_of_a_group_share_position_by_position() -> None:
    group = DepthGroup(name="trunk", start=0, stop=4, repeat=2, share="weights")
    graph = compile_graph(four(groups=(group,)))
    assert graph.owner("shared.weights.0") == "layers.0"
    assert graph.into("layers.2") == {
        "stream": "layers.1",
        "mixer.weights": "shared.weights.0",
        "channel.weights": "shared.weights.0",
        "norm.weights": "shared.weights.0",
    }
    assert graph.borrowed("layers.3") == {"mixer", "channel", "norm"}


def test_what_is_shared_transitively_is_one_copy() -> None:
    pairs = (weights(0, 1, what=("channel",)), weights(3, 2, what=("channel",)), weights(1, 2, what=("channel",)))
    graph = compile_graph(four(shared_weights=pairs))
    assert [node.part.layers for node in graph.of("shared")] == [(0, 1, 2, 3)]


def test_a_layer_may_take_keys_and_weights_from_one_owner() -> None:
    graph = compile_graph(four(shared_features=(kv(1, 3),), shared_weights=(weights(1, 3),)))
    assert graph.borrowed("layers.3") == {"mixer"}


def test_streams_are_joined_in_front_of_the_stack() -> None:
    graph = compile_graph(
        spec(featurizers={"text": TEXT, "image": IMAGE}, fusion=Fusion(type="prefix", streams=("image", "text")))
    )
    assert graph.into("fusion") == {"image": "image", "text": "text"}
    assert graph.into("layers.0") == {"stream": "fusion"}


class CrossAttention(SwiGLU):
    """A mixer of a plug-in that reads another stream."""

    source: str
    roles = ("mixer",)

    @property
    def reads(self) -> dict[str, str]:
        return {"source": self.source}

    def ports(self, width: int) -> dict[str, TensorType]:
        return {"source": stream(width, "source_tokens")}


def test_a_stream_may_be_read_by_cross_attention() -> None:
    reading = layer().model_copy(update={"mixer": CrossAttention(intermediate_size=8, source="image")})
    made = spec(
        featurizers={"text": TEXT, "image": IMAGE}, fusion=Fusion(type="cross_attention", streams=("text", "image"))
    ).model_copy(update={"layers": (layer(), reading)})
    graph = compile_graph(made)
    assert graph.into("fusion") == {"text": "text"}
    assert graph.into("layers.1") == {"stream": "layers.0", "mixer.source": "image"}


def test_a_vector_is_no_stream_to_read() -> None:
    reading = layer().model_copy(update={"mixer": CrossAttention(intermediate_size=8, source="user")})
    made = spec(featurizers={"text": TEXT, "user": Features(size=8)}).model_copy(update={"layers": (reading,)})
    assert [each.code for each in mistakes(made)] == ["E441"]


def test_a_condition_is_an_edge_of_the_part_that_reads_it() -> None:
    graph = compile_graph(
        spec(layer(CONV, adaptive("user")), layer(), featurizers={"text": TEXT, "user": Features(size=8)})
    )
    assert graph.into("layers.0") == {"stream": "text", "channel.condition": "user"}
    assert graph.into("layers.1") == {"stream": "layers.0"}


def test_iterating_follows_the_values() -> None:
    graph = compile_graph(four(shared_features=(kv(1, 3),), shared_weights=(weights(0, 2),)))
    seen: set[str] = set()
    for node in graph:
        assert set(graph.into(node.id).values()) <= seen, node.id
        seen.add(node.id)
    assert len(seen) == len(graph) == len(graph.as_networkx())


@pytest.mark.parametrize("operator", [ShortConv(kernel_size=3), SwiGLU(intermediate_size=8)], ids=["mixer", "channel"])
def test_a_layer_may_have_one_part_only(operator: Any) -> None:
    alone = layer(operator, None) if isinstance(operator, ShortConv) else layer(None, operator)
    assert len(compile_graph(spec(alone)).layers) == 1
