"""Counts as an array say what the graph's own counts say."""

import pytest

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.graph.count import count, totals
from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.reference import reference_graph
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import DENSE, EXPERT, EXPERT_FLOPS, FIELDS, MATMUL, MIXING, PARTS, measure_work
from tests.hardware.example import attention, experts, model

GRAPHS = [reference_graph("lfm2-1.2b"), reference_graph("gemma-3-1b"), experts(), model(attention(64), attention())]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_rows_times_repeats_are_the_whole(graph: Graph) -> None:
    scenario = Scenario(prompt=300, generate=9, batch=2)
    work = measure_work(graph, scenario)
    for number, each in enumerate(scenario.passes()):
        whole = Cost.total(count(graph, each, logits="last").values())
        sums = work.table_PRF[number].T @ work.repeats_R
        assert sums[MATMUL] + sums[EXPERT_FLOPS] == whole.matmul_flops
        assert sums[EXPERT_FLOPS] == whole.expert_flops
        assert sums[MIXING] == whole.mixing_flops
        assert sums[DENSE] + sums[EXPERT] == pytest.approx(whole.touched_params)
        assert sums[EXPERT] == pytest.approx(whole.touched_expert_params)
        assert sums[FIELDS.index("cache")] == whole.cache_read + whole.cache_write
        assert sums[FIELDS.index("activations")] == whole.activations
        assert sums[PARTS] == 2 * len(graph.layers)
    assert sum(work.stored.values()) == totals(graph).params


def test_equal_layers_share_a_row() -> None:
    work = measure_work(reference_graph("lfm2-1.2b"), Scenario())
    mixers = {row.operator: len(row.nodes) for row in work.rows if row.piece == "mixer"}
    assert mixers == {"short_conv": 10, "attention": 6}


def test_three_steps_give_the_mean_over_all() -> None:
    scenario = Scenario(prompt=100, generate=51)
    graph = reference_graph("llama-3.2-1b")
    steps = [count(graph, Workload(tokens=1, past=100 + n)) for n in range(51)]
    mean = sum(Cost.total(step.values()).cache_read for step in steps) / 51
    passes = [Cost.total(count(graph, each).values()).cache_read for each in scenario.passes()[1:]]
    assert (passes[0] + 4 * passes[1] + passes[2]) / 6 == pytest.approx(mean)
