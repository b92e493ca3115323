"""Speed, memory and energy of an architecture on a device, each number with how it is known.

`estimate(compile_graph(load_spec("specs/lfm2-1.2b.yaml")), load_profile("apple"), Scenario(prompt=1024))`
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from lfm_arch.core.errors import Diagnostic, ProfileError
from lfm_arch.core.units import size
from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.calibration import TIERS, Calibration, Calibrations, Phase, Tier, worse
from lfm_arch.hardware.deployment import deploy
from lfm_arch.hardware.formats import weight_format
from lfm_arch.hardware.memory import Memory, measure_memory
from lfm_arch.hardware.parallel import overlap, shard
from lfm_arch.hardware.price import BOUNDS, Bound, price
from lfm_arch.hardware.profile import Profile
from lfm_arch.hardware.quantity import Power
from lfm_arch.hardware.rate import Rate, Rates, worse_by_one
from lfm_arch.hardware.resolve import streamed
from lfm_arch.hardware.runtime import Engine, Use
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import EXPERT, STEP_SHARES, Array, Work, measure_work

_RATE_OF_BOUND: Mapping[Bound, tuple[str, ...]] = {
    "matmul": ("matmul",),
    "weights": ("weights",),
    "attention": ("attention",),
    "kv": ("kv",),
    "state": ("state",),
    "elementwise": ("activations",),
    "overhead": ("part",),
    "link": ("link",),
}
_NOTHING: Array = np.empty(0)
_MATTERS = 0.1
"""Share of the time from which on a rate's tier counts for the answer."""


@dataclass(frozen=True, slots=True)
class Number:
    """One answer: a value, whether it is exact, modelled or measured, and how far to trust it."""

    value: float | None
    unit: str
    kind: Literal["exact", "modelled", "measured"]
    tier: Tier | None = None
    low: float | None = None
    """Lower end of the 90 % interval."""
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class NodeCost:
    """Time of one node in both phases, and what takes most of it."""

    node: str
    kind: str
    """Operators of a layer, as `short_conv + swiglu`, or the node's own word."""
    prefill_s: float
    decode_s: float
    """One decoding step, mean over the generated tokens."""
    prefill_bound: Bound
    decode_bound: Bound
    prefill_terms: Mapping[Bound, float]
    decode_terms: Mapping[Bound, float]


