"""A model put on a runtime: the rates and widths that its counts are priced with."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from lfm_arch.core.errors import Diagnostic, ProfileError
from lfm_arch.hardware.calibration import Calibrations, shipped
from lfm_arch.hardware.formats import cache_bits, weight_format
from lfm_arch.hardware.price import Widths
from lfm_arch.hardware.profile import Profile
from lfm_arch.hardware.rate import Rates
from lfm_arch.hardware.resolve import between, resolve_rates
from lfm_arch.hardware.runtime import Engine, Use, load_engine
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import Array, Work


@dataclass(frozen=True, slots=True)
class Deployment:
    """How a scenario is run on a device."""

    use: Use
    engine: Engine
    rates: Rates
    known: Calibrations
    widths: Widths
    rows_P: Array
    """Rows of activations in one matrix product of each pass."""
    chunks: int
    """Pieces that the prompt is worked on in."""


def deploy(
    work: Work,
    profile: Profile,
    scenario: Scenario,
    *,
    runtime: str | None = None,
    rates: Rates | None = None,
    found: Calibrations | None = None,
) -> Deployment:
    """Settle how a scenario is run.

    Args:
        work: counts, whose rows are given widths.
        profile: the device.
        scenario: with formats and chips.
        runtime: one of the profile's; None for its first.
        rates: in place of those known of the runtime.
        found: in place of the calibrations that ship.

    Raises:
        ProfileError: E706 no bandwidth, E708 no such runtime, E709 it does not run such weights, E715 no link.
    """
    use = profile.use(runtime)
    engine = load_engine(use.engine)
    weights = weight_format(scenario.weights)
    if use.formats and weights.name not in use.formats:
        raise ProfileError(
            Diagnostic(
                "E709",
                f"{use.name} on {profile.name} does not run {weights.name} weights",
                help=f"use weights in {' or '.join(use.formats)}",
            )
        )
    known = shipped() if found is None else found
    rates = rates or resolve_rates(profile, use, weights.name, quantized=weights.quantized, found=known)
    widths = Widths(
        weight_R=work.weight_bits(weights) / 8,
        expert=weights.routed_bits / 8,
        cache=cache_bits(scenario.cache) / 8,
        state=engine.state_bits / 8,
        activation=engine.activation_bits / 8,
    )
    chunk = engine.prefill_chunk or scenario.prompt
    rows_P = np.array([float(each.batch) for each in scenario.passes()])
    rows_P[0] *= min(scenario.prompt, chunk)
    chunks = ceil(scenario.prompt / chunk)
    return Deployment(use, engine, between(profile, rates, scenario), known, widths, rows_P, chunks)
