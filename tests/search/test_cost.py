"""What a candidate costs, before anything is trained."""

from pathlib import Path

import pytest

from lfm_arch.search.cost import cost
from lfm_arch.search.study import Setup, open_study
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec
from tests.search.lab import Lab

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def default() -> Setup:
    return open_study(ROOT / "search" / "default.yaml")


def spec_of(setup: Setup) -> ArchSpec:
    return setup.known_good[0][1]


def test_counts_are_exact_and_speeds_have_intervals(default: Setup) -> None:
    found = cost(spec_of(default), default)
    assert found.values["params"].value == 1_170_340_608
    assert found.values["params"].kind == "exact"
    decode = found.values["decode_step_s"]
    assert decode.kind == "modelled"
    assert decode.low is not None
    assert decode.high is not None
    assert decode.low < decode.value < decode.high
    assert "energy_per_token_j" not in found.values, "what nobody knows is left out"
    assert found.violations == ()
    assert all(excess <= 0 for excess in found.constraints.values())


def test_the_drawing_adds_up_to_the_layers(default: Setup) -> None:
    found = cost(spec_of(default), default)

    def leaves(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        unfolded: list[dict[str, object]] = []
        for row in rows:
            children = row.get("children")
            inner = leaves(children) if isinstance(children, list) else [row]
            unfolded += inner * int(str(row["repeat"]))
        return unfolded

    layers = leaves(found.drawing())
    assert len(layers) == 16
    times = [float(str(layer["seconds"])) for layer in layers]
    nodes = [node.decode_s for node in found.estimates[0].nodes if node.node.startswith("layers.")]
    assert sum(times) == pytest.approx(sum(nodes))


def test_what_does_not_fit_the_device_is_discarded(lab: Lab) -> None:
    lab.write("hardware: raspberry-pi-5\nbudgets: {}\nscenario: {weights: f32}")
    setup = lab.setup()
    large = load_spec(ROOT / "specs" / "lfm2-24b-a2b.yaml")
    (violation,) = cost(large, setup).violations
    assert violation.check == "memory_bytes <= raspberry-pi-5"
    assert violation.value is not None
    assert violation.limit is not None
    assert violation.value > violation.limit


def test_a_budget_says_by_how_much_it_is_missed(lab: Lab) -> None:
    lab.write("budgets: {params: 10 M, memory_bytes: 1 GiB}")
    setup = lab.setup()
    found = cost(setup.space.default().spec, setup)
    assert [each.check for each in found.violations] == ["params <= 1e+07"]
    assert found.constraints["params"] == pytest.approx(found.totals.params / 10e6 - 1)
    assert found.constraints["memory_bytes"] < 0
