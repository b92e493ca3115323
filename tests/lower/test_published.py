"""Every spec that ships builds on the meta device with exactly the parameters that it expects, part by part."""

import resource
import sys
import time
from pathlib import Path

import pytest
import torch

from lfm_arch.core.work import Workload
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import count, totals
from lfm_arch.lower.compile import lower
from lfm_arch.lower.names import own_tensors
from lfm_arch.spec.model import load_spec

SPECS = sorted(
    path
    for path in (Path(__file__).parents[2] / "specs").rglob("*.yaml")
    if "kind: model" in path.read_text().splitlines()
)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_module_is_what_the_spec_expects(path: Path) -> None:
    spec = load_spec(path)
    graph = compile_graph(spec)
    model = lower(graph, device="meta", dtype=torch.bfloat16)
    built = sum(parameter.numel() for parameter in model.parameters())
    assert built == totals(graph).params
    if spec.expect is not None and spec.expect.params is not None:
        assert built == spec.expect.params
    # a shared tensor belongs to the part that owns it, as the graph counts it
    owned: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = ".".join(name.split(".")[:2]) if name.startswith("layers.") else name.split(".")[0]
        owned[part] = owned.get(part, 0) + parameter.numel()
    counted = {part: cost.params for part, cost in count(graph, Workload()).items() if cost.params}
    assert owned == counted
    assert len(own_tensors(model)) >= len(list(model.parameters()))


def test_something_ships() -> None:
    assert len(SPECS) >= 10


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_the_largest_takes_seconds_and_little_memory() -> None:
    """Building on the meta device costs time and memory by the number of parts, not by their size."""
    graphs = [compile_graph(load_spec(path)) for path in SPECS]
    largest = max(graphs, key=lambda graph: totals(graph).params)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    lower(largest, device="meta")
    assert time.perf_counter() - began < 20
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 200e6
