"""Counts against published ones, and against sums of the parts."""

from dataclasses import replace

import pytest

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import count, layer_parts, slots, totals
from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.condition import FeaturizerCondition, RunningMeanCondition
from lfm_arch.operators.norm import norms_per_layer
from lfm_arch.spec.arch import ArchSpec, DepthGroup, Fusion, SharedFeatures, SharedFeaturizers, SharedWeights
from tests.graph.example import ATTENTION, CONV, LFM2_12B, NORM, SWIGLU, layer, lfm2, lfm3, spec

EXPERTS_8B = {
    "num_experts": 32,
    "experts_per_token": 4,
    "intermediate_size": 1792,
    "router": "sigmoid",
    "selection_bias": True,
}
EXPERTS_24B = {**EXPERTS_8B, "num_experts": 64, "intermediate_size": 1536}
LFM2_8B, LFM2_24B = "ccAcccAcccAcccAcccAccAcc", "ccA" + 9 * "cccA" + "c"

# parameters, active parameters and bytes of growing cache a token of the released models
PUBLISHED: dict[str, tuple[ArchSpec, int, int, int]] = {
    "lfm2-350m": (
        lfm2(LFM2_12B, hidden_size=1024, num_heads=16, intermediate_size=4608), 354_483_968, 354_483_968, 12_288
    ),
    "lfm2-700m": (
        lfm2(LFM2_12B, hidden_size=1536, num_heads=24, intermediate_size=6912), 742_489_344, 742_489_344, 12_288
    ),
    "lfm2-1.2b": (
        lfm2(LFM2_12B, hidden_size=2048, num_heads=32, intermediate_size=8192), 1_170_340_608, 1_170_340_608, 12_288
    ),
    "lfm2-2.6b": (
        lfm2("ccAccAcccAcccAcccAcccAccAccAcc", hidden_size=2048, num_heads=32, intermediate_size=10752),
        2_569_272_320, 2_569_272_320, 16_384,
    ),
    "lfm2-8b-a1b": (
        lfm2(LFM2_8B, hidden_size=2048, num_heads=32, intermediate_size=7168, moe=EXPERTS_8B),
        8_339_929_856, 1_557_740_288, 12_288,
    ),
    "lfm2-24b-a2b": (
        lfm2(LFM2_24B, hidden_size=2048, num_heads=32, intermediate_size=11776, moe=EXPERTS_24B),
        23_843_659_008, 2_326_879_488, 20_480,
    ),
    "lfm3-1.7b": (lfm3(), 1_728_801_536, 1_728_801_536, 12_288),
}  # fmt: skip


