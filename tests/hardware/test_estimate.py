"""Estimates against arithmetic done by hand, and what must hold of them whatever the numbers."""

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfm_arch.core.errors import ProfileError
from lfm_arch.graph.count import totals
from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.estimate import Scenario, estimate
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import reference_graph
from lfm_arch.operators.short_conv.declaration import ShortConv
from tests.hardware.example import attention, conv, dense, device, encoder, experts, model

RATES = {
    "weights": 40e9,
    "kv": 20e9,
    "matmul_quantized": 2e12,
    "matmul_float": 1e12,
    "attention": 0.5e12,
    "part": 30e-6,
    "activations": 1e15,
    "state": 1e15,
}
"""Element-wise and state traffic are made free, so that the closed forms stay short."""
FLOAT = Scenario(prompt=512, generate=1, weights="f16")


def test_decoding_reads_the_weights_once_and_pays_for_each_part() -> None:
    graph = conv(layers=8)
    made = estimate(graph, device(rates={**RATES, "kv": 1e15}), FLOAT)
    # the embedding is tied, so the head reads it, and the table itself is only looked up
    params = totals(graph).params + 1024
    assert made.step_s == pytest.approx(params * 2 / 40e9 + 8 * 2 * 30e-6, rel=1e-3)
    assert made.decode_tokens_per_s == pytest.approx(1 / made.step_s)


def test_attention_adds_its_cache() -> None:
    rates = {**RATES, "part": 0.0}
    graph = dense(layers=8)
    short = estimate(graph, device(rates=rates), replace(FLOAT, prompt=1))
    long = estimate(graph, device(rates=rates), replace(FLOAT, prompt=2049))
    cached = 8 * 2048 * 2 * 4 * 64 * 2
    assert long.step_s - short.step_s == pytest.approx(cached / 20e9, rel=1e-3)


def test_prefill_is_arithmetic_and_the_head_sees_one_position() -> None:
    graph = conv(layers=8)
    made = estimate(graph, device(rates={**RATES, "part": 0.0, "attention": 1e18}), FLOAT)
    layers = totals(graph).params - 32_000 * 1024
    head = max(2 * 32_000 * 1024 / 1e12, 32_000 * 1024 * 2 / 40e9)
    assert made.ttft_s == pytest.approx(2 * layers * 512 / 1e12 + head, rel=2e-3)
    assert made.prefill_tokens_per_s == pytest.approx(512 / made.ttft_s)


def test_attention_over_a_prompt_is_quadratic() -> None:
    rates = {**RATES, "part": 0.0, "kv": 1e18, "matmul_float": 1e18, "weights": 1e18}
    one, two = (estimate(dense(), device(rates=rates), replace(FLOAT, prompt=n)).ttft_s for n in (1024, 2048))
    pairs = 1024 * 1025 / 2
    assert one == pytest.approx(8 * 4 * 16 * 64 * pairs / 0.5e12, rel=1e-2)
    assert two / one == pytest.approx(4, rel=1e-2)


def test_a_prompt_in_pieces_reads_the_weights_for_each() -> None:
    rates = {**RATES, "part": 0.0, "attention": 1e18, "matmul_float": 1e18, "kv": 1e18}
    one, three = (estimate(dense(), device(rates=rates), replace(FLOAT, prompt=n)).ttft_s for n in (512, 1536))
    head = 32_000 * 1024 * 2 / 40e9
    assert (three - head) / (one - head) == pytest.approx(3, rel=1e-3)


def test_starting_a_prompt_takes_its_time() -> None:
    without = estimate(dense(), device(rates=RATES), FLOAT)
    with_start = estimate(dense(), device(rates={**RATES, "prompt": 0.25}), FLOAT)
    assert with_start.ttft_s - without.ttft_s == pytest.approx(0.25)
    assert with_start.step_s == without.step_s


