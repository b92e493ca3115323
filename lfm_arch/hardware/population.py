"""Seconds of many candidates at once: their rows are laid end to end and priced as one.

Axes: C candidates, P passes, R rows of all candidates together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lfm_arch.hardware.deployment import deploy
from lfm_arch.hardware.price import price
from lfm_arch.hardware.profile import Profile
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import STEP_SHARES, Array, Work


@dataclass(frozen=True, slots=True)
class Speeds:
    """What a search asks of every candidate."""

    ttft_s: Array
    """`[C]`; of the prompt. Not a number where no arithmetic rate is known."""
    step_s: Array
    """`[C]`; one decoding step, mean over the generated tokens."""


def speeds(works: Sequence[Work], profile: Profile, scenario: Scenario, *, runtime: str | None = None) -> Speeds:
    """Price many candidates on one chip.

    Args:
        works: counts of each in the same scenario.
        profile: the device.
        scenario: with one chip.
        runtime: one of the profile's; None for its first.
    """
    assert scenario.chips == 1, f"{scenario.chips} chips: candidates are priced together on one"
    whole = Work(
        rows=(),
        table_PRF=np.concatenate([each.table_PRF for each in works], axis=1),
        repeats_R=np.concatenate([each.repeats_R for each in works]),
        head_R=np.concatenate([each.head_R for each in works]),
        layer_R=np.concatenate([each.layer_R for each in works]),
        stored={},
    )
    use = deploy(whole, profile, scenario, runtime=runtime)
    priced_PRT = price(whole, use.rates, use.widths, rows_P=use.rows_P, chunks=use.chunks)
    seconds_PR = priced_PRT.sum(2) * whole.repeats_R
    starts = np.cumsum([0, *(len(each.repeats_R) for each in works[:-1])])
    seconds_PC = np.add.reduceat(seconds_PR, starts, axis=1)
    start = np.nan if use.rates.matmul.value is None else use.rates.prompt.value or 0.0
    return Speeds(seconds_PC[0] + start, np.tensordot(STEP_SHARES, seconds_PC[1:], axes=1))
