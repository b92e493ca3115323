"""Proposals depend on seed, number and what was told, and on nothing else."""

import pytest

from lfm_arch.search.propose import Proposer, derive
from lfm_arch.search.study import SamplerName
from lfm_arch.spec.space import Space
from tests.search.lab import Lab

OBJECTIVES = ("decode_step_s", "bits_per_byte")


@pytest.fixture
def space(lab: Lab) -> Space:
    return lab.setup().space


def drawn(space: Space, sampler: SamplerName, seed: int, count: int) -> list[dict[str, object]]:
    proposer = Proposer(space, OBJECTIVES, sampler, seed)
    genomes = []
    for number in range(count):
        proposal = proposer.propose(number)
        genomes.append(proposal.genome)
        width = float(proposal.genome["vars.width"])
        proposer.tell(proposal, {"decode_step_s": width, "bits_per_byte": 1 / width}, {"width": width / 600 - 1})
    return genomes


@pytest.mark.parametrize("sampler", ["auto", "tpe", "nsga2", "random"])
def test_equal_seeds_propose_alike(space: Space, sampler: SamplerName) -> None:
    assert drawn(space, sampler, 3, 20) == drawn(space, sampler, 3, 20)
    assert drawn(space, sampler, 3, 5) != drawn(space, sampler, 4, 5)


def test_a_genome_is_answered_as_given(space: Space) -> None:
    default = space.default()
    proposal = Proposer(space, OBJECTIVES, "tpe", 0).propose(0, default.genome)
    assert proposal.genome == default.genome
    assert proposal.candidate is not None
    assert proposal.candidate.spec == default.spec


def test_blind_draws_are_seeded_too(space: Space) -> None:
    one, other = (Proposer(space, OBJECTIVES, "tpe", 0).propose(5, explore=True).genome for _ in range(2))
    assert one == other


def test_the_sampler_learns_what_is_feasible(space: Space) -> None:
    proposer = Proposer(space, OBJECTIVES, "tpe", 0)
    widths = []
    for number in range(60):
        proposal = proposer.propose(number)
        width = int(proposal.genome["vars.width"])
        widths.append(width)
        # only the narrowest is allowed; what is not is not measured either
        values = {"decode_step_s": 1.0} | ({"bits_per_byte": 2.0} if width == 256 else {})
        proposer.tell(proposal, values, {"width": width / 256 - 1})
    assert widths[30:].count(256) > 20 > widths[:8].count(256) * 3


def test_failures_are_told_and_not_learned_from_as_values(space: Space) -> None:
    proposer = Proposer(space, OBJECTIVES, "tpe", 0)
    for number in range(12):
        proposer.tell(proposer.propose(number), None)
    assert proposer.propose(12).candidate is not None


def test_trials_have_seeds_of_their_own() -> None:
    seeds = {derive(seed, number) for seed in range(20) for number in range(200)}
    assert len(seeds) == 20 * 200
