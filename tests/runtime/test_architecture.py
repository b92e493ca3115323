"""The Python entry points: what `lfm_arch` exports, and reading a spec without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

import lfm_arch
from lfm_arch.core.errors import GraphError, SpecError
from lfm_arch.runtime.architecture import read
from tests.graph.example import ATTENTION, layer, spec

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "specs" / "lfm2-350m.yaml"


def test_what_the_package_exports() -> None:
    assert sorted(lfm_arch.__all__) == dir(lfm_arch) == ["LFModel", "__version__", "build", "load", "read"]
    for name in lfm_arch.__all__:
        assert getattr(lfm_arch, name) is not None
    with pytest.raises(AttributeError, match="biuld"):
        lfm_arch.biuld  # noqa: B018


def test_reading_counts_and_costs_without_torch() -> None:
    program = (
        "import sys, lfm_arch\n"
        f"made = lfm_arch.read({str(SPEC)!r})\n"
        "print(made.totals.params, made.counts(tokens=512)['layers.0'].flops > 0)\n"
        "print(made.cost('apple', prompt=512).ttft_s > made.cost('apple', prompt=64).ttft_s > 0)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["354483968", "True", "True", "False"]


def test_equal_architectures_have_equal_ids() -> None:
    assert read(spec(name="a")).id == read(spec(name="b")).id
    assert read(spec()).id != read(spec(layer(ATTENTION), layer())).id


def test_edits_and_expectations() -> None:
    with pytest.raises(GraphError, match="E501"):
        read(SPEC, sets=["dims.hidden_size=512"])
    smaller = read(SPEC, sets=["dims.hidden_size=512", "expect=null"])
    assert smaller.totals.params < read(SPEC).totals.params
    with pytest.raises(SpecError):
        read(SPEC, sets=["dims.no_such=512"])


def test_reading_from_a_string_or_a_path() -> None:
    assert read(str(SPEC)).spec == read(SPEC).spec
    assert read(SPEC).name == "lfm2-350m"