@dataclass(frozen=True)
class Estimate:
    """All that can be said of one architecture on one runtime of one device, in one scenario."""

    graph: Graph
    profile: Profile
    use: Use
    engine: Engine
    scenario: Scenario
    rates: Rates
    work: Work
    prefill_RT: Array
    decode_RT: Array
    """Mean decoding step."""
    known: Calibrations

    @cached_property
    def prefill_s(self) -> float | None:
        """Seconds for the prompt; None when no arithmetic rate is known."""
        if self.rates.matmul.value is None:
            return None
        return float(self.prefill_RT.sum(1) @ self.work.repeats_R) + (self.rates.prompt.value or 0.0)

    @cached_property
    def step_s(self) -> float:
        """Seconds of one decoding step of the whole batch, mean over the generated tokens."""
        return float(self.decode_RT.sum(1) @ self.work.repeats_R)

    @property
    def ttft_s(self) -> float:
        """Time to the first token: the prompt's pass ends with its scores.

        Raises:
            ProfileError: E707, no arithmetic rate is known for this unit and format.
        """
        if self.prefill_s is None:
            raise ProfileError(
                Diagnostic(
                    "E707",
                    f"{self.profile.name}: no arithmetic rate is known for {self.scenario.weights} on {self.use.unit}",
                    because="prefill is arithmetic, and an unknown rate is not guessed",
                    help="choose another runtime, or ask for decoding only",
                )
            )
        return self.prefill_s

    @property
    def prefill_tokens_per_s(self) -> float:
        """Prompt tokens per second, all sequences together."""
        return self.scenario.batch * self.scenario.prompt / self.ttft_s

    @property
    def decode_tokens_per_s(self) -> float:
        """Generated tokens per second, all sequences together, mean over the growing context."""
        return self.scenario.batch / self.step_s

    @cached_property
    def memory(self) -> Memory:
        """Bytes by part."""
        return measure_memory(self.graph, self.work, self.scenario, self.engine)

    @property
    def memory_bytes(self) -> float:
        return self.memory.total

    @property
    def capacity_bytes(self) -> float | None:
        """Memory of the device: what the scenario says, or the profile's largest configuration."""
        if self.scenario.memory is not None:
            return float(self.scenario.memory)
        capacity = self.profile.memory.capacity
        return None if capacity is None else float(capacity.value)

    @property
    def fits(self) -> bool | None:
        """Whether the memory holds it; None when the capacity is unknown."""
        return None if self.capacity_bytes is None else self.memory.total <= self.capacity_bytes

    @property
    def power(self) -> Power | None:
        """Power measured while a language model ran on this unit; None when nobody measured it."""
        loads = [each for each in self.profile.power if each.state == "load" and each.unit in (None, self.use.unit)]
        return loads[0] if loads else None

    @property
    def energy_per_token_j(self) -> float | None:
        """Joules of one generated token: the measured power while the unit works, times the time; None without one."""
        return None if self.power is None else self.power.value * self.step_s / self.scenario.batch

    @cached_property
    def tiers(self) -> Mapping[Phase, Tier]:
        """The weakest tier of what takes at least a tenth of the time, one lower outside the measured range."""
        return {
            "prefill": self._tier("prefill", self.prefill_RT),
            "decode": self._tier("decode", self.decode_RT),
        }

    @property
    def tier(self) -> Tier:
        """The weaker of both phases."""
        return worse(*self.tiers.values()) if self.prefill_s is not None else self.tiers["decode"]

    @cached_property
    def numbers(self) -> Mapping[str, Number]:
        """Headline answers and memory by part, by name, in base units."""
        found: dict[str, Number] = {}
        ttft = self._interval("prefill", self.prefill_s, "s")
        found["ttft_s"] = ttft
        rate = None if self.prefill_s is None else self.prefill_tokens_per_s
        found["prefill_tokens_per_s"] = self._interval("prefill", rate, "tokens/s")
        found["decode_tokens_per_s"] = self._interval("decode", self.decode_tokens_per_s, "tokens/s")
        found["decode_step_s"] = self._interval("decode", self.step_s, "s")
        found["energy_per_token_j"] = self._energy()
        for name, value in self.memory.parts().items():
            found[f"{name}_bytes"] = Number(value, "B", "modelled" if name == "activations" else "exact")
        base = self.engine.base
        note = "nobody measured it for this runtime" if base is None else base.evidence
        found["runtime_bytes"] = Number(self.memory.runtime, "B", "measured", note=note)
        partial = "" if self.memory.runtime is not None else "at least: the runtime's own part is unknown"
        found["memory_bytes"] = Number(self.memory.total, "B", "modelled", note=partial)
        return found

    @cached_property
    def nodes(self) -> tuple[NodeCost, ...]:
        """Time by node, in the order of the graph."""
        terms: dict[str, list[Array]] = {}
        words: dict[str, list[str]] = {}
        for number, row in enumerate(self.work.rows):
            for node in row.nodes:
                here = terms.setdefault(node, [np.zeros(len(BOUNDS)), np.zeros(len(BOUNDS))])
                here[0] += self.prefill_RT[number]
                here[1] += self.decode_RT[number]
                if row.piece != "norm" or self.graph[node].kind != "layer":
                    words.setdefault(node, []).append(row.operator)
        return tuple(
            NodeCost(
                node=node.id,
                kind=" + ".join(words.get(node.id, [node.kind])),
                prefill_s=float(terms[node.id][0].sum()),
                decode_s=float(terms[node.id][1].sum()),
                prefill_bound=BOUNDS[int(terms[node.id][0].argmax())],
                decode_bound=BOUNDS[int(terms[node.id][1].argmax())],
                prefill_terms=dict(zip(BOUNDS, terms[node.id][0].tolist(), strict=True)),
                decode_terms=dict(zip(BOUNDS, terms[node.id][1].tolist(), strict=True)),
            )
            for node in self.graph
            if node.id in terms
        )

    @cached_property
    def unproven(self) -> Mapping[str, str]:
        """Operators that the runtime is not known to support: word -> `unknown`, `unsupported` or `emulated`."""
        words = {row.operator for row in self.work.rows if row.piece in ("mixer", "channel")}
        statuses = {word: self.engine.supports(word).status for word in sorted(words)}
        return {word: status for word, status in statuses.items() if status != "supported"}

    @cached_property
    def calibration(self) -> Calibration | None:
        """What was fitted or measured on this device and runtime."""
        return self.profile.calibration(self.use) or self.known.find(self.profile.name, self.use.unit, self.use.name)

    def require(self, tier: Tier) -> "Estimate":
        """Return itself when every answer is known at least as well as `tier`.

        Raises:
            ProfileError: E712, it is not.
        """
        if TIERS.index(self.tier) > TIERS.index(tier):
            raise ProfileError(
                Diagnostic(
                    "E712",
                    f"{self.graph.name} on {self.profile.name} ({self.use.name}) is known by tier {self.tier}",
                    because=f"{tier} was asked for, and an answer below it is refused",
                    help="choose a device with published runs, or a lower tier",
                )
            )
        return self

    def _tier(self, phase: Phase, seconds_RT: Array) -> Tier:
        shares_T = self.work.repeats_R @ seconds_RT
        whole = float(shares_T.sum()) or 1.0
        used: list[Tier] = []
        for bound, share in zip(BOUNDS, shares_T / whole, strict=True):
            if share < _MATTERS:
                continue
            name = _RATE_OF_BOUND[bound][0]
            if bound == "attention" and phase == "decode":
                name = "decode_attention"
            used.append(getattr(self.rates, name).tier)
            if bound == "attention" and self._scans:
                used.append(worse_by_one(used[-1]))
            if bound in ("weights", "matmul") and self.work.table_PRF[0, :, EXPERT].any():
                rate = self.rates.experts if bound == "weights" else self.rates.expert_matmul
                used.append(rate.tier)
        tier = worse(*used) if used else self.rates.weights.tier
        return worse_by_one(tier) if tier == "calibrated" and self.outside else tier

    @cached_property
    def _scans(self) -> bool:
        """Whether mixers other than attention and convolution are priced at the rate of attention."""
        measured = ("attention", "shared_kv_attention", "short_conv")
        return any(row.piece == "mixer" and row.operator not in measured for row in self.work.rows)

    @cached_property
    def outside(self) -> str:
        """Why the question lies well outside the runs that were fitted; empty when it does not."""
        own = self.calibration
        if own is None or not own.rows:
            return ""
        weights = weight_format(self.scenario.weights)
        bytes_read = float(self.work.read_bytes(self.work.table_PRF[1], weights).sum(1) @ self.work.repeats_R)
        low, high = own.weight_bytes
        if not low / 2 <= bytes_read <= high * 2:
            return f"{size(bytes_read)} of weights a token, where {size(low)} to {size(high)} were measured"
        if self.scenario.context > 4 * max(own.context, 512):
            return f"a context of {self.scenario.context:,}, where at most {own.context:,} was measured"
        return ""

    def _interval(self, phase: Phase, value: float | None, unit: str) -> Number:
        tier = self.tiers[phase]
        if value is None:
            return Number(None, unit, "modelled", note="no arithmetic rate is known for this unit and format")
        factor = self.known.interval(tier, phase).factor
        return Number(value, unit, "modelled", tier, value / factor, value * factor)

    def _energy(self) -> Number:
        value = self.energy_per_token_j
        if value is None or self.power is None:
            return Number(None, "J", "modelled", note="nobody measured the power of this unit under such a load")
        factor = self.known.interval(self.tiers["decode"], "decode").factor
        note = f"{self.power.value:g} W at the {self.power.scope} ({self.power.note}) times the time"
        return Number(value, "J", "modelled", self.tiers["decode"], value / factor, value * factor, note)


