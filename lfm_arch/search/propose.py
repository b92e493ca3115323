"""Which candidate comes next: Optuna behind ask and tell, the only place that knows it.

Proposal i draws from its own generator, seeded by (study seed, i), and otherwise sees only what was told before it. So
a study that was interrupted and goes on, its finished trials told again in order, proposes what it would have proposed.
"""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from lfm_arch.core.errors import LfmArchError
from lfm_arch.search.metric import metric
from lfm_arch.search.study import SamplerName
from lfm_arch.spec.scalar import Value as Answer
from lfm_arch.spec.space import Candidate, Decision, Space

STARTUP = 8
"""Random proposals before TPE has something to learn from."""
POPULATION = 16
"""As in STAR's published searches."""


@dataclass
class Proposal:
    """A candidate to evaluate, or the reason why its answers make none."""

    trial: optuna.Trial
    genome: dict[str, Any] = field(default_factory=dict)
    candidate: Candidate | None = None
    error: LfmArchError | None = None


class Proposer:
    """Asks and tells one study, in memory."""

    def __init__(self, space: Space, objectives: Sequence[str], sampler: SamplerName, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._objectives, self._seed = space, objectives, seed
        self._sampler = chosen(sampler)
        self._study = optuna.create_study(
            directions=[metric(name).direction for name in objectives], sampler=RandomSampler()
        )

    def propose(self, number: int, genome: Mapping[str, Any] | None = None, *, explore: bool = False) -> Proposal:
        """Return the proposal of trial `number`.

        Args:
            number: seeds its randomness.
            genome: answers that are given already, of a known-good or an earlier trial.
            explore: draw blindly, when the sampler keeps repeating itself.
        """
        sampler = self._made(derive(self._seed, number), explore=explore)
        self._study.sampler = sampler if genome is None else _Given(sampler, genome)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            proposal = Proposal(self._study.ask())

            def answer(decision: Decision) -> Answer:
                value = suggest(proposal.trial, decision)
                proposal.genome[decision.path] = value
                return value

            try:
                proposal.candidate = self._space.decide(answer)
            except LfmArchError as error:
                proposal.error = error
        return proposal

    def tell(
        self, proposal: Proposal, values: Mapping[str, float] | None, constraints: Mapping[str, float] | None = None
    ) -> None:
        """Hand the result back: values by objective; None for a failure.

        An objective that was not measured, because a budget discarded the candidate, counts as if nothing was learned.
        Constraints hold where they are at most 0.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, excess in (constraints or {}).items():
                proposal.trial.set_constraint(name, excess)
            if values is None:
                self._study.tell(proposal.trial, state=TrialState.FAIL)
            else:
                told = [values.get(name, metric(name).worst) for name in self._objectives]
                self._study.tell(proposal.trial, told)

    def _made(self, seed: int, *, explore: bool) -> BaseSampler:
        if explore or self._sampler == "random":
            return RandomSampler(seed=seed)
        if self._sampler == "nsga2":
            return NSGAIISampler(population_size=POPULATION, seed=seed)
        return TPESampler(n_startup_trials=STARTUP, seed=seed)


class _Given(BaseSampler):
    """Answers from a genome, while the sampler that would have answered keeps its books.

    Optuna's own way, to enqueue a trial, leaves it out of NSGA-II's generations.
    """

    def __init__(self, sampler: BaseSampler, genome: Mapping[str, Any]) -> None:
        self._sampler, self._genome = sampler, genome

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._sampler.sample_relative(study, trial, search_space)
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._genome[param_name]

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)


def chosen(sampler: SamplerName) -> SamplerName:
    """Return the sampler that `auto` stands for."""
    return "tpe" if sampler == "auto" else sampler


def sampler_title(sampler: SamplerName) -> str:
    """Say in reports which sampler ran."""
    return f"{chosen(sampler)} of Optuna {optuna.__version__}{' (auto)' if sampler == 'auto' else ''}"


def suggest(trial: optuna.Trial, decision: Decision) -> Answer:
    """Answer one decision by Optuna."""
    if decision.kind == "choice":
        return trial.suggest_categorical(decision.path, list(decision.options))
    assert decision.low is not None, f"{decision.path} has no lowest value"
    assert decision.high is not None, f"{decision.path} has no highest value"
    if decision.kind == "float":
        return trial.suggest_float(decision.path, decision.low, decision.high, log=decision.log)
    step = decision.step or 1
    # Optuna takes a logarithm only of steps of one
    log = decision.log and step == 1
    return trial.suggest_int(decision.path, int(decision.low), int(decision.high), step=step, log=log)


def derive(seed: int, number: int) -> int:
    """Return the seed of one trial's own generator."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
