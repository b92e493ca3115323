"""One model on several equal chips: what each holds, computes and sends.

    tensor    every matrix is cut: work, weights and heads divide by the chips; two all-reduces a layer
    pipeline  layers are dealt out: a token visits all chips in turn; pieces of a prompt and of a batch overlap
    expert    routed experts are dealt out, the rest is copied; two all-to-alls for each layer with experts

An all-reduce of M bytes moves 2 (N - 1) / N M through a chip's links, an all-to-all (N - 1) / N M. Each also takes a
`hop` whatever its size.

Axes: P passes, R rows, F fields.
"""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import (
    CACHE,
    DENSE,
    EXPERT,
    EXPERT_FLOPS,
    HOPS,
    LINK,
    MATMUL,
    MIXING,
    STATE,
    Array,
    Work,
)


@dataclass(frozen=True, slots=True)
class Share:
    """Parts of the whole that one chip holds."""

    weights: float = 1.0
    experts: float = 1.0
    cache: float = 1.0
    state: float = 1.0


def share_of(graph: Graph, scenario: Scenario) -> Share:
    """Return what a chip holds; the fullest one, where layers do not divide evenly."""
    chips = scenario.chips
    if chips == 1:
        return Share()
    if scenario.parallel == "tensor":
        return Share(1 / chips, 1 / chips, 1 / min(chips, _kv_heads(graph)), 1 / chips)
    if scenario.parallel == "expert":
        return Share(experts=1 / chips)
    layers = max(1, len(graph.layers))
    fullest = ceil(layers / min(chips, layers)) / layers
    return Share(fullest, fullest, fullest, fullest)


def shard(graph: Graph, work: Work, scenario: Scenario) -> Work:
    """Return the counts of the busiest chip, with what it sends."""
    if scenario.chips == 1:
        return work
    table_PRF = work.table_PRF.copy()
    positions_P = np.array([each.positions for each in scenario.passes()], dtype=np.float64)
    if scenario.parallel == "pipeline":
        last = int(np.flatnonzero(work.head_R)[-1])
        table_PRF[:, last, LINK] += (scenario.chips - 1) * graph.width * positions_P
        table_PRF[:, last, HOPS] += scenario.chips - 1
        return replace(work, table_PRF=table_PRF)
    if scenario.parallel == "tensor":
        _cut(graph, work, scenario.chips, positions_P, table_PRF)
    else:
        _deal(graph, work, scenario.chips, positions_P, table_PRF)
    return replace(work, table_PRF=table_PRF)


def overlap(scenario: Scenario, chunks: int) -> float:
    """Return the share of the time that a prompt takes when its pieces follow one another through the chips."""
    if scenario.chips == 1 or scenario.parallel != "pipeline":
        return 1.0
    pieces = max(chunks, min(scenario.batch, scenario.chips))
    return (pieces + scenario.chips - 1) / (pieces * scenario.chips)


def _cut(graph: Graph, work: Work, chips: int, positions_P: Array, table_PRF: Array) -> None:
    for field in (MATMUL, EXPERT_FLOPS, MIXING, DENSE, EXPERT, STATE):
        table_PRF[..., field] /= chips
    table_PRF[..., CACHE] /= min(chips, _kv_heads(graph))
    sent_P = 2 * (chips - 1) / chips * graph.width * positions_P
    for number, row in enumerate(work.rows):
        if row.piece in ("mixer", "channel"):
            table_PRF[:, number, LINK] += sent_P
            table_PRF[:, number, HOPS] += 1


def _deal(graph: Graph, work: Work, chips: int, positions_P: Array, table_PRF: Array) -> None:
    for number, row in enumerate(work.rows):
        if row.piece != "channel" or not work.table_PRF[0, number, EXPERT]:
            continue
        table_PRF[:, number, EXPERT_FLOPS] /= chips
        table_PRF[:, number, EXPERT] /= chips
        copies = getattr(graph[row.nodes[0]].part.channel, "experts_per_token", 1)
        table_PRF[:, number, LINK] += 2 * (chips - 1) / chips * copies * graph.width * positions_P / chips
        table_PRF[:, number, HOPS] += 2


def _kv_heads(graph: Graph) -> int:
    """Return the fewest key/value heads: more chips than heads hold copies."""
    counts = [getattr(layer.part.mixer, "num_kv_heads", None) for layer in graph.layers]
    return min((count for count in counts if count), default=1)