def test_small_products_fill_the_machine_less() -> None:
    rates = {**RATES, "part": 0.0, "attention": 1e18, "kv": 1e18, "weights": 1e18}
    full = estimate(conv(), device(rates=rates), replace(FLOAT, prompt=64)).ttft_s
    half = estimate(conv(), device(rates={**rates, "half_tokens": 64.0}), replace(FLOAT, prompt=64)).ttft_s
    head = 2 * 32_000 * 1024 / 1e12
    # the head sees one row, where other kernels run, so only the layers' time doubles
    assert (half - head) / (full - head) == pytest.approx(2, rel=0.2)


def test_decoding_is_the_mean_over_a_growing_context() -> None:
    rates = {**RATES, "part": 0.0}
    scenario = replace(FLOAT, prompt=1000, generate=500)
    made = estimate(dense(), device(rates=rates), scenario).step_s
    each = [estimate(dense(), device(rates=rates), replace(FLOAT, prompt=1000 + n)).step_s for n in range(0, 500, 25)]
    middle = estimate(dense(), device(rates=rates), replace(FLOAT, prompt=1249)).step_s
    assert made == pytest.approx(middle, rel=1e-3)
    assert min(each) < made < max(each)


def test_a_window_stops_the_cache_from_growing() -> None:
    graph = model(*(attention(window_size=256) for _ in range(4)))
    near, far = (estimate(graph, device(rates=RATES), replace(FLOAT, prompt=n)).step_s for n in (1024, 16_384))
    assert near == far
    assert estimate(dense(4), device(rates=RATES), replace(FLOAT, prompt=16_384)).step_s > far


class TestBatch:
    def test_weights_are_read_once_for_all_sequences(self) -> None:
        rates = {**RATES, "part": 0.0, "kv": 1e18}
        one, eight = (estimate(conv(), device(rates=rates), replace(FLOAT, batch=b)) for b in (1, 8))
        assert eight.step_s == pytest.approx(one.step_s, rel=1e-3)
        assert eight.decode_tokens_per_s == pytest.approx(8 * one.decode_tokens_per_s, rel=1e-3)

    def test_caches_are_not(self) -> None:
        rates = {**RATES, "part": 0.0, "weights": 1e18, "matmul_float": 1e18}
        one, eight = (estimate(dense(), device(rates=rates), replace(FLOAT, batch=b)).step_s for b in (1, 8))
        assert eight == pytest.approx(8 * one, rel=1e-3)

    def test_more_sequences_touch_more_experts(self) -> None:
        rates = {**RATES, "part": 0.0, "kv": 1e18, "matmul_float": 1e18, "experts": 10e9, "experts_batch": 10e9}
        graph = experts(num_experts=8, experts_per_token=2)
        one, two = (estimate(graph, device(rates=rates), replace(FLOAT, batch=b)).step_s for b in (1, 2))
        expert = 3 * 1024 * 1024 * 2
        more = 4 * (8 * (1 - (1 - 2 / 8) ** 2) - 2) * expert
        assert two - one == pytest.approx(more / 10e9, rel=1e-2)


class TestBounds:
    def test_decoding_is_bound_by_reading_weights_and_a_prompt_by_arithmetic(self) -> None:
        made = estimate(dense(), device(rates={**RATES, "part": 1e-9}), FLOAT)
        layer = made.nodes[1]
        assert (layer.node, layer.kind) == ("layers.0", "attention + swiglu")
        assert (layer.prefill_bound, layer.decode_bound) == ("matmul", "weights")

    @pytest.mark.parametrize(
        ("slow", "bound"),
        [("kv", "kv"), ("part", "overhead"), ("decode_attention", "attention"), ("activations", "elementwise")],
    )
    def test_what_is_slowest_is_named(self, slow: str, bound: str) -> None:
        value = 1.0 if slow == "part" else 1e6
        made = estimate(dense(), device(rates={**RATES, slow: value}), FLOAT)
        assert made.nodes[1].decode_bound == bound

    def test_terms_add_up(self) -> None:
        made = estimate(dense(), load_profile("qualcomm"), Scenario())
        for node in made.nodes:
            assert sum(node.decode_terms.values()) == pytest.approx(node.decode_s)
            assert sum(node.prefill_terms.values()) == pytest.approx(node.prefill_s)
        assert sum(node.decode_s for node in made.nodes) == pytest.approx(made.step_s)
        assert sum(node.prefill_s for node in made.nodes) == pytest.approx(made.ttft_s)


