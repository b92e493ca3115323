"""What is known of a device: units, memory, peaks, power, and the runtimes that run on it.

A profile is a YAML file of kind `hw`. An unknown number is absent, never zero, and what needs it is refused.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.errors import Diagnostic, ProfileError, refuse
from lfm_arch.hardware.calibration import Calibration, Fit
from lfm_arch.hardware.quantity import Bandwidth, Figure, Link, Peak, Power, Size, Source
from lfm_arch.hardware.runtime import Use
from lfm_arch.operators.base import Part
from lfm_arch.spec.document import load_model

NumberFormat = Literal["f32", "f16", "bf16", "int8", "fp8", "int4", "fp4"]
UnitKind = Literal["cpu", "gpu", "npu", "wafer", "lpu", "tpu"]
DeviceClass = Literal["phone", "laptop", "desktop", "server", "edge", "wafer"]

ALIASES: Mapping[str, str] = {
    "cerebras": "cerebras-cs3",
    "qualcomm": "snapdragon-8-elite",
    "apple": "apple-m4",
    # the laptop chip rather than the accelerator: LFM2 was designed on it, and its runs are published
    "amd": "ryzen-ai-9-hx-370",
    "nvidia": "h100-sxm",
}
LOCAL = "local"


class Memory(Part):
    """The memory that weights and caches live in."""

    capacity: Size | None = None
    bandwidth: Bandwidth | None = None
    """Of the whole chip; a unit that reaches less of it says so itself."""
    technology: str = ""
    outside: Bandwidth | None = None
    """What brings weights in that do not fit and are streamed, layer by layer, for every pass."""


class Unit(Part):
    """A part of the chip that runs a model: cores, a GPU, an NPU, a wafer."""

    kind: UnitKind
    bandwidth: Bandwidth | None = None
    """What this unit reaches; None for the chip's."""
    peaks: Mapping[NumberFormat, Peak] = Field(default_factory=dict)
    """A number format that is absent is unknown or unsupported, never slow."""
    reached: Mapping[NumberFormat, Peak] = Field(default_factory=dict)
    """The most that somebody measured of matrix products, best shape."""


class Measured(Part):
    """Rates of one runtime that were measured on this very device, in base units."""

    runtime: str
    unit: str
    rates: Mapping[str, float]
    """Names and meaning as in `calibration.RATES`."""
    spread: Mapping[str, float] = Field(default_factory=dict)
    """Relative spread of the repeats, by rate."""
    note: str = ""


