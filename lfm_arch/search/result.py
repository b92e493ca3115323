"""What a study has found so far: its Pareto set, its summary, the files that others read."""

import os
import platform
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lfm_arch.core.units import count, seconds, size
from lfm_arch.search.metric import loss, metric
from lfm_arch.search.noise import Noise, measured_noise
from lfm_arch.search.pareto import Point, front, hypervolume
from lfm_arch.search.record import Record
from lfm_arch.search.store import Store
from lfm_arch.search.study import Setup, version_of
from lfm_arch.search.summary import ConstraintCount, Fact, Objective, StudySummary

PARETO = "pareto"
DIGITS = 3
"""Significant digits to which modelled times are compared."""
_SLACK = 1.25
"""The hypervolume's reference point lies so far behind the first known-good spec where no budget says."""


def pareto(setup: Setup, records: Sequence[Record]) -> list[Record]:
    """Return the complete candidates that no other beats, by the first objective."""
    complete = [record for record in records if record.outcome == "complete"]
    points = [_point(setup, record) for record in complete]
    return [complete[place] for place in front(points)]


def quality_objective(setup: Setup) -> str | None:
    """Return the first objective that is measured by training."""
    return next((name for name in setup.objectives if metric(name).origin == "quality"), None)


def noise(setup: Setup, records: Sequence[Record]) -> Noise | None:
    """Return the noise of the first measured objective."""
    name = quality_objective(setup)
    return measured_noise(records, name) if name is not None else None


def tiers(values: Sequence[float], floor: float) -> list[int]:
    """Number groups of values that are not told apart, 1 for the smallest: a group spans less than `floor`."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0] * len(values)
    tier, first = 0, float("-inf")
    for place in order:
        if values[place] - first >= floor:
            tier, first = tier + 1, values[place]
        found[place] = tier
    return found


def summarise(
    setup: Setup, records: Sequence[Record], *, sampler: str, command: Sequence[str] = (), ended: bool = True
) -> StudySummary:
    """Sum a study up, for `study.json` and the report."""
    study = setup.study
    best = pareto(setup, records)
    reference = _reference(setup, records)
    found = noise(setup, records)
    outcomes = [record.outcome for record in records]
    return StudySummary(
        name=study.name,
        doc=study.doc,
        hardware=", ".join(profile.name for profile in setup.profiles),
        hardware_title=", ".join(profile.title for profile in setup.profiles),
        scenario=study.scenario.model_dump(),
        objectives=tuple(
            Objective(name=name, title=_title(name), unit=metric(name).unit, direction=metric(name).direction)
            for name in setup.objectives
        ),
        quality=_meaning(setup, found),
        noise=found.floor(study.seeds) if found is not None else None,
        unproven=_unproven(records),
        budgets={name: written(name, limit) for name, limit in setup.limits.items()}
        | {name: f"at least {limit:g}" for name, limit in study.floors.limits().items()},
        trials=study.trials,
        finished=sum(record.is_evaluated for record in records),
        complete=outcomes.count("complete"),
        infeasible=outcomes.count("infeasible"),
        duplicate=outcomes.count("duplicate"),
        failed=outcomes.count("failed"),
        pareto=tuple(record.number for record in best),
        hypervolume=_progress(setup, records, reference) if reference is not None else (),
        reference_point=tuple(
            loss(name, value) for name, value in zip(setup.objectives, reference or (), strict=False)
        ),
        constraints=_constraints(records),
        space=setup.space_text,
        study=setup.text,
        facts=_facts(setup),
        versions=_versions(),
        seed=study.seed,
        sampler=sampler,
        started=records[0].started if records else "",
        ended=datetime.now(UTC).isoformat(timespec="seconds") if ended else "",
        seconds=sum(record.seconds for record in records),
        study_id=setup.id,
        command=shlex.join(command),
    )


def write_results(setup: Setup, store: Store, summary: StudySummary) -> list[Path]:
    """Write `study.json` and one model file for each Pareto candidate; what is on the front no more is removed."""
    store.write_summary(summary)
    by_number = {record.number: record for record in store.records}
    files: list[Path] = []
    for number in summary.pareto:
        record = by_number[number]
        head = [f"# {record.name} of study {summary.name} on {summary.hardware_title}"]
        head += [
            f"# {_title(name)}: {written(name, value.value)} ({value.kind})"
            for name, value in record.objectives.items()
        ]
        text = "\n".join([*head, record.spec])
        files.append(store.write(f"{PARETO}/{record.name}.yaml", text.encode()))
    for path in (store.directory / PARETO).glob("*.yaml"):
        if path not in files:
            path.unlink()
    return files


def written(name: str, value: float) -> str:
    """Write a metric's value for people."""
    unit = metric(name).unit
    if unit == "s":
        return seconds(value)
    if unit == "B":
        return size(value)
    if unit in ("params", "layers"):
        return count(value)
    return f"{value:.4g} {unit}"