class TestWhatIsNotKnown:
    def test_without_a_peak_prefill_is_refused_and_decoding_answered(self) -> None:
        made = estimate(dense(), device(peak=None), FLOAT)
        assert made.decode_tokens_per_s > 0
        assert made.prefill_s is None
        assert made.numbers["ttft_s"].value is None
        with pytest.raises(ProfileError) as caught:
            _ = made.ttft_s
        assert caught.value.diagnostics[0].code == "E707"

    def test_without_a_bandwidth_nothing_is_answered(self) -> None:
        with pytest.raises(ProfileError) as caught:
            estimate(dense(), device(bandwidth=None), FLOAT)
        assert caught.value.diagnostics[0].code == "E706"

    def test_without_a_capacity_nobody_knows_whether_it_fits(self) -> None:
        assert estimate(dense(), device(capacity=None), FLOAT).fits is None

    def test_without_a_measured_power_there_is_no_energy(self) -> None:
        limit = {"value": 100.0, "kind": "vendor", "source": "sheet", "scope": "board", "state": "limit"}
        made = estimate(dense(), device(power=[limit]), FLOAT)
        assert made.energy_per_token_j is None
        assert made.numbers["energy_per_token_j"].value is None

    def test_energy_is_measured_power_times_time(self) -> None:
        load = {"value": 10.0, "kind": "measured", "source": "sheet", "scope": "wall", "state": "load", "unit": "it"}
        made = estimate(dense(), device(power=[load]), FLOAT)
        assert made.energy_per_token_j == pytest.approx(10.0 * made.step_s)

    def test_an_operator_that_nobody_ran_there_is_named(self) -> None:
        assert estimate(conv(), load_profile("cerebras"), Scenario()).unproven == {"short_conv": "unknown"}
        assert estimate(conv(), load_profile("qualcomm"), Scenario()).unproven == {}


def test_too_large_is_said() -> None:
    graph = reference_graph("llama-3-70b")
    assert estimate(graph, load_profile("raspberry-pi-5"), Scenario()).fits is False
    assert estimate(graph, load_profile("mi300x"), Scenario()).fits is True
    assert estimate(graph, load_profile("mi300x"), Scenario(memory=2**30)).fits is False


@pytest.mark.parametrize("field", ["prompt", "generate", "batch"])
def test_an_impossible_scenario(field: str) -> None:
    with pytest.raises(ProfileError) as caught:
        replace(Scenario(), **{field: 0})
    assert caught.value.diagnostics[0].code == "E713"


def test_weights_that_the_runtime_does_not_run() -> None:
    runtimes = [{"engine": "torch", "backend": "f32", "unit": "it", "formats": ["f32"]}]
    with pytest.raises(ProfileError) as caught:
        estimate(dense(), device(runtimes=runtimes, measured=[]), Scenario(weights="q4_0"))
    assert caught.value.diagnostics[0].code == "E709"


@pytest.mark.parametrize("direction", ["bidirectional", "causal"])
def test_a_model_that_does_not_decode_is_refused(direction: Literal["causal", "bidirectional"]) -> None:
    with pytest.raises(ProfileError) as caught:
        estimate(encoder(direction), device(), FLOAT)
    assert caught.value.diagnostics[0].code == "E714"


