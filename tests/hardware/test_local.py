"""This machine's own profile: measured once, kept whole, found again."""

import json
from pathlib import Path

import pytest

from lfm_arch.core.errors import ProfileError
from lfm_arch.hardware import local, measure
from lfm_arch.hardware.estimate import Scenario, estimate
from lfm_arch.hardware.profile import load_profile
from tests.hardware.example import dense


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Measure hastily, and keep the result in a directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = measure.measure
    monkeypatch.setattr(measure, "WIDTH", 128)
    monkeypatch.setattr(measure, "HIDDEN", 256)
    monkeypatch.setattr(measure, "measure", lambda progress: whole(progress, seconds=0.001, ring_bytes=2**20))
    return tmp_path / "lfm-arch"


def test_is_measured_once_and_read_again(quick: Path) -> None:
    steps: list[str] = []
    first = local.local_profile(lambda label, number, total: steps.append(f"{label} {number}/{total}"))
    assert len(steps) == 13
    assert steps[0] == "memory 0/13"
    assert [each.name for each in quick.iterdir()] == [local.local_path().name]
    again = local.local_profile(lambda *_: pytest.fail("measured twice"))
    assert again is first
    assert load_profile("local") == first


def test_says_when_and_where_it_was_measured(quick: Path) -> None:
    del quick
    profile = local.local_profile()
    assert profile.name == "local"
    assert "torch" in profile.doc
    assert local.machine_id() in profile.sources["here"].what
    assert profile.memory.capacity is not None
    assert {use.name for use in profile.runtimes} == {"torch-f32", "torch-bf16"}
    assert all(wide >= 0 for each in profile.measured for wide in each.spread.values())


def test_predicts_with_what_was_measured(quick: Path) -> None:
    del quick
    profile = local.local_profile()
    made = estimate(dense(2), profile, Scenario(prompt=64, generate=8, weights="f32", cache="f32"))
    assert made.rates.weights.tier == "measured"
    assert 0 < made.step_s < 60
    with pytest.raises(ProfileError, match="E709"):
        estimate(dense(2), profile, Scenario(weights="q4_0"))


def test_a_fresh_one_replaces_the_old(quick: Path) -> None:
    del quick
    local.local_profile()
    before = local.local_path().stat().st_mtime_ns
    local.local_profile(fresh=True)
    assert local.local_path().stat().st_mtime_ns > before


def test_a_cache_that_cannot_be_written_is_said(quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = quick.parent / "file"
    blocked.write_text("not a directory")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(ProfileError) as caught:
        local.local_profile()
    assert caught.value.diagnostics[0].code == "E711"
    assert "XDG_CACHE_HOME" in caught.value.diagnostics[0].help


def test_the_identity_tells_nothing_else() -> None:
    assert len(local.machine_id()) == 12
    assert json.dumps(local.machine())
    assert str(local.machine()["processor"]) not in local.machine_id()


def test_rates_are_plausible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "WIDTH", 512)
    monkeypatch.setattr(measure, "HIDDEN", 1024)
    found = measure.measure(seconds=0.01, ring_bytes=2**24)
    for name, rates in found.rates.items():
        assert 1e7 < rates["weights"] < 1e13, name
        assert 1e8 < rates["matmul_float"] < 1e16, name
        assert 0 < rates["kernel"] < 1, name
        assert rates["half_tokens"] >= 0, name


def test_the_lower_quartile_is_taken() -> None:
    times = iter([0.02, *([0.0] * 8), *([0.01] * 20)])
    waits = {"n": 0}

    def run() -> None:
        import time

        waits["n"] += 1
        time.sleep(next(times, 0.0))

    low, wide = measure.timed(run, 0.0, least=28)
    assert low < 0.0105
    assert wide >= 0
    assert waits["n"] == 29
