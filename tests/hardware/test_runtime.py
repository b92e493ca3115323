"""Engines: what they run, with evidence."""

from importlib.resources import files

import pytest

from lfm_arch.hardware.runtime import Use, load_engine
from lfm_arch.operators.registry import operators

ENGINES = sorted(
    entry.name.removesuffix(".yaml")
    for entry in (files("lfm_arch.hardware") / "runtimes").iterdir()
    if entry.name.endswith(".yaml")
)


@pytest.mark.parametrize("name", ENGINES)
def test_every_status_has_evidence(name: str) -> None:
    engine = load_engine(name)
    assert engine.name == name
    for word, support in engine.operators.items():
        assert support.evidence, f"{name}: {word} is {support.status}, says who?"


@pytest.mark.parametrize("name", ENGINES)
def test_operators_are_words_of_the_language_or_known_elsewhere(name: str) -> None:
    elsewhere = {"mamba2", "gated_linear_attention"}
    assert set(load_engine(name).operators) <= set(operators()) | elsewhere


def test_short_convolutions_are_unknown_on_cerebras() -> None:
    engine = load_engine("cerebras")
    assert engine.supports("short_conv").status == "unknown"
    assert engine.supports("attention").status == "supported"


def test_what_nobody_wrote_down_is_unknown() -> None:
    assert load_engine("mlx").supports("adaptive_linear").status == "unknown"
    assert load_engine("an-engine-of-tomorrow").supports("attention").status == "unknown"


def test_our_own_modules_run_everything_in_torch() -> None:
    engine = load_engine("torch")
    assert {engine.supports(word).status for word in operators()} == {"supported"}


def test_a_runtime_is_engine_and_backend() -> None:
    assert Use(engine="llama.cpp", backend="metal", unit="gpu").name == "llama.cpp-metal"
    assert Use(engine="mlx", unit="gpu").name == "mlx"
