"""Bytes by part: weights, cache, state, activations, and what the runtime itself takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

from lfm_arch.graph.count import slots
from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.formats import WeightFormat, cache_bits, weight_format
from lfm_arch.hardware.parallel import Share, share_of
from lfm_arch.hardware.runtime import Engine
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import ACTIVATIONS, Work, measure_work

ENCODER_BITS = 16.0
"""Encoders of other modalities are shipped beside the language model, in 16 bits."""


@dataclass(frozen=True)
class Memory:
    """Peak bytes of a scenario on each chip, at its end, when the cache is longest."""

    weights: float
    """Exact: every parameter in the format of its place, which is also the size of the file."""
    cache: float
    """Exact: keys and values of all sequences, windows cut."""
    state: float
    """Exact: everything of fixed size that is remembered."""
    activations: float
    """Modelled: the widest layer over one piece of the prompt, and one row of scores for each sequence."""
    runtime: float | None
    """Measured of the engine, None when nobody did."""

    @cached_property
    def total(self) -> float:
        """Sum; without the runtime's own part when that is unknown."""
        return self.weights + self.cache + self.state + self.activations + (self.runtime or 0.0)

    def parts(self) -> Mapping[str, float | None]:
        return {name: getattr(self, name) for name in ("weights", "cache", "state", "activations", "runtime")}


def weight_bytes(work: Work, weights: WeightFormat) -> float:
    """Return the bytes of all weights, which is also the size of the file."""
    bits = {
        "layers": weights.bits,
        "experts": weights.routed_bits,
        "head": weights.head_bits,
        "embedding": weights.embedding_bits,
        "encoder": ENCODER_BITS,
    }
    return sum(count * bits[place] for place, count in work.stored.items()) / 8


def measure_memory(graph: Graph, work: Work, scenario: Scenario, engine: Engine, *, at: int | None = None) -> Memory:
    """Add up what each chip holds at the end of a scenario, or when `at` positions of each sequence are known."""
    context = scenario.context if at is None else at
    if engine.cache_page:
        context = ceil(context / engine.cache_page) * engine.cache_page
    part = share_of(graph, scenario)
    cached = fixed = accumulators = 0.0
    for held in slots(graph).values():
        for slot in held:
            elements = slot.elements(batch=scenario.batch, context=context)
            if "context" in slot.shape:
                cached += elements
            elif slot.precision == "float32":
                accumulators += elements
            else:
                fixed += elements
    return Memory(
        weights=_held_bytes(work, weight_format(scenario.weights), part),
        cache=cached * cache_bits(scenario.cache) / 8 * part.cache,
        state=(fixed * engine.state_bits + accumulators * 32) / 8 * part.state,
        activations=_activations(graph, work, scenario, engine),
        runtime=None if engine.base is None else float(engine.base.value),
    )


def longest_context(graph: Graph, scenario: Scenario, engine: Engine, limit: float) -> int:
    """Return the most tokens, prompt and generated, that fit into some bytes; 0 for none, at most 16 million."""

    def fits(tokens: int) -> bool:
        asked = replace(scenario, prompt=max(1, tokens - scenario.generate))
        return measure_memory(graph, measure_work(graph, asked), asked, engine).total <= limit

    low, high = scenario.generate, 2**24
    if not fits(low + 1):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _held_bytes(work: Work, weights: WeightFormat, part: Share) -> float:
    routed = work.stored["experts"] * weights.routed_bits / 8
    return (weight_bytes(work, weights) - routed) * part.weights + routed * part.experts


def _activations(graph: Graph, work: Work, scenario: Scenario, engine: Engine) -> float:
    chunk = min(scenario.prompt, engine.prefill_chunk or scenario.prompt)
    moved_R = work.table_PRF[0, :, ACTIVATIONS]
    layers = [moved for moved, row in zip(moved_R, work.rows, strict=True) if row.piece in ("mixer", "channel")]
    # element-wise steps read and write: what lives at once is about half of the busiest piece's traffic
    busiest = max(layers, default=0.0) / 2 * chunk / scenario.prompt
    stream = 2 * graph.width * scenario.batch * chunk
    scores = sum(moved_R[work.head_R])
    return float((busiest + stream) * engine.activation_bits / 8 + scores * 4)