def _title(name: str) -> str:
    _, _, profile = name.partition("@")
    return f"{metric(name).title}{f' on {profile}' if profile else ''}"


def _point(setup: Setup, record: Record) -> Point:
    # a model of time is not known to more digits: what is closer is equal, and a third of a percent beats nothing
    return tuple(
        loss(name, value if metric(name).origin != "hardware" else float(f"{value:.{DIGITS}g}"))
        for name in setup.objectives
        for value in (record.objectives[name].value,)
    )


def _reference(setup: Setup, records: Sequence[Record]) -> Point | None:
    """Return the worst corner: budgets where they limit an objective, else somewhat behind the first evaluated one."""
    first = next((record for record in records if all(name in record.objectives for name in setup.objectives)), None)
    if first is None:
        return None
    corner: list[float] = []
    for name in setup.objectives:
        value = first.objectives[name].value
        if name in setup.limits:
            corner.append(setup.limits[name])
        elif metric(name).direction == "minimize":
            corner.append(value * _SLACK)
        else:
            corner.append(loss(name, value / _SLACK))
    return tuple(corner)


def _progress(setup: Setup, records: Sequence[Record], reference: Point) -> tuple[float, ...]:
    volumes: list[float] = []
    best: list[Point] = []
    for record in records:
        if record.outcome != "complete":
            continue
        point = _point(setup, record)
        merged = [*best, point]
        chosen = front(merged)
        if len(merged) - 1 in chosen or not volumes:
            best = [merged[place] for place in chosen]
            volumes.append(hypervolume(best, reference))
        else:
            volumes.append(volumes[-1])
    return tuple(volumes)


def _constraints(records: Sequence[Record]) -> tuple[ConstraintCount, ...]:
    checks = {each.check: each.why for record in records for each in record.violations}
    broken = [{each.check for each in record.violations} for record in records if record.outcome == "infeasible"]
    return tuple(
        ConstraintCount(
            check=check,
            why=why,
            violated=sum(check in each for each in broken),
            alone=sum(each == {check} for each in broken),
        )
        for check, why in checks.items()
    )


def _unproven(records: Sequence[Record]) -> tuple[str, ...]:
    found = {
        note.partition(": support ")[0]
        for record in records
        if record.outcome == "complete"
        for note in record.notes
        if ": support " in note
    }
    return tuple(sorted(found))


def _meaning(setup: Setup, found: Noise | None) -> str:
    settings = setup.study.quality
    if settings is None or setup.corpus is None:
        return "Nothing was trained: this study is about costs alone, and says nothing about quality."
    rule = settings.replica
    recall = settings.recall
    lines = [
        f"Each candidate was trained as a small replica: width divided by {rule.width_divisor:g}, depth by "
        f"{rule.depth_divisor:g}, layers kept in their order and proportions, sharing and experts kept, bytes as "
        f"vocabulary; {settings.tokens:,} bytes of {setup.corpus.name} in windows of {settings.sequence_length}. The "
        "validation loss is in bits for each byte of files that were held out; 8 is knowing nothing.",
    ]
    if recall is not None:
        lines.append(
            f"Recall is measured apart: the replica is trained on {settings.recall_tokens:,} symbols of sequences that "
            f"each have their own dictionary of {recall.num_keys} keys, and scored on pairs last seen at least "
            f"{recall.distance} pairs ago. Guessing reaches {1 / recall.num_values:.3g}."
        )
    lines.append(
        "It is not the quality of the full model after full training: differences at this size and after so few tokens "
        "say how well a mix of layers learns, no more. Values are comparable only within one study."
    )
    if found is None:
        lines.append("The noise is unknown, because no architecture was trained with several seeds.")
    else:
        lines.append(
            f"One training varies with its seed by {found.spread:.2g} (standard deviation, {found.freedom} degrees of "
            f"freedom): candidates closer than {found.floor(setup.study.seeds):.2g} are not told apart."
        )
    return "\n".join(lines)


def _facts(setup: Setup) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for profile in setup.profiles:
        for path, figure in profile.figures():
            source = profile.sources[figure.source]
            facts.append(
                Fact(
                    name=f"{profile.name} {path}",
                    value=f"{getattr(figure, 'value', 'unknown'):.6g}",
                    kind=figure.kind,
                    source=source.url,
                    date=source.date.isoformat(),
                )
            )
    if setup.corpus is not None:
        facts.append(Fact(name="data", value=f"{setup.corpus.name}, sha256 {setup.corpus.sha256}", kind="exact"))
    return tuple(facts)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "processors": str(os.cpu_count())}
    return found | {package: version_of(package) for package in ("lfm-arch", "optuna", "torch", "numpy")}