class Profile(Part):
    """One device."""

    lfm_arch: Literal[1] = 1
    kind: Literal["hw"] = "hw"
    name: str
    title: str
    vendor: str
    year: int | None = None
    device_class: DeviceClass = Field(alias="class")
    family: str = ""
    """Devices that are alike; a device without measurements borrows efficiencies from its family."""
    doc: str = ""
    sources: Mapping[str, Source] = Field(default_factory=dict)
    memory: Memory = Memory()
    units: Mapping[str, Unit]
    runtimes: tuple[Use, ...]
    """The first is what `cost` and `search` use when nobody says otherwise."""
    link: Link | None = None
    """To equal chips on one board."""
    power: tuple[Power, ...] = ()
    measured: tuple[Measured, ...] = ()
    """Only in profiles that this machine wrote of itself."""
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_sourced(self) -> Self:
        for path, figure in self.figures():
            if figure.kind == "unsourced":
                raise refuse(
                    "E704",
                    path,
                    f"{path} is unsourced",
                    because="a profile ships no number from memory",
                    help="name a source, or leave the number out: unknown stays unknown",
                )
            if figure.source not in self.sources:
                close = get_close_matches(figure.source, self.sources, n=1)
                raise refuse(
                    "E702",
                    f"{path}.source",
                    f"{path} names source {figure.source!r}, which `sources` does not have",
                    because="every number of a profile says where it was read",
                    help=f"did you mean {close[0]!r}?" if close else "add it to `sources` with url, what and date",
                )
            if figure.kind == "derived" and not figure.formula:
                raise refuse(
                    "E703",
                    path,
                    f"{path} is derived, but does not say how",
                    because="a derived number can be checked only with its formula",
                    help="add formula: ...",
                )
        return self

    @model_validator(mode="after")
    def _runs(self) -> Self:
        for number, use in enumerate(self.runtimes):
            if use.unit not in self.units:
                raise refuse(
                    "E710",
                    f"runtimes.{number}.unit",
                    f"runtime {use.name} runs on unit {use.unit!r}, which the profile does not have",
                    because="a runtime runs on a unit of the profile",
                    help=f"use one of {', '.join(self.units)}",
                )
        return self

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Yield every sourced number with its path in the file."""
        if self.link is not None:
            yield "link", self.link
        for name in ("capacity", "bandwidth", "outside"):
            figure = getattr(self.memory, name)
            if figure is not None:
                yield f"memory.{name}", figure
        for unit_name, unit in self.units.items():
            if unit.bandwidth is not None:
                yield f"units.{unit_name}.bandwidth", unit.bandwidth
            for number_format, peak in unit.peaks.items():
                yield f"units.{unit_name}.peaks.{number_format}", peak
            for number_format, peak in unit.reached.items():
                yield f"units.{unit_name}.reached.{number_format}", peak
        for number, power in enumerate(self.power):
            yield f"power.{number}", power

    def bandwidth(self, unit: str) -> Bandwidth | None:
        """Return what is known of a unit's memory bandwidth."""
        return self.units[unit].bandwidth or self.memory.bandwidth

    def calibration(self, use: Use) -> Calibration | None:
        """Return what was measured on the device itself with a runtime."""
        for each in self.measured:
            if (each.runtime, each.unit) == (use.name, use.unit):
                rates = {name: Fit(value) for name, value in each.rates.items()}
                return Calibration(self.name, use.unit, use.name, rates, tier="measured", note=each.note)
        return None

    def use(self, runtime: str | None = None) -> Use:
        """Return a runtime of the profile by its name, `name@unit`, or its engine alone; the first for None.

        Raises:
            ProfileError: E708, the profile has none of that name.
        """
        if runtime is None:
            return self.runtimes[0]
        for use in self.runtimes:
            if runtime in (f"{use.name}@{use.unit}", use.name, use.engine):
                return use
        known = [f"{use.name}@{use.unit}" for use in self.runtimes]
        close = get_close_matches(runtime, known, n=1)
        raise ProfileError(
            Diagnostic(
                "E708",
                f"{self.name} has no runtime {runtime!r}",
                because="efficiencies belong to a runtime on a unit",
                help=f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(known)}",
            )
        )


@cache
def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that ship, sorted."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in _shipped() if entry.name.endswith(".yaml")))


def load_profile(name_or_path: str | Path) -> Profile:
    """Load a profile by name, alias or path; `local` is measured on the spot when it never was.

    Raises:
        ProfileError: E701, no such profile; E711, this machine cannot be measured.
        SpecError: the file breaks a rule, with its places.
    """
    text = str(name_or_path)
    if text == LOCAL:
        from lfm_arch.hardware.local import local_profile

        return local_profile()
    name = ALIASES.get(text, text)
    if name in profile_names():
        return _load_shipped(name)
    path = Path(text)
    if path.suffix in (".yaml", ".yml", ".json") or path.is_file():
        return load_model(path, Profile, kind="hw")
    known = [*profile_names(), *ALIASES, LOCAL]
    close = get_close_matches(text.lower(), known, n=3)
    raise ProfileError(
        Diagnostic(
            "E701",
            f"unknown hardware profile {text!r}",
            because="a profile is a shipped name, an alias, local, or a YAML file",
            help=f"did you mean {' or '.join(close)}?" if close else "`lfm-arch hw list` shows all of them",
        )
    )


def _shipped() -> Iterator[Path]:
    with as_file(files("lfm_arch.hardware") / "profiles") as folder:
        yield from folder.iterdir()


@cache
def _load_shipped(name: str) -> Profile:
    with as_file(files("lfm_arch.hardware") / "profiles" / f"{name}.yaml") as path:
        return load_model(path, Profile, kind="hw")
