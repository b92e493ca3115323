"""Which rates hold for a runtime on a device, and how each is known.

What was fitted on the device itself comes first; then what alike devices reach, as ratios that carry over to this one's
data sheet; then what all devices with such a unit reach; then a stated judgement.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lfm_arch.hardware.calibration import TIERS, Tier
from lfm_arch.hardware.profile import NumberFormat, Profile
from lfm_arch.hardware.quantity import Peak
from lfm_arch.hardware.runtime import Use

JUDGEMENT: Mapping[str, Mapping[str, float]] = {
    # ratios as in `ratios`; chosen by us from the fits of one vendor's parts, not published by anybody
    "gpu": {
        "weights": 0.8,
        "kv": 0.3,
        "matmul": 0.5,
        "attention": 0.3,
        "expert_matmul": 0.5,
        "part": 75e-6 / 2,
        "hop": 20e-6,
    },
    "cpu": {"weights": 0.6, "kv": 0.3, "matmul": 0.5, "attention": 0.1, "part": 10e-6 / 2},
    "npu": {"weights": 0.6, "kv": 0.3, "matmul": 0.3, "attention": 0.3, "part": 75e-6 / 2},
    "tpu": {
        "weights": 0.8,
        "kv": 0.5,
        "matmul": 0.5,
        "attention": 0.3,
        "expert_matmul": 0.5,
        "part": 10e-6 / 2,
        "hop": 20e-6,
    },
    # nobody publishes per-layer times of these; the layer hop dominates and stays a guess
    "wafer": {
        "weights": 0.5,
        "kv": 0.5,
        "matmul": 0.3,
        "attention": 0.3,
        "expert_matmul": 0.5,
        "part": 20e-6 / 2,
        "hop": 20e-6,
    },
    "lpu": {
        "weights": 0.5,
        "kv": 0.5,
        "matmul": 0.3,
        "attention": 0.3,
        "expert_matmul": 0.5,
        "part": 40e-6 / 2,
        "hop": 20e-6,
    },
}
"""By kind of unit, when nothing was measured on any such device."""
JUDGED_EVERYWHERE: Mapping[str, float] = {"expert_matmul": 0.5, "hop": 20e-6, "border": 50e-6}

_QUANTIZED_PATHS: tuple[NumberFormat, ...] = ("f16", "bf16", "f32", "int8")
"""Peak that quantised weights are held against: most kernels dequantise to 16 bits."""
_FLOAT_PATHS: Mapping[str, tuple[NumberFormat, ...]] = {
    "f32": ("f32",),
    "f16": ("f16", "bf16", "f32"),
    "bf16": ("bf16", "f16", "f32"),
    "fp8": ("fp8", "bf16", "f16"),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """A number that turns counts into seconds, and how it is known."""

    value: float | None
    """Bytes or FLOP per second, or seconds; None when unknown."""
    tier: Tier
    how: str
    """One line for `--explain`."""
    rows: tuple[str, ...] = ()
    """Measurements behind it."""
    sources: tuple[str, ...] = ()
    """Addresses of the data sheets behind it."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Everything that `price` needs. Bandwidths in byte/s, arithmetic in FLOP/s, overheads in seconds."""

    weights: Rate
    experts: Rate
    """Routed experts, for one row of activations; runtimes change kernels there."""
    experts_batch: Rate
    """Routed experts, for several rows."""
    expert_matmul: Rate
    kv: Rate
    decode_attention: Rate
    """Arithmetic of the attention core while decoding; None where reading keys and values explains the time."""
    matmul: Rate
    attention: Rate
    """Arithmetic of the attention core over a prompt."""
    state: Rate
    activations: Rate
    part: Rate
    kernel: Rate
    prompt: Rate
    half_tokens: Rate
    link: Rate
    """Bytes a second that one chip sends to the others."""
    hop: Rate
    """Seconds of an exchange between chips that share a layer, whatever its size."""
    border: Rate
    """Seconds from one chip to the next in a pipeline."""

    def items(self) -> Iterator[tuple[str, Rate]]:
        for name in self.__slots__:
            yield name, getattr(self, name)


def circles(profile: Profile, use: Use) -> Iterator[tuple[Tier, str, str]]:
    """Yield the groups that a device belongs to with a runtime, the closest first: tier, key, runtime."""
    kind = profile.units[use.unit].kind
    # boards of one chip family for desks and for servers differ more than two families for desks
    yield "family", f"family:{profile.family}:{profile.device_class}", use.name
    yield "family", f"vendor:{profile.vendor}:{profile.device_class}", use.name
    yield "family", f"family:{profile.family}", use.name
    yield "class", f"engine:{kind}:{profile.device_class}", use.engine
    yield "class", f"kind:{kind}", use.name
    yield "class", f"kind:{kind}", ""


def ratios(rates: Mapping[str, float], bandwidth: float | None, peaks: Mapping[str, float | None]) -> dict[str, float]:
    """Turn rates into what carries over to another device.

    Args:
        rates: as in a calibration.
        bandwidth: of the unit, byte/s.
        peaks: data sheet arithmetic that `matmul_float` and `matmul_quantized` are held against.

    Returns:
        Bandwidths as shares of the unit's bandwidth; decode attention as FLOP per byte of it; matmul as a share of the
        peak; attention as a share of the matmul rate; overheads as they are.
    """
    found = {name: rates[name] for name in ("part", "kernel", "prompt", "hop", "border") if name in rates}
    if bandwidth is not None:
        for name in ("weights", "experts", "experts_batch", "kv", "decode_attention"):
            if name in rates:
                found[name] = rates[name] / bandwidth
    for name in ("matmul_float", "matmul_quantized"):
        peak = peaks.get(name)
        if name in rates and peak is not None:
            found[name] = rates[name] / peak
    matmul = rates.get("matmul_quantized") or rates.get("matmul_float")
    for name in ("attention", "expert_matmul"):
        if name in rates and matmul is not None:
            found[name] = rates[name] / matmul
    return found


def peak_for(profile: Profile, unit: str, weights: str, *, quantized: bool) -> tuple[NumberFormat, Peak] | None:
    """Return the data sheet peak that arithmetic on such weights is held against."""
    peaks = profile.units[unit].peaks
    paths = _QUANTIZED_PATHS if quantized else _FLOAT_PATHS.get(weights, (*_QUANTIZED_PATHS[:3],))
    return next(((path, peaks[path]) for path in paths if path in peaks), None)


def worse_by_one(tier: Tier) -> Tier:
    """Return the next weaker tier."""
    return TIERS[min(TIERS.index(tier) + 1, len(TIERS) - 1)]
