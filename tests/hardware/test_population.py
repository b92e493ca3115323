"""Many candidates at once say what each says alone."""

import pytest

from lfm_arch.hardware.estimate import Scenario, estimate
from lfm_arch.hardware.population import speeds
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.work import measure_work
from tests.hardware.example import conv, dense, experts


@pytest.mark.parametrize("device", ["qualcomm", "apple", "nvidia"])
def test_together_as_alone(device: str) -> None:
    graphs, scenario, profile = [conv(), dense(3), experts(), dense(12)], Scenario(prompt=2048), load_profile(device)
    found = speeds([measure_work(graph, scenario) for graph in graphs], profile, scenario)
    alone = [estimate(graph, profile, scenario) for graph in graphs]
    assert found.ttft_s.tolist() == pytest.approx([each.ttft_s for each in alone])
    assert found.step_s.tolist() == pytest.approx([each.step_s for each in alone])