def test_a_tier_can_be_required() -> None:
    made = estimate(dense(), load_profile("raspberry-pi-5"), Scenario())
    assert made.require("class") is made
    with pytest.raises(ProfileError) as caught:
        made.require("calibrated")
    assert caught.value.diagnostics[0].code == "E712"


def test_every_answer_is_marked() -> None:
    made = estimate(dense(), load_profile("qualcomm"), Scenario())
    for name, number in made.numbers.items():
        assert number.kind in ("exact", "modelled", "measured"), name
        assert number.unit, name
    for name in ("ttft_s", "prefill_tokens_per_s", "decode_tokens_per_s"):
        number = made.numbers[name]
        assert number.tier in ("calibrated", "family")
        assert number.value is not None
        assert number.low is not None
        assert number.high is not None
        assert number.low < number.value < number.high
    assert {made.numbers[f"{part}_bytes"].kind for part in ("weights", "cache", "state")} == {"exact"}


rates = st.fixed_dictionaries(
    {
        "weights": st.floats(1e9, 1e12),
        "kv": st.floats(1e8, 1e12),
        "matmul_quantized": st.floats(1e10, 1e15),
        "attention": st.floats(1e9, 1e14),
        "part": st.floats(0, 1e-3),
        "kernel": st.floats(0, 1e-4),
    }
)
scenarios = st.builds(
    Scenario,
    prompt=st.integers(1, 8192),
    generate=st.integers(1, 512),
    batch=st.integers(1, 8),
    weights=st.sampled_from(["q4_0", "q8_0", "q4_k_m"]),
)
graphs = st.sampled_from([dense(4), conv(4), experts(), model(attention(64), ShortConv(kernel_size=4), attention())])


@settings(max_examples=60, deadline=None)
@given(graphs, rates, scenarios, st.sampled_from(["weights", "kv", "matmul_quantized", "attention"]), st.floats(1, 100))
def test_a_faster_device_is_never_slower(
    graph: Graph, rates: dict[str, float], scenario: Scenario, name: str, factor: float
) -> None:
    slow = estimate(graph, device(rates=rates), scenario)
    fast = estimate(graph, device(rates={**rates, name: rates[name] * factor}), scenario)
    assert fast.ttft_s <= slow.ttft_s * (1 + 1e-12)
    assert fast.step_s <= slow.step_s * (1 + 1e-12)


@settings(max_examples=60, deadline=None)
@given(graphs, rates, scenarios, st.integers(1, 4096))
def test_a_longer_context_is_never_faster(graph: Graph, rates: dict[str, float], scenario: Scenario, more: int) -> None:
    short = estimate(graph, device(rates=rates), scenario)
    long = estimate(graph, device(rates=rates), replace(scenario, prompt=scenario.prompt + more))
    assert long.step_s >= short.step_s * (1 - 1e-12)
    assert long.ttft_s >= short.ttft_s * (1 - 1e-12)
    assert long.memory.cache >= short.memory.cache


@settings(max_examples=40, deadline=None)
@given(graphs, rates, scenarios)
def test_more_sequences_take_longer_together_and_less_each(
    graph: Graph, rates: dict[str, float], scenario: Scenario
) -> None:
    one = estimate(graph, device(rates=rates), scenario)
    two = estimate(graph, device(rates=rates), replace(scenario, batch=2 * scenario.batch))
    assert two.step_s >= one.step_s * (1 - 1e-12)
    assert two.decode_tokens_per_s >= one.decode_tokens_per_s * (1 - 1e-12)


@settings(max_examples=40, deadline=None)
@given(graphs, scenarios, st.floats(1.01, 100))
def test_more_bandwidth_is_never_slower_without_a_calibration(graph: Graph, scenario: Scenario, factor: float) -> None:
    slow = estimate(graph, device(bandwidth=20e9), scenario)
    fast = estimate(graph, device(bandwidth=20e9 * factor), scenario)
    assert fast.step_s <= slow.step_s
    assert fast.ttft_s <= slow.ttft_s
