"""Where rates come from: own runs first, then alike devices, then any such unit, then a stated judgement."""

import pytest

from lfm_arch.hardware.calibration import Tier, shipped
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.rate import Rates, ratios
from lfm_arch.hardware.resolve import resolve_rates
from tests.hardware.example import device


def rates_of(name: str, runtime: str | None = None, weights: str = "q4_0") -> Rates:
    profile = load_profile(name)
    return resolve_rates(profile, profile.use(runtime), weights, quantized=weights.startswith("q"))


@pytest.mark.parametrize(
    ("name", "runtime", "tier"),
    [
        ("snapdragon-8-elite", None, "calibrated"),
        ("ryzen-ai-9-hx-370", None, "calibrated"),
        ("ryzen-ai-9-hx-370", "fastflowlm", "calibrated"),
        ("apple-m4", None, "calibrated"),
        ("apple-m4-max", "mlx", "calibrated"),
        ("apple-m1-max-24c", None, "family"),
        ("h100-sxm", None, "family"),
        # one model in one format was run there
        ("mi300x", None, "family"),
        ("raspberry-pi-5", None, "family"),
        ("l40s", "vllm", "family"),
        ("cerebras-cs3", None, "spec_only"),
    ],
)
def test_tier_of_reading_weights(name: str, runtime: str | None, tier: Tier) -> None:
    assert rates_of(name, runtime).weights.tier == tier


def test_own_runs_are_named() -> None:
    rate = rates_of("snapdragon-8-elite").weights
    assert "m1704" in rate.rows
    assert rate.sources[0].startswith("https://")
    assert "published runs" in rate.how


def test_a_relative_carries_over_as_a_share_of_the_data_sheet() -> None:
    profile, relative = load_profile("h100-sxm"), shipped().find("h100-pcie", "gpu", "llama.cpp-cuda")
    mine, theirs = profile.bandwidth("gpu"), load_profile("h100-pcie").bandwidth("gpu")
    assert relative is not None
    assert mine is not None
    assert theirs is not None
    share = relative.rates["weights"].value / theirs.value
    assert rates_of("h100-sxm").weights.value == pytest.approx(share * mine.value, rel=1e-3)


def test_a_device_alone_is_judged_and_says_so() -> None:
    profile = device(kind="tpu")
    rates = resolve_rates(profile, profile.use(), "f16", quantized=False)
    assert rates.weights.value == pytest.approx(0.8 * 50e9)
    assert rates.weights.tier == "class"
    assert "judgement" in rates.weights.how


def test_no_more_than_the_best_product_that_was_measured() -> None:
    profile = load_profile("mi300x")
    rates = resolve_rates(profile, profile.use("torch-compile"), "bf16", quantized=False)
    assert rates.matmul.value is not None
    assert rates.matmul.value <= profile.units["gpu"].reached["bf16"].value


def test_a_peak_of_another_format_is_not_guessed() -> None:
    profile = device(peak=None)
    assert resolve_rates(profile, profile.use(), "q4_0", quantized=True).matmul.value is None


def test_what_was_measured_here_wins() -> None:
    profile = device(rates={"weights": 1.5e9, "part": 0.0})
    rate = resolve_rates(profile, profile.use(), "f16", quantized=False).weights
    assert (rate.value, rate.tier) == (1.5e9, "measured")


def test_ratios_are_taken_from_the_data_sheet() -> None:
    found = ratios(
        {"weights": 90e9, "kv": 30e9, "matmul_quantized": 2e12, "attention": 0.5e12, "part": 1e-5},
        100e9,
        {"matmul_quantized": 4e12},
    )
    assert found == pytest.approx({"weights": 0.9, "kv": 0.3, "matmul_quantized": 0.5, "attention": 0.25, "part": 1e-5})


def test_nothing_is_carried_over_from_an_unknown_data_sheet() -> None:
    assert ratios({"weights": 90e9, "part": 1e-5}, None, {}) == {"part": 1e-5}
