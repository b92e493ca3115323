"""Runtimes: what executes a model on a device, and which operators it can execute.

An engine (`llama.cpp`) has backends (`metal`, `cuda`); the two together are a runtime, `llama.cpp-metal`. What an
engine supports stands in one YAML file each, with evidence; what it reaches on a device is a calibration.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Literal

from pydantic import Field

from lfm_arch.core.units import Bytes
from lfm_arch.operators.base import Part
from lfm_arch.spec.document import load_model

Status = Literal["supported", "emulated", "unsupported", "unknown"]


class Use(Part):
    """A runtime on one unit of a device: `{engine: llama.cpp, backend: metal, unit: gpu}`."""

    engine: str
    backend: str = ""
    unit: str
    formats: tuple[str, ...] = ()
    """Number formats of weights that it runs; empty for any."""

    @property
    def name(self) -> str:
        return f"{self.engine}-{self.backend}" if self.backend else self.engine


class Support(Part):
    """Whether an engine runs an operator, and how we know."""

    status: Status
    evidence: str = ""
    """A document, or published runs of models that need it."""


class Base(Part):
    """Memory of an idle runtime."""

    value: Bytes
    evidence: str


class Engine(Part):
    """A program that runs models."""

    lfm_arch: Literal[1] = 1
    kind: Literal["hw"] = "hw"
    name: str
    title: str
    doc: str = ""
    url: str = ""
    prefill_chunk: int | None = None
    """Tokens of the prompt worked on at once; weights are read again for each chunk. None for the whole prompt."""
    activation_bits: float = 16
    state_bits: float = 16
    """Stored width of recurrent and convolution state."""
    cache_page: int | None = None
    """Tokens that the key/value cache grows by; None for one by one."""
    base: Base | None = None
    """Memory that a process takes beyond weights, cache, state and activations; None when unknown."""
    operators: Mapping[str, Support] = Field(default_factory=dict)
    """By the word that specs write."""

    others: Support = Support(status="unknown")
    """What holds for operators that are not listed."""

    def supports(self, operator: str) -> Support:
        return self.operators.get(operator, self.others)


@cache
def load_engine(name: str) -> Engine:
    """Load what is known of an engine; one that nobody described supports nothing for certain."""
    entry = files("lfm_arch.hardware") / "runtimes" / f"{name}.yaml"
    if not entry.is_file():
        return Engine(name=name, title=name)
    with as_file(entry) as path:
        return load_model(path, Engine, kind="hw")
