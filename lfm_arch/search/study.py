"""A study: which space is searched, for which hardware and scenario, by which objectives, within which budgets.

    lfm_arch: 1
    kind: study
    name: edge
    space: ../specs/spaces/lfm-edge.yaml
    hardware: apple
    objectives: {decode_step_s: minimize, bits_per_byte: minimize}
    budgets: {params: 1.3 G, ttft_s: 1 s}
    known_good: [../specs/lfm2-1.2b.yaml]

Paths are relative to the study's own folder.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lfm_arch.core.errors import Diagnostic, SearchError, refuse
from lfm_arch.core.units import Bytes, Count, Seconds
from lfm_arch.hardware.profile import Profile, load_profile
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.quality.data import Corpus, from_path, standard_library
from lfm_arch.quality.settings import QualitySettings
from lfm_arch.search.metric import METRICS, Direction
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.document import load_model
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import Space, load_space
from lfm_arch.spec.tree import plain

SamplerName = Literal["auto", "tpe", "nsga2", "random"]
Positive = Annotated[int, Field(ge=1)]


class ScenarioSettings(BaseModel):
    """What is asked of a model on the hardware."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prompt: Count = 1024
    generate: Count = 256
    batch: Count = 1
    weights: str = "q4_0"
    """Number format of the weights."""
    cache: str = "f16"
    """Number format of cached keys and values."""

    def scenario(self) -> Scenario:
        return Scenario(self.prompt, self.generate, self.batch, self.weights, self.cache)


class Budgets(BaseModel):
    """Upper limits; what is above one is discarded before anything is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    params: Count | None = None
    active_params: Count | None = None
    kv_bytes_per_token: Bytes | None = None
    ttft_s: Seconds | None = None
    decode_step_s: Seconds | None = None
    memory_bytes: Bytes | None = None
    """All of a running model: weights, cache, state, activations, runtime."""

    def limits(self) -> dict[str, float]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Floors(BaseModel):
    """Lower limits of what is measured; a trained candidate below one is discarded after all."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    recall: Annotated[float, Field(ge=0, le=1)] | None = None
    """Accuracy in the recall task: bits per byte alone hide that a model cannot look anything up."""

    def limits(self) -> dict[str, float]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Study(BaseModel):
    """A study file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lfm_arch: Literal[1] = 1
    kind: Literal["study"] = "study"
    name: str
    doc: str = ""
    space: str
    """Path of the space, from the folder of the study."""
    hardware: str | tuple[str, ...]
    """Profiles by name, alias or path; several ask each hardware objective and budget of each."""
    runtime: str | None = None
    """One of the profiles' runtimes; the first of each when left out."""
    scenario: ScenarioSettings = ScenarioSettings()
    objectives: Annotated[dict[str, Direction], Field(min_length=1)]
    """Metric -> direction; the first two are the axes of plots."""
    budgets: Budgets = Budgets()
    floors: Floors = Floors()
    sampler: SamplerName = "auto"
    quality: QualitySettings | None = QualitySettings()
    """How candidates are trained; null searches on costs alone."""
    data: str | None = None
    """File or folder of text, from the folder of the study; the Python standard library's sources when left out."""
    seeds: Positive = 1
    """Trainings of each candidate."""
    known_good_seeds: Positive = 3
    """Trainings of each known-good spec; their spread is the noise floor."""
    known_good: tuple[str, ...] = ()
    """Model files that are evaluated first, from the folder of the study."""
    trials: Positive = 24
    """Candidates to train, known-good ones included; those that a budget discards and duplicates cost next to
    nothing, and are not counted."""
    time_limit_s: Seconds | None = None
    """Of one run of the command; running it again goes on."""
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _knows_its_metrics(self) -> Self:
        for name, direction in self.objectives.items():
            known = METRICS.get(name)
            if known is None:
                close = get_close_matches(name, METRICS, n=1)
                raise refuse(
                    "E955",
                    f"objectives.{name}",
                    f"unknown metric {name!r}",
                    because=f"an objective is one of {', '.join(METRICS)}",
                    help=f"did you mean {close[0]!r}?" if close else "",
                )
            if known.direction != direction:
                raise refuse(
                    "E955",
                    f"objectives.{name}",
                    f"{name} is to be {known.direction}d, not {direction}d",
                    because=f"a {'small' if known.direction == 'minimize' else 'large'} {known.title} is better",
                    help=f"{name}: {known.direction}",
                )
            if known.origin == "quality" and self.quality is None:
                raise refuse(
                    "E955",
                    f"objectives.{name}",
                    f"{name} is measured by training, and quality is null",
                    because="an objective needs a value for every candidate",
                    help=f"leave quality out to train with the defaults, or leave {name} out",
                )
        for name in self.floors.limits():
            if self.quality is None or (name == "recall" and self.quality.recall is None):
                raise refuse(
                    "E955",
                    f"floors.{name}",
                    f"a floor of {name}, which this study does not measure",
                    because="a limit that nothing is compared with is a mistake",
                    help="measure it with `quality`, or leave the floor out",
                )
        return self

    @property
    def profile_names(self) -> tuple[str, ...]:
        return (self.hardware,) if isinstance(self.hardware, str) else self.hardware


