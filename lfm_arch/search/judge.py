"""What becomes of one candidate: a duplicate, over a budget, or trained and measured."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from lfm_arch.core.errors import Diagnostic, SearchError
from lfm_arch.graph.count import Totals
from lfm_arch.search.cost import Cost, cost
from lfm_arch.search.metric import metric
from lfm_arch.search.noise import measured_noise
from lfm_arch.search.propose import derive
from lfm_arch.search.quality import Quality, Stop
from lfm_arch.search.record import Outcome, Record, Value, Violation
from lfm_arch.search.study import Setup
from lfm_arch.spec.arch import ArchSpec, Expect
from lfm_arch.spec.write import write_spec

Starts = Callable[[int], None]
"""Told how many trainings are about to run."""


class Judge:
    """Evaluates candidates of one study against what is recorded."""

    def __init__(self, setup: Setup, quality: Quality | None, records: Sequence[Record], stop: Stop) -> None:
        self._setup, self._quality, self._records, self._stop = setup, quality, records, stop
        study = setup.study
        # one more than anybody needs at first, for a second chance
        count = max(study.seeds + 1, study.known_good_seeds)
        # the same seeds for every candidate: their noise is paired
        self._seeds = tuple(derive(study.seed, -1 - each) for each in range(count))

    def judge(self, spec: ArchSpec, *, known_good: bool, starts: Starts) -> tuple[Outcome, dict[str, Any]]:
        """Return the outcome, and the fields of the record.

        Raises:
            LfmArchError: the candidate fails.
            SearchError: the study does, E957 or E958.
            StoppedError: somebody asked for the end.
        """
        costs = cost(spec, self._setup)
        objectives = self._setup.objectives
        known: dict[str, Any] = {
            "architecture_id": costs.id,
            "counts": {name: value for name, value in costs.values.items() if name not in objectives},
            "objectives": {name: costs.values[name] for name in objectives if name in costs.values},
            "violations": costs.violations,
            "layout": costs.totals.layout,
            "drawing": costs.drawing(),
            "notes": tuple(f"{word}: support {what}" for word, what in costs.unproven.items()),
        }
        earlier = next((each for each in self._records if each.architecture_id == costs.id), None)
        if earlier is not None:
            return "duplicate", {**known, "duplicate_of": earlier.number}
        known["spec"] = spec_text(spec, costs.totals)
        # a known-good spec is there to be compared with, whatever the budgets say
        if costs.violations and not known_good:
            return "infeasible", known
        if self._quality is not None:
            known |= self._trained(self._quality, costs, known, known_good=known_good, starts=starts)
            known["violations"] += self._below({**known["counts"], **known["objectives"]})
        return "infeasible" if known["violations"] else "complete", known

    def _below(self, values: Mapping[str, Value]) -> tuple[Violation, ...]:
        """Return the floors that a trained candidate does not reach."""
        return tuple(
            Violation(
                check=f"{name} >= {limit:g}",
                why=f"the study's floor of {metric(name).title}",
                value=values[name].value,
                limit=limit,
            )
            for name, limit in self._setup.study.floors.limits().items()
            if values[name].value < limit
        )

    def _trained(
        self, quality: Quality, costs: Cost, known: Mapping[str, Any], *, known_good: bool, starts: Starts
    ) -> dict[str, Any]:
        study = self._setup.study
        seeds = self._seeds[: study.known_good_seeds if known_good else study.seeds]
        identity = quality.identity(costs.spec)
        same = next((each for each in self._records if each.quality.get("identity") == identity), None)
        notes = list(known["notes"])
        if same is not None and len(same.quality["seeds"]) >= len(seeds):
            facts = {**same.quality, "reused_from": same.quality.get("reused_from", same.number)}
            notes.append(f"its replica equals that of {same.name}, whose quality it has")
        else:
            facts = self._measured(quality, costs.spec, seeds, starts)
            if not known_good and self._misses_a_floor(facts):
                # recall is learned in a jump: whether that falls into the budget is partly luck
                again = self._measured(quality, costs.spec, self._seeds[len(seeds) : len(seeds) + 1], starts)
                facts |= {name: [*facts[name], *again[name]] for name in ("seeds", *facts["metrics"])}
                notes.append("missed a floor at first and was trained with one more seed")
            facts["identity"] = identity
        objectives, counts = dict(known["objectives"]), dict(known["counts"])
        for name in facts["metrics"]:
            (objectives if name in self._setup.objectives else counts)[name] = self._value(name, facts[name])
        missing = [name for name in self._setup.objectives if name not in objectives]
        if missing:
            raise _not_measured(missing)
        order = {name: objectives[name] for name in self._setup.objectives}
        return {"objectives": order, "counts": counts, "quality": facts, "notes": tuple(notes)}

    def _measured(self, quality: Quality, spec: ArchSpec, seeds: Sequence[int], starts: Starts) -> dict[str, Any]:
        starts(len(seeds))
        found = quality.measure(spec, seeds, self._stop)
        values = {name: [float(value) for value in each] for name, each in found.values.items()}
        return {**found.facts, **values, "seeds": list(seeds), "metrics": list(values)}

    def _misses_a_floor(self, facts: Mapping[str, Any]) -> bool:
        floors = self._setup.study.floors.limits()
        return any(name in facts and fmean(facts[name]) < limit for name, limit in floors.items())

    def _value(self, name: str, values: Sequence[float]) -> Value:
        noise = measured_noise(self._records, name)
        mean = fmean(values)
        around = noise.interval(len(values)) if noise is not None else None
        return Value(
            value=mean,
            unit=metric(name).unit,
            kind="measured",
            low=mean - around if around is not None else None,
            high=mean + around if around is not None else None,
            note=f"mean over {len(values)} seeds" if len(values) > 1 else "one seed",
        )


def spec_text(spec: ArchSpec, counted: Totals | None = None) -> str:
    """Write a candidate as a model file, with what it should be once that is counted."""
    expect = None
    if counted is not None:
        expect = Expect(
            params=counted.params,
            active_params=counted.active_params,
            layers=counted.layers,
            layout=counted.layout,
            kv_bytes_per_token=counted.kv_bytes_per_token,
        )
    # constraints, and the names that decisions were taken by, are the space's and not the model's
    return write_spec(spec.model_copy(update={"constraints": (), "dims": {}, "vars": {}, "expect": expect}))


def _not_measured(names: Sequence[str]) -> SearchError:
    return SearchError(
        Diagnostic(
            "E958",
            f"{', '.join(names)} was not measured",
            because="an objective needs a value for every candidate",
            help="recall needs `recall` in the study's quality settings",
        )
    )
