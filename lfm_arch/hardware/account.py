"""How an estimate is told: equal layers folded, where each number comes from, plain data for JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from lfm_arch.hardware.calibration import Tier
from lfm_arch.hardware.estimate import Estimate, NodeCost
from lfm_arch.hardware.reference import runs, source_urls
from lfm_arch.hardware.work import EXPERT


@dataclass(frozen=True, slots=True)
class Folded:
    """Nodes that are made alike and cost the same."""

    nodes: tuple[str, ...]
    cost: NodeCost
    """Of one of them."""

    @property
    def where(self) -> str:
        """The nodes in short, as `layers 0-1, 3-4, 6`."""
        numbers = [int(node.partition(".")[2]) for node in self.nodes if node.startswith("layers.")]
        if not numbers:
            return ", ".join(self.nodes)
        spans = []
        for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
            span = [number for _, number in run]
            spans.append(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}")
        return f"layer{'s' if len(numbers) > 1 else ''} {', '.join(spans)}"


def fold(estimate: Estimate) -> tuple[Folded, ...]:
    """Fold nodes that are equal, in the order of their first."""
    groups: dict[tuple[str, float, float], list[NodeCost]] = {}
    for cost in estimate.nodes:
        groups.setdefault((cost.kind, cost.prefill_s, cost.decode_s), []).append(cost)
    return tuple(Folded(tuple(cost.node for cost in costs), costs[0]) for costs in groups.values())


RATE_WORDS: Mapping[str, tuple[str, str]] = {
    "weights": ("reading weights", "B/s"),
    "experts": ("reading experts, one token", "B/s"),
    "experts_batch": ("reading experts, several", "B/s"),
    "expert_matmul": ("matrix products, experts", "FLOP/s"),
    "kv": ("reading the cache", "B/s"),
    "decode_attention": ("attention, decoding", "FLOP/s"),
    "matmul": ("matrix products", "FLOP/s"),
    "attention": ("attention, prompt", "FLOP/s"),
    "state": ("state", "B/s"),
    "activations": ("element-wise", "B/s"),
    "part": ("a mixer or channel mixer", "s"),
    "kernel": ("a kernel", "s"),
    "prompt": ("starting a prompt", "s"),
    "link": ("between chips", "B/s"),
    "hop": ("an exchange between chips", "s"),
    "border": ("on to the next chip", "s"),
    "half_tokens": ("rows at half rate", ""),
}
"""What a rate is called, and its unit."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where one rate comes from."""

    name: str
    words: str
    value: float | None
    unit: str
    tier: Tier
    how: str
    rows: tuple[str, ...]
    sources: tuple[str, ...]
    """Addresses of the data sheets and of the published runs behind it."""


def provenance(estimate: Estimate) -> tuple[Line, ...]:
    """Say of every rate that takes part how it is known; rates of nothing are left out."""
    lines = []
    for name, rate in estimate.rates.items():
        unused = "expert" in name and not estimate.work.table_PRF[..., EXPERT].any()
        unused |= name in ("link", "hop", "border") and estimate.scenario.chips == 1
        if unused or (not rate.value and name != "matmul"):
            continue
        words, unit = RATE_WORDS[name]
        sources = tuple(dict.fromkeys((*rate.sources, *_addresses(rate.rows))))
        lines.append(Line(name, words, rate.value, unit, rate.tier, rate.how, rate.rows, sources))
    return tuple(lines)


def as_data(estimate: Estimate) -> dict[str, Any]:
    """Return everything as plain data, numbers in base units."""
    calibration = estimate.calibration
    return {
        "spec": estimate.graph.name,
        "profile": estimate.profile.name,
        "runtime": estimate.use.name,
        "unit": estimate.use.unit,
        "scenario": asdict(estimate.scenario),
        "numbers": {name: asdict(number) for name, number in estimate.numbers.items()},
        "tiers": dict(estimate.tiers),
        "capacity_bytes": estimate.capacity_bytes,
        "fits": estimate.fits,
        "unproven_operators": dict(estimate.unproven),
        "nodes": [asdict(node) for node in estimate.nodes],
        "rates": [asdict(line) for line in provenance(estimate)],
        "calibration": None
        if calibration is None
        else {"rows": list(calibration.rows), "models": list(calibration.models), "errors": dict(calibration.errors)},
    }


def _addresses(rows: Sequence[str]) -> Iterator[str]:
    wanted = set(rows)
    urls = source_urls()
    return iter(dict.fromkeys(urls[run.source] for run in runs() if run.id in wanted))
