"""How an estimate is told."""

import json

import pytest

from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.account import as_data, fold, provenance
from lfm_arch.hardware.estimate import Scenario, estimate
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import reference_graph
from tests.hardware.example import dense, experts


def test_equal_layers_are_folded() -> None:
    made = estimate(reference_graph("lfm2-1.2b"), load_profile("qualcomm"), Scenario())
    told = {each.cost.kind: (len(each.nodes), each.where) for each in fold(made)}
    assert told["short_conv + swiglu"] == (10, "layers 0-1, 3-4, 6-7, 9, 11, 13, 15")
    assert told["attention + swiglu"] == (6, "layers 2, 5, 8, 10, 12, 14")
    assert told["lm_head"] == (1, "lm")
    assert sum(len(each.nodes) * each.cost.decode_s for each in fold(made)) == pytest.approx(made.step_s)


def test_a_single_layer_is_in_the_singular() -> None:
    made = estimate(dense(1), load_profile("qualcomm"), Scenario())
    assert "layer 0" in {each.where for each in fold(made)}


def test_every_rate_says_where_it_comes_from() -> None:
    for name in ("qualcomm", "apple", "amd", "nvidia", "cerebras", "raspberry-pi-5"):
        for line in provenance(estimate(dense(), load_profile(name), Scenario())):
            assert line.how, (name, line.name)
            if line.rows:
                assert line.sources, (name, line.name)
            assert all(url.startswith("https://") for url in line.sources)


def test_experts_are_told_only_where_there_are_some() -> None:
    def names(graph: Graph) -> set[str]:
        return {line.name for line in provenance(estimate(graph, load_profile("apple"), Scenario()))}

    assert "experts" in names(experts())
    assert "experts" not in names(dense())


def test_plain_data_is_json_and_whole() -> None:
    made = estimate(dense(), load_profile("amd"), Scenario())
    data = json.loads(json.dumps(as_data(made)))
    assert data["numbers"]["decode_tokens_per_s"]["value"] == made.decode_tokens_per_s
    assert data["numbers"]["energy_per_token_j"]["value"] is None
    assert data["fits"] is None
    assert len(data["nodes"]) == len(made.nodes)
    assert data["scenario"]["weights"] == "q4_0"
