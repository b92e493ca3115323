"""Several chips: what each holds, computes and sends, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lfm_arch.core.errors import ProfileError
from lfm_arch.hardware.estimate import Estimate, Scenario, estimate
from lfm_arch.hardware.profile import Profile, load_profile
from lfm_arch.hardware.scenario import Parallel
from lfm_arch.hardware.work import CACHE, EXPERT, HOPS, LINK
from lfm_arch.spec.model import load_spec
from tests.hardware.example import dense, device, experts

LINK_RATE = 10e9
RATES = {
    "weights": 40e9, "kv": 1e18, "matmul_float": 1e18, "attention": 1e18, "activations": 1e18, "state": 1e18,
    "part": 0.0, "hop": 0.0, "border": 0.0, "experts": 40e9, "experts_batch": 40e9,
}  # fmt: skip
ONE = Scenario(prompt=512, generate=1, weights="f16")


def linked(rates: dict[str, float] | None = None, **link: Any) -> Profile:
    return device(
        rates=rates or RATES, link={"value": LINK_RATE, "kind": "vendor", "source": "sheet", **link}, capacity=None
    )


def run(chips: int, parallel: Parallel = "tensor", **more: Any) -> Estimate:
    graph = more.pop("graph", None) or dense(8)
    return estimate(graph, linked(more.pop("rates", None)), replace(ONE, chips=chips, parallel=parallel, **more))


def test_tensor_parallel_divides_reading_and_adds_two_all_reduces_a_layer() -> None:
    one, four = run(1), run(4)
    # every layer sends 2 (N - 1) / N of a row of 1,024 elements, in llama.cpp's 32 bits, after mixer and channel mixer
    sent = 8 * 2 * 2 * 3 / 4 * 1024 * 4 / LINK_RATE
    assert four.step_s == pytest.approx(one.step_s / 4 + sent, rel=1e-3)


def test_a_hop_is_paid_whatever_is_sent() -> None:
    slow = run(2, rates={**RATES, "hop": 1e-3})
    assert slow.step_s - run(2).step_s == pytest.approx(16e-3)


def test_a_pipeline_is_as_slow_as_one_chip_for_one_sequence() -> None:
    one, four = run(1), run(4, "pipeline")
    assert four.step_s == pytest.approx(one.step_s, rel=1e-3)
    assert four.memory.weights == pytest.approx(one.memory.weights / 4)


def test_parts_of_a_batch_fill_a_pipeline() -> None:
    alone, together = run(4, "pipeline"), run(4, "pipeline", batch=4)
    assert together.decode_tokens_per_s == pytest.approx(4 * alone.decode_tokens_per_s, rel=1e-3)


def test_pieces_of_a_prompt_follow_one_another() -> None:
    rates = {**RATES, "matmul_float": 1e12, "weights": 1e18}
    one, two = run(1, prompt=4096, rates=rates), run(2, "pipeline", prompt=4096, rates=rates)
    assert two.ttft_s == pytest.approx(one.ttft_s * (8 + 1) / (8 * 2), rel=1e-2)


def test_expert_parallel_deals_out_experts_only() -> None:
    graph = experts()
    one, two = run(1, graph=graph), run(2, "expert", graph=graph)
    routed = 4 * 8 * 3 * 1024 * 1024
    assert one.memory.weights - two.memory.weights == pytest.approx(routed * 2 / 2)
    read = 4 * 2 * 3 * 1024 * 1024 * 2
    sent = 2 * 1 / 2 * 2 * 1024 / 2 * 4 * 4
    assert one.step_s - two.step_s == pytest.approx(read / 2 / 40e9 - sent / LINK_RATE, rel=1e-2)


def test_more_chips_than_key_value_heads_hold_copies() -> None:
    one, four, sixteen = (run(chips).memory.cache for chips in (1, 4, 16))
    assert four == one / 4
    assert sixteen == four


def test_a_mesh_of_links_gives_each_pair_its_own() -> None:
    link = load_profile("mi300x").link
    assert link is not None
    assert [link.between(chips) for chips in (2, 8, 16)] == [64e9, 448e9, 448e9]
    switched = load_profile("h100-sxm").link
    assert switched is not None
    assert switched.between(2) == switched.between(8) == 450e9


def test_an_unknown_link_is_not_guessed() -> None:
    with pytest.raises(ProfileError, match="what links 2 chips is unknown") as caught:
        estimate(dense(), device(rates=RATES), replace(ONE, chips=2))
    assert caught.value.diagnostics[0].code == "E715"


def test_one_chip_sends_nothing() -> None:
    table = run(1).work.table_PRF
    assert not table[..., [LINK, HOPS]].any()
    assert np.isfinite(table[..., [CACHE, EXPERT]]).all()


def test_forty_billion_parameters_on_two_mi300x() -> None:
    from lfm_arch.graph.compile import compile_graph

    graph = compile_graph(load_spec("specs/lfm1-40b-style.yaml"))
    one, two = (
        estimate(graph, load_profile("mi300x"), Scenario(weights="bf16", chips=chips), runtime="vllm")
        for chips in (1, 2)
    )
    assert two.memory.weights == pytest.approx(one.memory.weights / 2)
    assert two.step_s < one.step_s
    assert two.ttft_s < one.ttft_s


def test_a_wafer_streams_what_it_cannot_hold() -> None:
    from lfm_arch.graph.compile import compile_graph

    graph = compile_graph(load_spec("specs/lfm1-40b-style.yaml"))
    wafer = load_profile("cerebras")
    inside, streamed = (estimate(graph, wafer, Scenario(weights=each)) for each in ("q4_0", "bf16"))
    assert inside.fits
    assert streamed.fits is False
    assert streamed.rates.weights.value == 150e9
    assert "streamed" in streamed.rates.weights.how
    assert streamed.step_s > 100 * inside.step_s
    # two wafers hold it
    both = estimate(graph, wafer, Scenario(weights="bf16", chips=2, parallel="pipeline"))
    assert both.fits
    assert both.step_s < streamed.step_s / 100
