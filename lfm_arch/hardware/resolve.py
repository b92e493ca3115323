"""Looks up which rates hold for a runtime on a device; `rate` says where they may come from."""

from dataclasses import dataclass, replace
from functools import lru_cache

from lfm_arch.core.errors import Diagnostic, ProfileError
from lfm_arch.hardware.calibration import Calibration, Calibrations, Pool, Tier, shipped
from lfm_arch.hardware.profile import Profile
from lfm_arch.hardware.rate import JUDGED_EVERYWHERE, JUDGEMENT, Rate, Rates, circles, peak_for, worse_by_one
from lfm_arch.hardware.runtime import Use
from lfm_arch.hardware.scenario import Scenario


@lru_cache(maxsize=512)
def _resolve(key: "_Key", weights: str, quantized: bool) -> Rates:  # noqa: FBT001
    return Resolver(key.profile, key.use, weights, quantized=quantized, found=key.found).rates()


@dataclass(frozen=True, slots=True)
class _Key:
    """A profile and calibrations by identity: two loads of one file need not share the cache."""

    profile: Profile
    use: Use
    found: Calibrations

    def __hash__(self) -> int:
        return hash((id(self.profile), self.use, id(self.found)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Key):
            return False
        return other.profile is self.profile and other.found is self.found and other.use == self.use


def resolve_rates(
    profile: Profile, use: Use, weights: str, *, quantized: bool, found: Calibrations | None = None
) -> Rates:
    """Find all rates of a runtime for weights of one format; remembered.

    Raises:
        ProfileError: E706, neither a bandwidth nor a calibration is known.
    """
    return _resolve(_Key(profile, use, found or shipped()), weights, quantized)


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

    def share(self, name: str) -> float:
        """Return a rate that is told as a share of the matmul rate, as it would be borrowed."""
        borrowed = self._borrowed(name)
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
        attention = self._beside("attention", matmul)
        experts = self._experts("experts", weights)
        kv, decode_attention = self._cache_reading()
        # the fits hold element-wise traffic at the rate of weights, so it is known as well as they are
        elementwise = Rate(weights.value, weights.tier, "held at the rate of weights in the fits")
        state = Rate(weights.value, worse_by_one(weights.tier), "taken as the rate of weights")
        return Rates(
            weights=weights,
            experts=experts,
            experts_batch=self._experts("experts_batch", experts),
            expert_matmul=self._beside("expert_matmul", matmul),
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
            link=self._link(),
            hop=self.seconds("hop"),
            border=self.seconds("border"),
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
            weights=memory, experts=memory, experts_batch=memory,
            expert_matmul=arithmetic, kv=memory, decode_attention=arithmetic, matmul=arithmetic,
            attention=arithmetic, state=memory, activations=memory, part=none, kernel=none, prompt=none,
            half_tokens=none, link=self._link(), hop=none, border=none,
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
        judged = {**JUDGED_EVERYWHERE, **JUDGEMENT.get(self.unit.kind, JUDGEMENT["gpu"])}
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

    def _experts(self, name: str, instead: Rate) -> Rate:
        known = any(name in pool.ratios for _, pool in self.pools)
        if self._fitted(name) is not None or (known and self.profile.bandwidth(self.use.unit) is not None):
            return self._bandwidth(name)
        other = "of weights" if name == "experts" else "for one token"
        return Rate(instead.value, worse_by_one(instead.tier), f"taken as the rate {other}")

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

    def _beside(self, name: str, matmul: Rate) -> Rate:
        """Look up arithmetic that is told as a share of the matmul rate."""
        fitted = self._fitted(name)
        if fitted is not None:
            return fitted
        borrowed = self._borrowed(name)
        if matmul.value is None or borrowed is None:
            return Rate(None, "spec_only", "unknown")
        ratio, tier, how = borrowed
        return Rate(ratio * matmul.value, tier, f"{ratio:.2g} of the matmul rate; {how}")

    def _link(self) -> Rate:
        link = self.profile.link
        if link is None:
            return Rate(None, "spec_only", "unknown")
        source = self.profile.sources[link.source].url
        return Rate(link.value, "class", f"{_bandwidth(link.value)} to one other ({link.kind})", (), (source,))

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


def between(profile: Profile, rates: Rates, scenario: Scenario) -> Rates:
    """Settle what chips send to one another, which depends on how many there are.

    Raises:
        ProfileError: E715, nobody says what links them.
    """
    chips = scenario.chips
    if chips == 1:
        return rates
    if profile.link is None:
        raise ProfileError(
            Diagnostic(
                "E715",
                f"{profile.name}: what links {chips} chips is unknown",
                because="a model on several chips sends activations between them, and an unknown rate is not guessed",
                help="choose one chip, or add `link` with its source to the profile",
            )
        )
    link = replace(rates.link, value=profile.link.between(chips))
    # the price of an exchange is that of handing on, where chips follow one another
    return replace(rates, link=link, hop=rates.border if scenario.parallel == "pipeline" else rates.hop)


def streamed(profile: Profile, rates: Rates) -> Rates:
    """Read weights from outside the memory that cannot hold them."""
    outside = profile.memory.outside
    assert outside is not None, f"{profile.name} names nothing outside its memory"
    source = profile.sources[outside.source].url
    how = "the weights do not fit and are streamed in for every pass, as if at the full rate"
    rate = Rate(outside.value, "spec_only", how, (), (source,))
    return replace(rates, weights=rate, experts=rate, experts_batch=rate)


def _bandwidth(value: float) -> str:
    return f"{value / 1e15:g} PB/s" if value >= 1e15 else f"{value / 1e9:g} GB/s"


def _arithmetic(value: float) -> str:
    return f"{value / 1e15:g} PFLOP/s" if value >= 1e15 else f"{value / 1e12:.4g} TFLOP/s"
