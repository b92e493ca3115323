"""Bytes by part, against closed forms."""

import pytest

from lfm_arch.graph.count import totals
from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.estimate import Scenario, estimate
from lfm_arch.hardware.memory import Memory
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import reference_graph
from tests.hardware.example import attention, dense, device, model

PHONE = load_profile("qualcomm")


def memory(graph: Graph, scenario: Scenario) -> Memory:
    return estimate(graph, PHONE, scenario).memory


def test_weights_are_every_parameter_once() -> None:
    graph = reference_graph("llama-3-8b")
    assert memory(graph, Scenario(weights="f16")).weights == 2 * totals(graph).params


def test_a_tied_embedding_is_stored_once_and_wide() -> None:
    graph = dense()
    table = 32_000 * 1024
    others = totals(graph).params - table
    assert memory(graph, Scenario(weights="q4_0")).weights == pytest.approx((others * 4.5 + table * 6.5625) / 8)


def test_an_untied_one_twice_and_the_embedding_narrow() -> None:
    graph = model(attention(), tied=False)
    table = 32_000 * 1024
    others = totals(graph).params - 2 * table
    expected = (others * 4.5 + table * 4.5 + table * 6.5625) / 8
    assert memory(graph, Scenario(weights="q4_0")).weights == pytest.approx(expected)


@pytest.mark.parametrize(("cache", "bytes_each"), [("f16", 2), ("f32", 4), ("q8_0", 34 / 32)])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_cache_grows_with_every_token_and_sequence(cache: str, bytes_each: float, batch: int) -> None:
    graph = reference_graph("lfm2-1.2b")
    per_token = totals(graph).kv_elements_per_token
    found = memory(graph, Scenario(prompt=1000, generate=24, batch=batch, cache=cache)).cache
    assert found == pytest.approx(per_token * bytes_each * 1024 * batch)


def test_lfm2_keeps_12_kib_a_token() -> None:
    found = memory(reference_graph("lfm2-1.2b"), Scenario(prompt=1023, generate=1)).cache
    assert found == 12 * 1024 * 1024


def test_a_window_caps_the_cache() -> None:
    graph = model(attention(window_size=129))
    near, far = (memory(graph, Scenario(prompt=n, generate=1)).cache for n in (500, 5000))
    assert near == far == 128 * 2 * 4 * 64 * 2


def test_fixed_state_does_not_grow() -> None:
    graph = reference_graph("lfm2-1.2b")
    near, far = (memory(graph, Scenario(prompt=n)).state for n in (16, 16_384))
    # ten convolutions remember two vectors each, which llama.cpp keeps in 32 bits
    assert near == far == 10 * 2 * 2048 * 4


def test_activations_are_those_of_one_piece_of_the_prompt() -> None:
    graph = dense()
    one, many = (memory(graph, Scenario(prompt=n)).activations for n in (512, 8192))
    assert many == pytest.approx(one, rel=1e-6)
    assert memory(graph, Scenario(prompt=64)).activations < one


def test_an_unknown_runtime_part_is_left_out_and_said() -> None:
    made = estimate(dense(), load_profile("cerebras"), Scenario())
    assert made.memory.runtime is None
    assert made.numbers["runtime_bytes"].value is None
    assert "at least" in made.numbers["memory_bytes"].note


def test_the_parts_add_up() -> None:
    made = estimate(dense(), device(), Scenario())
    assert made.memory_bytes == pytest.approx(sum(value or 0 for value in made.memory.parts().values()))
