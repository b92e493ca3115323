"""Profiles: all that ship are sourced, and a wrong one says where."""

from pathlib import Path

import pytest

from lfm_arch.core.errors import ProfileError, SpecError
from lfm_arch.hardware.profile import ALIASES, Profile, load_profile, profile_names
from lfm_arch.hardware.runtime import load_engine

REQUIRED = (
    "cerebras-cs3",
    "snapdragon-8-elite",
    "apple-m4",
    "apple-m4-max",
    "ryzen-ai-9-hx-370",
    "mi300x",
    "h100-sxm",
    "raspberry-pi-5",
)


@pytest.mark.parametrize("name", profile_names())
class TestEveryProfileThatShips:
    def test_is_named_after_its_file(self, name: str) -> None:
        assert load_profile(name).name == name

    def test_every_number_has_a_source_with_address_and_date(self, name: str) -> None:
        profile = load_profile(name)
        for path, figure in profile.figures():
            source = profile.sources[figure.source]
            assert source.url.startswith("https://"), f"{path}: {source.url}"
            assert " " not in source.url
            assert 2020 <= source.date.year <= 2026, path
            assert source.what, path

    def test_derived_numbers_have_a_formula_and_nothing_is_from_memory(self, name: str) -> None:
        for path, figure in load_profile(name).figures():
            assert figure.kind != "unsourced", path
            assert figure.formula or figure.kind != "derived", path

    def test_every_source_is_used(self, name: str) -> None:
        profile = load_profile(name)
        assert {figure.source for _, figure in profile.figures()} == set(profile.sources)

    def test_runs_on_engines_that_are_described(self, name: str) -> None:
        for use in load_profile(name).runtimes:
            assert load_engine(use.engine).title != "", use.name
            assert load_engine(use.engine).operators or load_engine(use.engine).url, use.engine

    def test_units_and_numbers_are_plausible(self, name: str) -> None:
        profile = load_profile(name)
        for path, figure in profile.figures():
            value = getattr(figure, "value", None)
            assert value is not None, path
            low, high = {
                "bandwidth": (1e9, 1e17),
                "capacity": (1e9, 1e13),
            }.get(path.rpartition(".")[2], (1.0, 1e18))
            assert low <= value <= high, f"{path}={value}"


def test_the_devices_that_must_ship() -> None:
    assert set(REQUIRED) <= set(profile_names())
    assert len(profile_names()) >= 60


@pytest.mark.parametrize("alias", ["cerebras", "qualcomm", "apple", "amd", "nvidia"])
def test_aliases_lead_to_profiles(alias: str) -> None:
    assert load_profile(alias) is load_profile(ALIASES[alias])


def test_both_amd_devices_can_be_reached() -> None:
    assert load_profile("amd").name == "ryzen-ai-9-hx-370"
    assert load_profile("mi300x").vendor == "AMD"


def test_unknown_stays_unknown() -> None:
    profile = load_profile("ryzen-ai-9-hx-370")
    assert profile.memory.bandwidth is None
    assert profile.memory.capacity is None
    assert profile.bandwidth("cpu") is None


def test_a_unit_has_its_own_bandwidth() -> None:
    profile = load_profile("apple-m4")
    chip, engine = profile.bandwidth("gpu"), profile.bandwidth("ane")
    assert chip is not None
    assert engine is not None
    assert engine.value < chip.value


def test_a_sparse_headline_is_halved_by_rule() -> None:
    peak = load_profile("cerebras").units["wafer"].peaks["f16"]
    assert peak.sparse
    assert peak.dense == peak.value / 2


def test_unknown_profile_says_what_was_meant() -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile("appel")
    assert caught.value.diagnostics[0].code == "E701"
    assert "apple" in caught.value.diagnostics[0].help
    assert caught.value.exit_code == 1


def test_unknown_runtime_says_which_there_are() -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile("apple").use("vllm")
    assert caught.value.diagnostics[0].code == "E708"
    assert "llama.cpp-metal@gpu" in caught.value.diagnostics[0].help


@pytest.mark.parametrize("word", ["llama.cpp-cpu", "llama.cpp-cpu@cpu"])
def test_a_runtime_is_found_by_name_and_unit(word: str) -> None:
    assert load_profile("apple").use(word).unit == "cpu"


GOOD = """
lfm_arch: 1
kind: hw
name: board
title: A board
vendor: Nobody
class: edge
sources:
  sheet: {url: "https://example.org/sheet", what: data sheet, date: 2026-11-01}
memory:
  capacity: {value: 8 GiB, kind: vendor, source: sheet}
  bandwidth: {value: 25 GB/s, kind: vendor, source: sheet}
units:
  cpu: {kind: cpu}
runtimes:
  - {engine: llama.cpp, backend: cpu, unit: cpu}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "board.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path, GOOD))
    assert profile.memory.capacity is not None
    assert profile.memory.capacity.value == 8 * 2**30
    assert profile.memory.bandwidth is not None
    assert profile.memory.bandwidth.value == 25e9


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("kind: vendor, source: sheet}\nunits", "kind: vendor, source: shet}\nunits", "E702"),
        ("25 GB/s, kind: vendor", "25 GB/s, kind: derived", "E703"),
        ("25 GB/s, kind: vendor", "25 GB/s, kind: unsourced", "E704"),
        ("date: 2026-11-01", "date: 01.11.2026", "E705"),
        ("unit: cpu}", "unit: gpu}", "E710"),
        ("25 GB/s", "25 GB", "E316"),
        ("25 GB/s", "fast", "E315"),
    ],
    ids=["E702", "E703", "E704", "E705", "E710", "other-dimension", "no-quantity"],
)
def test_a_wrong_file_says_where(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert old in GOOD
    with pytest.raises(SpecError) as caught:
        load_profile(write(tmp_path, GOOD.replace(old, new)))
    found = {each.code: each for each in caught.value.diagnostics}
    assert code in found, caught.value
    place = found[code].place
    assert place is not None
    assert place.file.endswith("board.yaml")
    assert place.line > 1


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="bandwidth_"):
        load_profile(write(tmp_path, GOOD.replace("  bandwidth:", "  bandwidth_:")))


def test_a_profile_is_a_frozen_value() -> None:
    assert Profile.model_config.get("frozen")
    assert Profile.model_config.get("extra") == "forbid"
