"""What a study may minimise, maximise or limit, and where each number comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["minimize", "maximize"]
Origin = Literal["count", "hardware", "quality"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a candidate."""

    title: str
    unit: str
    direction: Direction
    """Which way is better."""
    origin: Origin
    """`count`: exact, of the architecture. `hardware`: modelled for a profile and scenario. `quality`: trained."""
    worst: float = 0.0
    """What guessing reaches, for measured ones; what the sampler is told of a candidate that was not trained."""


METRICS: Mapping[str, Metric] = {
    "params": Metric("parameters", "params", "minimize", "count"),
    "active_params": Metric("active parameters", "params", "minimize", "count"),
    "layers": Metric("layers", "layers", "minimize", "count"),
    "kv_bytes_per_token": Metric("cache of a token", "B", "minimize", "count"),
    "fixed_state_bytes": Metric("fixed state", "B", "minimize", "count"),
    "ttft_s": Metric("time to first token", "s", "minimize", "hardware"),
    "decode_step_s": Metric("decode latency", "s", "minimize", "hardware"),
    "prefill_tokens_per_s": Metric("prefill speed", "tokens/s", "maximize", "hardware"),
    "decode_tokens_per_s": Metric("decode speed", "tokens/s", "maximize", "hardware"),
    "energy_per_token_j": Metric("energy of a token", "J", "minimize", "hardware"),
    "memory_bytes": Metric("memory", "B", "minimize", "hardware"),
    "weights_bytes": Metric("weights", "B", "minimize", "hardware"),
    "cache_bytes": Metric("cache", "B", "minimize", "hardware"),
    # 8 bits for each byte and no recall: what a model that knows nothing reaches
    "bits_per_byte": Metric("validation loss", "bits/byte", "minimize", "quality", worst=8.0),
    "recall": Metric("recall", "accuracy", "maximize", "quality", worst=0.0),
}
"""Name -> metric. In a study of several profiles a hardware metric is asked for each: `decode_step_s@apple-m4`."""


def metric(name: str) -> Metric:
    """Look up a metric, whatever profile it is asked for."""
    return METRICS[name.partition("@")[0]]


def loss(name: str, value: float) -> float:
    """Return a value such that smaller is better."""
    return value if metric(name).direction == "minimize" else -value