@pytest.mark.parametrize(("published", "params", "active", "cache"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_equals_what_is_published(published: ArchSpec, params: int, active: int, cache: int) -> None:
    counted = totals(compile_graph(published))
    assert (counted.params, counted.active_params, counted.kv_bytes_per_token) == (params, active, cache)


@pytest.mark.parametrize(
    ("published", "layout"),
    [
        (PUBLISHED["lfm3-1.7b"][0], "ccAcScAcScAcScAcScAcScAc"),
        (PUBLISHED["lfm2-24b-a2b"][0], "ccAcccAcccAcccAcccAcccAcccAcccAcccAcccAc"),
    ],
    ids=["lfm3-1.7b", "lfm2-24b-a2b"],
)
def test_spells_the_layout_as_it_is_published(published: ArchSpec, layout: str) -> None:
    assert totals(compile_graph(published)).layout == layout


def test_windows_of_lfm3_hold_what_is_published() -> None:
    """2.62 MB of windows and 373 kB of convolution state in bf16; the window itself is one token less than it sees."""
    counted = totals(compile_graph(lfm3()))
    assert counted.window_elements == 5 * 2 * 4 * 128 * 255
    assert counted.fixed_state_elements == 13 * 2048 * 6
    assert counted.fixed_state_bytes == 2 * (counted.window_elements + counted.fixed_state_elements)


def test_a_layer_is_its_parts_its_norms_and_two_additions() -> None:
    work = Workload(batch=2, tokens=5, past=3)
    parts = layer_parts(compile_graph(spec(layer(ATTENTION))), work)["layers.0"]
    assert parts.mixer == ATTENTION.cost(32, work)
    assert parts.channel == SWIGLU.cost(32, work)
    norms = Cost.total([NORM.cost(32, work)] * 2)
    assert parts.norm == norms + Cost(activations=2 * 3 * 32 * work.positions, kernels=2)


@pytest.mark.parametrize("placement", ["pre", "post", "sandwich", "parallel"])
def test_holds_the_norms_of_its_placement(placement: object) -> None:
    made = compile_graph(spec(layer(placement=placement)))  # pyright: ignore[reportArgumentType]
    parts = layer_parts(made, Workload())["layers.0"]
    assert parts.norm.params == 32 * norms_per_layer(placement, channel=True)  # pyright: ignore[reportArgumentType]


def test_the_whole_is_the_sum_of_its_nodes() -> None:
    graph = compile_graph(spec(layer(), layer(ATTENTION)))
    work = Workload(tokens=7)
    costs = count(graph, work)
    assert list(costs) == ["text", "layers.0", "layers.1", "final_norm", "lm"]
    assert {node: parts.total for node, parts in layer_parts(graph, work).items()} == {
        node: costs[node] for node in ("layers.0", "layers.1")
    }
    assert totals(graph).params == 64 * 32 + sum(
        part.params(32) for part in (CONV, SWIGLU, ATTENTION, SWIGLU, NORM, NORM, NORM, NORM, NORM)
    )


def test_readers_of_weights_hold_none_but_work_as_much() -> None:
    alone = compile_graph(spec(layer(), layer()))
    shared = compile_graph(spec(layer(), layer(), shared_weights=(SharedWeights(what=("layer",), layers=(0, 1)),)))
    theirs, mine = (count(graph, Workload(tokens=3))["layers.1"] for graph in (alone, shared))
    assert theirs.params > 0
    assert mine == replace(theirs, params=0, active_params=0)
    assert totals(shared).params == totals(alone).params - theirs.params


@pytest.mark.parametrize("what", ["mixer", "channel", "norm"])
def test_shares_exactly_the_part_that_is_named(what: str) -> None:
    shared = SharedWeights(what=(what,), layers=(0, 1))  # pyright: ignore[reportArgumentType]
    alone, made = (compile_graph(spec(layer(), layer(), shared_weights=each)) for each in ((), (shared,)))
    saved = {"mixer": CONV.params(32), "channel": SWIGLU.params(32), "norm": 2 * 32}
    assert totals(alone).params - totals(made).params == saved[what]


def test_passes_that_share_count_once() -> None:
    once = compile_graph(spec(layer(), layer(ATTENTION)))
    groups = (DepthGroup(name="trunk", start=0, stop=6, repeat=3, share="weights"),)
    thrice = compile_graph(spec(*(3 * [layer(), layer(ATTENTION)]), groups=groups))
    assert totals(thrice).params == totals(once).params
    assert totals(thrice).kv_elements_per_token == 3 * totals(once).kv_elements_per_token


def test_readers_of_keys_remember_nothing() -> None:
    shared = SharedFeatures(feature="kv", layers=(0, 1, 2))
    graph = compile_graph(spec(*(3 * [layer(ATTENTION)]), shared_features=(shared,)))
    held = slots(graph)
    assert [len(held[f"layers.{number}"]) for number in range(3)] == [2, 0, 0]
    assert totals(graph).kv_elements_per_token == 2 * 2 * 8
    assert totals(graph).layout == "AAA", "a reader of keys has the letter of the layer it reads"


def test_slots_of_one_name_are_told_apart() -> None:
    condition = RunningMeanCondition(size=4)
    mixer = AdaptiveConv(kernel_size=3, num_heads=2, head_dim=8, condition=condition)
    graph = compile_graph(spec(layer(mixer, AdaptiveLinear(rank=4, condition=condition))))
    assert [slot.name for slot in slots(graph)["layers.0"]] == [
        "window",
        "condition_sum",
        "condition_count",
        "channel.condition_sum",
        "channel.condition_count",
    ]


def test_shared_featurizers_count_once() -> None:
    featurizers = {"text": TokenEmbedding(vocab_size=64), "prompt": TokenEmbedding(vocab_size=64)}
    fields = {"featurizers": featurizers, "fusion": Fusion(type="prefix", streams=("prompt", "text"))}
    shared = (SharedFeaturizers(featurizers=("text", "prompt")),)
    alone, together = (compile_graph(spec(**fields, shared_featurizers=each)) for each in ((), shared))
    assert totals(alone).params - totals(together).params == 64 * 32


def test_logits_of_the_last_position_only() -> None:
    graph = compile_graph(spec())
    work = Workload(batch=2, tokens=10)
    head = LMHead(tied_to="text", vocab_size=64)
    assert count(graph, work)["lm"] == head.cost(32, work)
    assert count(graph, work, logits="last")["lm"] == head.cost(32, Workload(batch=2, tokens=1, past=9))


def test_streams_bring_the_tokens_that_are_said() -> None:
    featurizers = {"text": TokenEmbedding(vocab_size=64), "image": ImagePatches(patch_size=4)}
    graph = compile_graph(spec(featurizers=featurizers, fusion=Fusion(type="prefix", streams=("image", "text"))))
    decode = count(graph, Workload(tokens=1, past=9))["image"]
    assert (decode.params, decode.flops, decode.touched_params) == (featurizers["image"].params(32), 0, 0)
    prefill = count(graph, Workload(tokens=10), tokens={"image": 4, "text": 6})
    assert prefill["image"] == featurizers["image"].cost(32, Workload(tokens=4))
    assert prefill["text"] == featurizers["text"].cost(32, Workload(tokens=6))


def test_a_pooled_vector_pools_what_its_source_brings() -> None:
    featurizers = {
        "text": TokenEmbedding(vocab_size=64),
        "prompt": TokenEmbedding(vocab_size=64),
        "topic": Pooled(source="prompt", size=8),
    }
    conditioned = AdaptiveLinear(rank=4, condition=FeaturizerCondition(name="topic", size=8))
    graph = compile_graph(spec(layer(CONV, conditioned), featurizers=featurizers))
    costs = count(graph, Workload(tokens=6), tokens={"text": 6, "prompt": 4})
    assert costs["topic"] == featurizers["topic"].cost(32, Workload(tokens=4))


def test_accumulators_are_wider() -> None:
    conditioned = AdaptiveLinear(rank=4, condition=RunningMeanCondition(size=8))
    counted = totals(compile_graph(spec(layer(None, conditioned))))
    assert (counted.fixed_state_elements, counted.float32_elements) == (9, 9)
    assert counted.fixed_state_bytes == 4 * 9
    assert counted.cache_bytes(100) == 4 * 9