@dataclass(frozen=True)
class Setup:
    """A study with everything that it names, read and checked."""

    study: Study
    path: Path
    text: str
    space: Space
    profiles: tuple[Profile, ...]
    known_good: tuple[tuple[str, ArchSpec], ...]
    corpus: Corpus | None
    on_own_hardware: bool = True
    """Whether it runs on the hardware that the file names."""

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives; one for each profile where it is a hardware metric and there are several."""
        return tuple(each for name in self.study.objectives for each in self.spread(name))

    @cached_property
    def limits(self) -> dict[str, float]:
        """Budgets by name of the limited value."""
        return {each: limit for name, limit in self.study.budgets.limits().items() for each in self.spread(name)}

    def spread(self, name: str) -> tuple[str, ...]:
        """Return the names of a metric's values."""
        if METRICS[name].origin != "hardware" or len(self.profiles) == 1:
            return (name,)
        return tuple(f"{name}@{profile.name}" for profile in self.profiles)

    @cached_property
    def space_text(self) -> str:
        """The texts of the space and of what it extends."""
        return "\n".join(Path(name).read_text(encoding="utf-8").rstrip() + "\n" for name in self.space.document.files)

    @property
    def title(self) -> str:
        """Name of the study's directory; on other hardware than the file says, with its name."""
        if self.on_own_hardware:
            return self.study.name
        return f"{self.study.name}-{'+'.join(profile.name for profile in self.profiles)}"

    @cached_property
    def id(self) -> str:
        """Hash of all that a candidate's values depend on: more trials or more time are still the same study."""
        settings = self.study.model_dump(
            exclude={"trials", "time_limit_s", "doc", "name", "space", "data", "known_good"}
        )
        content: list[Any] = [
            version_of("lfm-arch"),
            settings,
            plain(self.space.document.root),
            [profile.model_dump(mode="json") for profile in self.profiles],
            [spec.model_dump(mode="json") for _, spec in self.known_good],
            self.corpus.sha256 if self.corpus is not None else None,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def open_study(
    path: Path,
    *,
    hardware: Sequence[str] = (),
    data: Path | None = None,
    trials: int | None = None,
    seed: int | None = None,
    time_limit_s: float | None = None,
    sets: Sequence[str] = (),
) -> Setup:
    """Read a study and everything that it names; arguments replace what the file says.

    Raises:
        SpecError: a file is wrong, with every mistake.
        ProfileError: there is no such hardware.
        QualityError: E901 or E902, there is nothing to train on.
        SearchError: E956, the space has nothing to decide.
    """
    study = load_model(path, Study, kind="study", sets=sets)
    own = tuple(load_profile(_beside(path.parent, name)).name for name in study.profile_names)
    replaced: dict[str, Any] = {
        "hardware": tuple(hardware) or None,
        "trials": trials,
        "seed": seed,
        "time_limit_s": time_limit_s,
    }
    study = study.model_copy(update={name: value for name, value in replaced.items() if value is not None})
    study.scenario.scenario()
    folder = path.parent
    profiles = tuple(load_profile(_beside(folder, name)) for name in study.profile_names)
    # two names of one device would be asked twice
    profiles = tuple({profile.name: profile for profile in profiles}.values())
    study = study.model_copy(update={"hardware": tuple(profile.name for profile in profiles)})
    space = load_space(folder / study.space)
    if not space.decisions():
        raise SearchError(
            Diagnostic(
                "E956",
                f"{folder / study.space} leaves nothing to decide",
                because="a search needs a space: a spec in which some values are decisions",
                help="write {$choice: [3, 5, 7]} in place of a value, see `lfm-arch explain space`",
            )
        )
    known = [load_spec(folder / each) for each in study.known_good]
    corpus = None
    if study.quality is not None:
        place = data or (folder / study.data if study.data is not None else None)
        corpus = standard_library() if place is None else from_path(place)
    return Setup(
        study=study,
        path=path,
        text=path.read_text(encoding="utf-8"),
        space=space,
        profiles=profiles,
        known_good=tuple((spec.name, spec) for spec in known),
        corpus=corpus,
        on_own_hardware=study.profile_names == own,
    )


def version_of(package: str) -> str:
    """Return a package's version; `unknown` for one that runs from its sources."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _beside(folder: Path, name: str) -> str:
    """Take a profile's path from the folder of the study, where there is such a file."""
    return str(folder / name) if name.endswith((".yaml", ".yml")) and (folder / name).exists() else name
