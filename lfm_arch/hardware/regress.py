"""Rates of one runtime on one device from its published runs: decoding first, then prefill with what it settled.

A rate that the runs tell is pulled towards what alike devices reach, the harder the fewer runs there are: this is what
a device with two runs borrows from its relatives. What the runs cannot tell at all is held there:

    kv, decode_attention     needs one model at two depths; whichever of the two explains the times, or both
    experts, experts_batch   need a mixture of experts, decoding one and several sequences
    hop, border              need several chips
    matmul                   needs one prompt
    expert_matmul            needs prompts of a mixture of experts and of a dense model
    attention                needs two prompt lengths, or four models that differ in attention
    prompt                   needs three prompt lengths, or four models that differ in size

Axes: N runs, K kinds of work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lfm_arch.hardware.calibration import Calibrations
from lfm_arch.hardware.fit import fit_relative
from lfm_arch.hardware.formats import weight_format
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import Run
from lfm_arch.hardware.replay import Features, Key, features_of, resolver_for

UNEXPLAINED = {"cerebras": "speed of a service; wafers for each copy and their links are not published"}
"""Runtimes whose runs say too little of how they were made to count as calibrations."""
_SHARE = (0.05, 1.05)
"""Of the bandwidth, what a fit may reach."""
_NOISE = 0.05
"""Relative error of a run that the counts explain; the pull of the relatives is held against it."""
_SPREAD = {
    "weights": 0.2,
    "part": 0.5,
    "kv": 0.5,
    "mixing": 0.5,
    "experts": 0.4,
    "experts_batch": 0.5,
    "hop": 1.0,
    "border": 3.0,
}
"""How far relatives differ in a rate, relative: our judgement from the fits of families with many members. Handing on
to the next chip ranges from a link's latency to a scheduler's round through the host."""
_DISTANT = 2.5
"""How much farther than a family the devices of a class differ."""
_DECODE = tuple(_SPREAD)


@dataclass(frozen=True, slots=True)
class Held:
    """Seconds for each unit of work, as they would be borrowed; zero where nothing is known."""

    weights: float
    kv: float
    mixing: float
    experts: float
    experts_batch: float
    part: float
    hop: float
    border: float
    prompt: float
    attention_share: float
    """Rate of attention as a share of the matmul rate."""
    expert_share: float
    """The same, of arithmetic in experts."""
    distant: bool = True
    """Whether they are borrowed from farther than the family."""


def models_of(rows: Iterable[Run]) -> list[str]:
    """Return the models of some runs, sorted."""
    return sorted({row.model for row in rows})


def fit_rates(key: Key, rows: Sequence[Run], found: Calibrations) -> dict[str, float]:
    """Return the rates that some runs tell."""
    if not rows:
        return {}
    held = _hold(key, rows[0].weights, found)
    values = _fit_decode(key, [row for row in rows if row.decode_tokens_per_s], held)
    if values and key[2] not in UNEXPLAINED:
        values |= _fit_prefill([row for row in rows if row.prefill_tokens_per_s and row.prompt], _settle(held, values))
    return values


def knows_both(rows: Sequence[Run]) -> bool:
    """Whether runs tell reading weights and overhead apart: the bytes for each part differ."""
    work = [features_of(row, "decode") for row in rows if row.decode_tokens_per_s]
    return bool(work) and spread((w.weights + w.streamed + w.experts) / w.parts for w in work) >= 1.5


def spread(values: Iterable[float]) -> float:
    """Return the largest over the smallest."""
    seen = list(values)
    return max(seen) / min(seen)


def _fit_decode(key: Key, rows: Sequence[Run], held: Held) -> dict[str, float]:
    work = [features_of(row, "decode") for row in rows]
    if not work:
        return {}
    seconds = np.array([each.seconds for each in work])
    columns_NK = np.array(
        [[w.weights + w.streamed, w.parts, w.kv, w.mixing, w.experts, w.experts_batch, w.hops, w.borders] for w in work]
    )
    prior = [getattr(held, name) for name in _DECODE]
    known = np.array([w.link for w in work])
    kv_known = columns_NK[:, 2] * held.kv + columns_NK[:, 3] * held.mixing
    if key[2] in UNEXPLAINED:
        known = known + columns_NK[:, 0] * held.weights + kv_known
        return {"part": float(fit_relative(columns_NK[:, 1:2], seconds, known=known, lower=[0.0], upper=[np.inf])[0])}
    depths: dict[tuple[str, int, int], list[Features]] = {}
    for each, row in zip(work, rows, strict=True):
        depths.setdefault((row.model, row.batch, row.chips), []).append(each)
    deep = [each for group in depths.values() if spread(w.kv for w in group) >= 3 for each in group]
    knows_kv = bool(deep)
    lower, upper = [0.0] * len(_DECODE), [np.inf] * len(_DECODE)
    bandwidth = load_profile(key[0]).bandwidth(key[1])
    if bandwidth is not None:
        for number in (0, _DECODE.index("experts"), _DECODE.index("experts_batch")):
            lower[number], upper[number] = (1 / (share * bandwidth.value) for share in reversed(_SHARE))
    pull = [_NOISE / (each * (_DISTANT if held.distant else 1.0)) for each in _SPREAD.values()]
    # models whose heads are grouped alike cannot tell reading the cache from arithmetic on it, see the measurements
    tells_apart = knows_kv and spread(w.mixing / w.kv for w in deep) >= 1.5
    unlikely = "kv" if load_profile(key[0]).units[key[1]].kind == "cpu" else "mixing"
    for name in ("kv", "mixing"):
        number = _DECODE.index(name)
        if not knows_kv or (not tells_apart and name == unlikely):
            upper[number] = 0.0
        pull[number] = 0.0
    known = known + (0.0 if knows_kv else kv_known)
    x_K = fit_relative(columns_NK, seconds, known=known, lower=lower, upper=upper, prior=prior, hold=pull)
    found = {"weights": 1 / x_K[0], "part": x_K[1]}
    times = columns_NK.max(0) * x_K
    for name, number in (("kv", 2), ("decode_attention", 3)):
        # a term that stays below a thousandth of the other explains nothing
        if knows_kv and times[number] > 1e-3 * max(times[2:4]):
            found[name] = 1 / x_K[number]
    for name in ("experts", "experts_batch"):
        if columns_NK[:, _DECODE.index(name)].any():
            found[name] = 1 / x_K[_DECODE.index(name)]
    for name in ("hop", "border"):
        if columns_NK[:, _DECODE.index(name)].any():
            found[name] = x_K[_DECODE.index(name)]
    return {name: float(value) for name, value in found.items()}


def _fit_prefill(rows: Sequence[Run], held: Held) -> dict[str, float]:
    if not rows:
        return {}
    work = [features_of(row, "prefill") for row in rows]
    quantized_N = np.array([weight_format(row.weights).quantized for row in rows])
    experts_N = np.array([w.expert_matmul > 0 for w in work])
    many = len(models_of(rows)) >= 4
    whole = [w.mixing / (w.matmul + w.expert_matmul) for w in work]
    knows_attention = spread((row.prompt or 0) + row.past for row in rows) >= 2 or (many and spread(whole) >= 2)
    knows_start = len({row.prompt for row in rows if not row.past}) >= 3
    knows_start |= many and spread(w.matmul + w.expert_matmul for w in work) >= 3
    knows_experts = bool((experts_N & quantized_N).any() and (~experts_N & quantized_N).any())
    columns_NK = np.zeros((len(rows), 5))
    columns_NK[:, 0] = [w.matmul for w in work] * ~quantized_N
    columns_NK[:, 1] = [w.matmul for w in work] * quantized_N
    columns_NK[:, 2] = [w.mixing for w in work]
    columns_NK[:, 4] = [w.expert_matmul for w in work]
    for number, knows, share in ((2, knows_attention, held.attention_share), (4, knows_experts, held.expert_share)):
        if not knows:
            # arithmetic at its share of the matmul rate adds to the matmul columns in that proportion
            added_N1 = columns_NK[:, number : number + 1] / share
            columns_NK[:, :2] += np.stack([~quantized_N, quantized_N], axis=1) * added_N1
    overlap_N = np.array([w.overlap for w in work])
    columns_NK *= overlap_N[:, None]
    columns_NK[:, 3] = 1.0
    known = overlap_N * [w.streamed * held.weights + w.kv * held.kv + w.parts * held.part + w.link for w in work]
    known += overlap_N * [w.hops * held.hop + w.borders * held.border for w in work] + (
        0.0 if knows_start else held.prompt
    )
    upper = [np.inf, np.inf, *(np.inf if knows else 0.0 for knows in (knows_attention, knows_start, knows_experts))]
    seconds = np.array([each.seconds for each in work])
    x_K = fit_relative(columns_NK, seconds, known=known, lower=[0.0] * 5, upper=upper)
    names = {0: "matmul_float", 1: "matmul_quantized", 2: "attention", 4: "expert_matmul"}
    found = {name: float(1 / x_K[k]) for k, name in names.items() if x_K[k] > 0}
    if knows_start:
        found["prompt"] = float(x_K[3])
    return found


def _hold(key: Key, weights: str, found: Calibrations) -> Held:
    resolver = resolver_for(key, weights, found)
    names = ("part", "hop", "border", "prompt")
    part, hop, border, prompt = (resolver.seconds(name).value or 0.0 for name in names)
    attention, experts = (resolver.share(name) for name in ("attention", "expert_matmul"))
    known = Held(0.0, 0.0, 0.0, 0.0, 0.0, part, hop, border, prompt, attention, experts)
    if not resolver.knows_weights:
        return known
    rates = resolver.rates()
    return replace(
        known,
        weights=_per(rates.weights.value),
        kv=_per(rates.kv.value),
        mixing=_per(rates.decode_attention.value),
        experts=_per(rates.experts.value),
        experts_batch=_per(rates.experts_batch.value),
        distant=rates.weights.tier != "family",
    )


def _settle(held: Held, values: Mapping[str, float]) -> Held:
    explained = "kv" in values or "decode_attention" in values
    return replace(
        held,
        weights=_per(values.get("weights")),
        kv=_per(values.get("kv")) if explained else held.kv,
        part=values.get("part", held.part),
        hop=values.get("hop", held.hop),
        border=values.get("border", held.border),
    )


def _per(value: float | None) -> float:
    return 0.0 if not value else 1 / value
