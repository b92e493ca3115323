"""Which rates hold for a runtime on a device, and how each is known.

What was fitted on the device itself comes first; then what alike devices reach, as ratios that carry over to this one's
data sheet; then what all devices with such a unit reach; then a stated judgement.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lfm_arch.core.errors import Diagnostic, ProfileError
from lfm_arch.hardware.calibration import TIERS, Calibration, Calibrations, Pool, Tier, shipped
from lfm_arch.hardware.profile import NumberFormat, Profile
from lfm_arch.hardware.quantity import Peak
from lfm_arch.hardware.runtime import Use

JUDGEMENT: Mapping[str, Mapping[str, float]] = {
    # ratios as in `ratios`; chosen by us from the fits of one vendor's parts, not published by anybody
    "gpu": {"weights": 0.8, "kv": 0.3, "matmul": 0.5, "attention": 0.3, "part": 75e-6 / 2},
    "cpu": {"weights": 0.6, "kv": 0.3, "matmul": 0.5, "attention": 0.1, "part": 10e-6 / 2},
    "npu": {"weights": 0.6, "kv": 0.3, "matmul": 0.3, "attention": 0.3, "part": 75e-6 / 2},
    "tpu": {"weights": 0.8, "kv": 0.5, "matmul": 0.5, "attention": 0.3, "part": 10e-6 / 2},
    # nobody publishes per-layer times of these; the layer hop dominates and stays a guess
    "wafer": {"weights": 0.5, "kv": 0.5, "matmul": 0.3, "attention": 0.3, "part": 20e-6 / 2},
    "lpu": {"weights": 0.5, "kv": 0.5, "matmul": 0.3, "attention": 0.3, "part": 40e-6 / 2},
}
"""By kind of unit, when nothing was measured on any such device."""

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

    def items(self) -> Iterator[tuple[str, Rate]]:
        for name in self.__slots__:
            yield name, getattr(self, name)


def circles(profile: Profile, use: Use) -> Iterator[tuple[Tier, str, str]]:
    """Yield the groups that a device belongs to with a runtime, the closest first: tier, key, runtime."""
    kind = profile.units[use.unit].kind
    yield "family", f"family:{profile.family}", use.name
    yield "family", f"vendor:{profile.vendor}:{profile.device_class}", use.name
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
    found = {name: rates[name] for name in ("part", "kernel", "prompt") if name in rates}
    if bandwidth is not None:
        for name in ("weights", "experts", "kv", "decode_attention"):
            if name in rates:
                found[name] = rates[name] / bandwidth
    for name in ("matmul_float", "matmul_quantized"):
        peak = peaks.get(name)
        if name in rates and peak is not None:
            found[name] = rates[name] / peak
    matmul = rates.get("matmul_quantized") or rates.get("matmul_float")
    if "attention" in rates and matmul is not None:
        found["attention"] = rates["attention"] / matmul
    return found


def peak_for(profile: Profile, unit: str, weights: str, *, quantized: bool) -> tuple[NumberFormat, Peak] | None:
    """Return the data sheet peak that arithmetic on such weights is held against."""
    peaks = profile.units[unit].peaks
    paths = _QUANTIZED_PATHS if quantized else _FLOAT_PATHS.get(weights, (*_QUANTIZED_PATHS[:3],))
    return next(((path, peaks[path]) for path in paths if path in peaks), None)


@lru_cache(maxsize=512)
def _resolve(profile_key: "_Key", weights: str, quantized: bool) -> Rates:  # noqa: FBT001
    return Resolver(profile_key.profile, profile_key.use, weights, quantized=quantized).rates()


@dataclass(frozen=True, slots=True)
class _Key:
    """A profile by identity: two loads of one file need not share the cache."""

    profile: Profile
    use: Use

    def __hash__(self) -> int:
        return hash((id(self.profile), self.use))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.profile is self.profile and other.use == self.use


def resolve_rates(profile: Profile, use: Use, weights: str, *, quantized: bool) -> Rates:
    """Find all rates of a runtime for weights of one format; remembered.

    Raises:
        ProfileError: E706, neither a bandwidth nor a calibration is known.
    """
    return _resolve(_Key(profile, use), weights, quantized)


class Resolver:
    """One look-up, rate by rate; `found` stands for the calibrations that ship."""

    def __init__(
        self, profile: Profile, use: Use, weights: str, *, quantized: bool, found: Calibrations | None = None
    ) -> None:
        self.profile = profile
        self.use = use
        self.unit = profile.units[use.unit]
        self.matmul = "matmul_quantized" if quantized else "matmul_float"
        self.weights = weights
        self.quantized = quantized
        found = found or shipped()
        self.own: Calibration | None = profile.calibration(use) or found.find(profile.name, use.unit, use.name)
        self.pools: list[tuple[Tier, Pool]] = []
        for tier, key, runtime in circles(profile, use):
            pool = found.pool(key, runtime)
            if pool is not None:
                self.pools.append((tier, pool))

    @property
    def knows_weights(self) -> bool:
        """Whether any time can be predicted at all."""
        own = self.own is not None and "weights" in self.own.rates
        return own or self.profile.bandwidth(self.use.unit) is not None

    def attention_share(self) -> float:
        """Return the rate of attention over a prompt as a share of the matmul rate, as it would be borrowed."""
        borrowed = self._borrowed("attention")
        return 1.0 if borrowed is None else borrowed[0]

    def rates(self) -> Rates:
        """Look everything up.

        Raises:
            ProfileError: E706, neither a bandwidth nor a calibration is known.
        """
        weights = self._bandwidth("weights")
        if weights.value is None:
            raise ProfileError(
                Diagnostic(
                    "E706",
                    f"{self.profile.name}: the memory bandwidth of {self.use.unit} is unknown",
                    because="without it, and without published runs, no time can be predicted",
                    help="choose another runtime, or add the bandwidth with its source to the profile",
                )
            )
        matmul = self._matmul()
        attention = self._attention(matmul)
        kv, decode_attention = self._cache_reading()
        # the fits hold element-wise traffic at the rate of weights, so it is known as well as they are
        elementwise = Rate(weights.value, weights.tier, "held at the rate of weights in the fits")
        state = Rate(weights.value, worse_by_one(weights.tier), "taken as the rate of weights")
        return Rates(
            weights=weights,
            experts=self._experts(weights),
            kv=kv,
            decode_attention=decode_attention,
            matmul=matmul,
            attention=attention,
            state=self._fitted("state") or state,
            activations=self._fitted("activations") or elementwise,
            part=self.seconds("part"),
            kernel=self.seconds("kernel"),
            prompt=self.seconds("prompt"),
            half_tokens=self.seconds("half_tokens"),
        )

    def data_sheet(self) -> Rates:
        """Return the plain roofline: bandwidth and peaks at face value, no overhead. The bandwidth must be known."""
        figure = self.profile.bandwidth(self.use.unit)
        assert figure is not None, f"{self.profile.name} states no bandwidth for {self.use.unit}"
        peak = peak_for(self.profile, self.use.unit, self.weights, quantized=self.quantized)
        memory = Rate(figure.value, "spec_only", "data sheet")
        arithmetic = Rate(None if peak is None else peak[1].dense, "spec_only", "data sheet")
        none = Rate(0.0, "spec_only", "data sheet")
        return Rates(
            weights=memory, experts=memory, kv=memory, decode_attention=arithmetic, matmul=arithmetic,
            attention=arithmetic, state=memory, activations=memory, part=none, kernel=none, prompt=none,
            half_tokens=none,
        )  # fmt: skip

    def _fitted(self, name: str) -> Rate | None:
        own = self.own
        if own is None or name not in own.rates:
            return None
        how = own.note or f"fitted on {len(own.rows)} published runs of {len(own.models)} models"
        return Rate(own.rates[name].value, own.tier, how, own.rows)

    def _borrowed(self, name: str) -> tuple[float, Tier, str] | None:
        for tier, pool in self.pools:
            if name in pool.ratios:
                of = pool.key.partition(":")[2]
                runtime = f" with {pool.runtime}" if pool.runtime else ""
                return pool.ratios[name], tier, f"median of {len(pool.devices)} devices ({of}{runtime})"
        judged = JUDGEMENT.get(self.unit.kind, JUDGEMENT["gpu"])
        plain = "matmul" if name.startswith("matmul") else name
        if plain in judged:
            return judged[plain], "spec_only" if self.unit.kind in ("wafer", "lpu") else "class", "our judgement"
        return None

    def _bandwidth(self, name: str) -> Rate:
        fitted = self._fitted(name)
        figure = self.profile.bandwidth(self.use.unit)
        if fitted is not None:
            if figure is not None and fitted.value is not None:
                share = fitted.value / figure.value
                source = self.profile.sources[figure.source].url
                how = f"{share:.2f} of {_bandwidth(figure.value)}; {fitted.how}"
                return Rate(fitted.value, fitted.tier, how, fitted.rows, (source,))
            return fitted
        borrowed = self._borrowed(name)
        if figure is None or borrowed is None:
            return Rate(None, "spec_only", "unknown")
        ratio, tier, how = borrowed
        source = self.profile.sources[figure.source].url
        how = f"{ratio:.2f} of {_bandwidth(figure.value)} ({figure.kind}); {how}"
        return Rate(ratio * figure.value, tier, how, (), (source,))

    def _experts(self, weights: Rate) -> Rate:
        fitted = self._fitted("experts")
        if fitted is not None:
            return fitted
        return Rate(weights.value, worse_by_one(weights.tier), "taken as the rate of weights")

    def _cache_reading(self) -> tuple[Rate, Rate]:
        fitted = {name: self._fitted(name) for name in ("kv", "decode_attention")}
        unexplained = "not needed: the other term explains the runs"
        if any(rate is not None for rate in fitted.values()):
            absent = Rate(None, self.own.tier if self.own else "class", unexplained)
            return fitted["kv"] or absent, fitted["decode_attention"] or absent
        for tier, pool in self.pools:
            if "kv" in pool.ratios or "decode_attention" in pool.ratios:
                absent = Rate(None, tier, unexplained)
                kv, arithmetic = (self._bandwidth(name) if name in pool.ratios else absent for name in fitted)
                return kv, arithmetic
        return self._bandwidth("kv"), Rate(None, "class", unexplained)

    def _matmul(self) -> Rate:
        fitted = self._fitted(self.matmul)
        peak = peak_for(self.profile, self.use.unit, self.weights, quantized=self.quantized)
        if fitted is not None and fitted.value is not None:
            if peak is None:
                return fitted
            how = f"{fitted.value / peak[1].dense:.2f} of {_arithmetic(peak[1].dense)} {peak[0]}; {fitted.how}"
            return Rate(fitted.value, fitted.tier, how, fitted.rows, (self.profile.sources[peak[1].source].url,))
        borrowed = self._borrowed(self.matmul)
        if peak is None or borrowed is None:
            other = self._fitted("matmul_float" if self.quantized else "matmul_quantized")
            if other is not None:
                return Rate(other.value, worse_by_one(other.tier), f"as with other weights: {other.how}", other.rows)
            return Rate(None, "spec_only", "unknown: no peak in the data sheet and no published runs")
        ratio, tier, how = borrowed
        path, figure = peak
        value = ratio * figure.dense
        reached = self.unit.reached.get(path)
        if reached is not None and reached.value < value:
            value, how = reached.value, "no more than the best matrix product measured"
        halved = ", sparse figure halved" if figure.sparse else ""
        return Rate(
            value,
            tier,
            f"{value / figure.dense:.2f} of {_arithmetic(figure.dense)} {path} ({figure.kind}{halved}); {how}",
            (),
            (self.profile.sources[figure.source].url,),
        )

    def _attention(self, matmul: Rate) -> Rate:
        fitted = self._fitted("attention")
        if fitted is not None:
            return fitted
        borrowed = self._borrowed("attention")
        if matmul.value is None or borrowed is None:
            return Rate(None, "spec_only", "unknown")
        ratio, tier, how = borrowed
        return Rate(ratio * matmul.value, tier, f"{ratio:.2g} of the matmul rate; {how}")

    def seconds(self, name: str) -> Rate:
        """Return an overhead; none where none is known."""
        fitted = self._fitted(name)
        if fitted is not None:
            return fitted
        borrowed = self._borrowed(name)
        if borrowed is None:
            return Rate(0.0, "class", "none known")
        value, tier, how = borrowed
        return Rate(value, tier, how)


def worse_by_one(tier: Tier) -> Tier:
    """Return the next weaker tier."""
    return TIERS[min(TIERS.index(tier) + 1, len(TIERS) - 1)]


def _bandwidth(value: float) -> str:
    return f"{value / 1e15:g} PB/s" if value >= 1e15 else f"{value / 1e9:g} GB/s"


def _arithmetic(value: float) -> str:
    return f"{value / 1e15:g} PFLOP/s" if value >= 1e15 else f"{value / 1e12:.4g} TFLOP/s"
