"""Small replicas of the specs that ship and of a space: legal, proportional, told when impossible."""

import random
from pathlib import Path

import pytest

from lfm_arch.core.errors import GraphError, QualityError
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.graph.layout import layout
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.registry import operators
from lfm_arch.quality.replica import replica
from lfm_arch.quality.settings import Reduction
from lfm_arch.spec.arch import ArchSpec, DepthGroup, SharedFeatures, SharedWeights
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import Decision, load_space

ROOT = Path(__file__).parents[2]
RULE = Reduction()
SHIPPED = [
    "lfm2-350m",
    "lfm2-1.2b",
    "lfm2-2.6b",
    "lfm2-8b-a1b",
    "lfm2-24b-a2b",
    "lfm3-1.7b",
    "lfm1-40b-style",
    "lfm2-omni-style",
]


def load(name: str) -> ArchSpec:
    return load_spec(ROOT / "specs" / f"{name}.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_have_small_ones(name: str) -> None:
    spec = load(name)
    small = replica(spec, RULE).spec
    counted = totals(compile_graph(small))
    assert counted.params < totals(compile_graph(spec)).params / 500
    assert small.hidden_size == pytest.approx(spec.hidden_size / 64, abs=4)
    assert counted.layers == pytest.approx(len(spec.layers) / 2, abs=1)


def test_lfm2_in_numbers() -> None:
    made = replica(load("lfm2-1.2b"), RULE)
    assert layout(compile_graph(made.spec)) == "ccAcAcAc"
    attention = made.spec.layers[2].mixer
    assert isinstance(attention, Attention)
    assert (attention.num_heads, attention.num_kv_heads, attention.head_dim) == (1, 1, 32)
    assert getattr(made.spec.layers[0].channel, "intermediate_size", None) == 128
    assert getattr(made.spec.featurizers["text"], "vocab_size", None) == 256
    assert made.numbers["kept"] == [1, 4, 5, 7, 10, 11, 14, 15]
    assert "2048 -> 32" in made.words


def test_a_wider_model_has_a_wider_replica() -> None:
    widths = [replica(load(name), RULE).spec.hidden_size for name in ("lfm2-350m", "lfm2-700m", "lfm2-1.2b")]
    assert widths == [16, 24, 32]


@pytest.mark.parametrize(
    "mixer",
    [
        {"type": "attention", "num_heads": 20, "num_kv_heads": 5, "head_dim": 96, "scale": 0.1},
        {"type": "gated_linear_attention", "num_heads": 16, "head_dim": 128, "key_dim": 64},
        {"type": "mamba2", "num_heads": 64, "head_dim": 64, "state_size": 128, "num_groups": 8, "kernel_size": 4},
        {"type": "mamba", "intermediate_size": 4096, "state_size": 16, "step_rank": 128, "kernel_size": 4},
        {"type": "gated_delta_net", "num_heads": 32, "num_key_heads": 16, "head_dim": 128, "kernel_size": 4},
        {"type": "kimi_delta_attention", "num_heads": 16, "head_dim": 128, "kernel_size": 4},
        {"type": "lightning_attention", "num_heads": 32, "head_dim": 64},
    ],
    ids=lambda mixer: mixer["type"],
)
def test_every_kind_of_head_shrinks_legally(mixer: dict[str, object]) -> None:
    spec = load("lfm2-1.2b")
    declared = operators()[str(mixer["type"])].model_validate(mixer)
    layers = tuple(layer.model_copy(update={"mixer": declared}) for layer in spec.layers)
    large = spec.model_copy(update={"layers": layers, "expect": None})
    small = replica(large, RULE).spec
    ratio = totals(compile_graph(large)).params / totals(compile_graph(small)).params
    assert 64**2 / 2 < ratio < 64**2 * 4, "width by 64, depth by 2, the vocabulary by 256"


def test_experts_keep_their_layers_and_their_active_share() -> None:
    spec = load("lfm2-8b-a1b")
    small = replica(spec, RULE).spec
    graph = compile_graph(small)
    experts = [node.part.channel for node in graph.layers if isinstance(node.part.channel, MoE)]
    assert len(experts) == 11, "22 of 24 layers have experts"
    assert (experts[0].num_experts, experts[0].experts_per_token) == (8, 1), "four of 32"
    assert not isinstance(graph["layers.0"].part.channel, MoE)


def test_windows_shrink_with_the_context() -> None:
    spec = load("lfm3-1.7b")
    before = {getattr(layer.mixer, "window_size", None) for layer in spec.layers} - {None}
    after = {getattr(layer.mixer, "window_size", None) for layer in replica(spec, RULE).spec.layers} - {None}
    assert after == {round(size / 16) for size in before if size is not None}


def shared(spec: ArchSpec, *groups: tuple[int, ...]) -> ArchSpec:
    features = tuple(SharedFeatures(feature="kv", layers=group) for group in groups)
    return spec.model_copy(update={"shared_features": features})


def test_readers_keep_their_share_where_every_second_layer_goes() -> None:
    spec = shared(load("lfm2-1.2b"), (2, 5), (8, 10), (12, 14))
    made = replica(spec, RULE)
    (entry,) = made.spec.shared_features
    assert len(entry.layers) == 2, "of three attention layers one reads, as one of two did"
    compile_graph(made.spec)
    assert made.notes == ()


def test_a_reader_whose_owner_cannot_be_kept_is_noted() -> None:
    spec = shared(load("lfm2-1.2b"), (2, 5, 8, 10, 12, 14))
    made = replica(spec, RULE.model_copy(update={"depth_divisor": 16.0}))
    assert made.spec.shared_features == ()
    assert any("kv" in note for note in made.notes)


def test_shared_weights_stay_shared() -> None:
    pairs = tuple(SharedWeights(what=("channel",), layers=pair) for pair in ((3, 4), (6, 7)))
    spec = load("lfm2-1.2b").model_copy(update={"shared_weights": pairs})
    made = replica(spec, RULE)
    assert sum(len(entry.layers) - 1 for entry in made.spec.shared_weights) >= 1
    assert totals(compile_graph(made.spec)).params < totals(compile_graph(replica(load("lfm2-1.2b"), RULE).spec)).params


def test_passes_that_share_weights_stay_passes() -> None:
    spec = load("lfm2-1.2b")
    layers = spec.layers[:8] * 2
    looped = spec.model_copy(
        update={"layers": layers, "groups": (DepthGroup(name="trunk", start=0, stop=16, repeat=2, share="weights"),)}
    )
    made = replica(looped, RULE).spec
    (group,) = made.groups
    assert (group.start, group.stop, group.repeat, group.share) == (0, 8, 2, "weights")
    compile_graph(made)


@pytest.mark.parametrize("name", ["original-lfm"])
def test_what_is_no_language_model_has_none(name: str) -> None:
    with pytest.raises(QualityError, match="E911"):
        replica(load(name), RULE)


def test_what_bytes_cannot_feed_is_refused() -> None:
    spec = load("lfm2-1.2b")
    condition = {"type": "featurizer", "name": "speaker", "size": 8}
    reading = AdaptiveLinear.model_validate({"rank": 4, "condition": condition})
    layers = (*spec.layers[:-1], spec.layers[-1].model_copy(update={"channel": reading}))
    with pytest.raises(QualityError, match=r"E911.*speaker"):
        replica(spec.model_copy(update={"layers": layers}), RULE)


def test_a_kind_of_layer_that_is_lost_is_noted() -> None:
    spec = load("lfm2-1.2b")
    lone = spec.layers[3].model_copy(
        update={"channel": AdaptiveLinear.model_validate({"rank": 64, "condition": {"type": "token", "size": 64}})}
    )
    made = replica(spec.model_copy(update={"layers": (*spec.layers[:3], lone, *spec.layers[4:])}), RULE)
    assert made.notes == ("none of the 1 layers of short_conv with adaptive_linear was kept",)


def test_every_candidate_of_the_default_space_has_a_legal_one() -> None:
    space = load_space(ROOT / "specs" / "spaces" / "lfm-edge.yaml")

    def ask(draw: random.Random) -> object:
        def answer(decision: Decision) -> object:
            if decision.kind == "choice":
                return draw.choice(decision.options)
            assert decision.low is not None
            assert decision.high is not None
            if decision.kind == "float":
                return draw.uniform(decision.low, decision.high)
            return draw.randrange(int(decision.low), int(decision.high) + 1, decision.step or 1)

        return answer

    made = 0
    for seed in range(150):
        spec = space.decide(ask(random.Random(seed))).spec  # pyright: ignore[reportArgumentType]
        try:
            compile_graph(spec)
        except GraphError:
            continue
        compile_graph(replica(spec, RULE).spec)
        made += 1
    assert made > 140