def estimate(graph: Graph, profile: Profile, scenario: Scenario, *, runtime: str | None = None) -> Estimate:
    """Estimate speed and memory of a compiled graph.

    Args:
        graph: as `compile_graph` makes it.
        profile: as `load_profile` returns it.
        scenario: prompt, generated tokens, batch and number formats.
        runtime: one of the profile's, by name; None for its first.

    Raises:
        ProfileError: E706 no bandwidth, E708 no such runtime, E714 the model does not decode.
    """
    return estimate_work(graph, measure_work(graph, scenario), profile, scenario, runtime=runtime)


def estimate_work(
    graph: Graph,
    work: Work,
    profile: Profile,
    scenario: Scenario,
    *,
    runtime: str | None = None,
    rates: Rates | None = None,
    found: Calibrations | None = None,
) -> Estimate:
    """Estimate from counts made before: the part that depends on the device, for several devices or a search.

    `rates` replaces what is known of the runtime, `found` the calibrations that ship, to try others.
    """
    use = deploy(work, profile, scenario, runtime=runtime, rates=rates, found=found)
    made = Estimate(
        graph=graph,
        profile=profile,
        use=use.use,
        engine=use.engine,
        scenario=scenario,
        rates=use.rates,
        work=work,
        prefill_RT=_NOTHING,
        decode_RT=_NOTHING,
        known=use.known,
    )
    if profile.memory.outside is not None and made.fits is False:
        made = replace(made, rates=streamed(profile, use.rates))
    sharded = shard(graph, work, scenario)
    seconds_PRT = price(sharded, made.rates, use.widths, rows_P=use.rows_P, chunks=use.chunks)
    return replace(
        made,
        prefill_RT=seconds_PRT[0] * overlap(scenario, use.chunks),
        decode_RT=np.tensordot(STEP_SHARES, seconds_PRT[1:], axes=1),
    )


__all__ = ["Estimate", "NodeCost", "Number", "Rate", "Scenario", "estimate", "estimate_work"]
