"""Seconds from counts and rates, all passes and rows at once.

    row = max(matmul FLOP / rate, weight bytes / rate)              arithmetic hides behind streaming or the reverse
        + attention FLOP / rate + cache bytes / rate                each fitted; one may be free
        + state bytes / rate + element-wise bytes / rate
        + parts * overhead + kernels * overhead
        + bytes to other chips / rate + hops

Axes: P passes, R rows, T terms.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lfm_arch.hardware.rate import Rate, Rates
from lfm_arch.hardware.work import (
    ACTIVATIONS,
    CACHE,
    DENSE,
    EXPERT,
    EXPERT_FLOPS,
    HOPS,
    KERNELS,
    LINK,
    MATMUL,
    MIXING,
    PARTS,
    STATE,
    Array,
    Work,
)

Bound = Literal["matmul", "weights", "attention", "kv", "state", "elementwise", "overhead", "link"]
BOUNDS: tuple[Bound, ...] = ("matmul", "weights", "attention", "kv", "state", "elementwise", "overhead", "link")
"""What may take most of a row's time.

`matmul`: arithmetic on weights. `weights`: reading them. `attention`: arithmetic between tokens. `kv`: reading and
writing the cache. `state`: fixed-size state. `elementwise`: norms, gates, residuals. `overhead`: launches.
`link`: what chips say to one another.
"""


_FEW_ROWS = 16.0
"""Rows below which a matrix product runs other kernels, whose time is that of reading the weights."""


@dataclass(frozen=True, slots=True)
class Widths:
    """Bytes of a stored element."""

    weight_R: Array
    """Outside of routed experts."""
    expert: float
    cache: float
    state: float
    activation: float


def price(work: Work, rates: Rates, widths: Widths, *, rows_P: Array, chunks: int = 1) -> Array:
    """Return seconds by pass, row and bound; the one of `matmul` and `weights` that hides behind the other is zero.

    Args:
        work: counts, the prompt's pass first.
        rates: of one runtime.
        widths: of the formats deployed.
        rows_P: rows of activations in one matrix product of each pass.
        chunks: pieces that the prompt is worked on in; weights of layers are read and kernels launched for each.
    """
    table_PRF = work.table_PRF
    passes = table_PRF.shape[0]
    repeats_PR = np.ones(table_PRF.shape[:2])
    repeats_PR[0, work.layer_R] = chunks
    attention_P1 = np.full((passes, 1), _per(rates.decode_attention))
    attention_P1[0] = _per(rates.attention)

    fullness_P1 = (1.0 + (rates.half_tokens.value or 0.0) / np.maximum(rows_P, _FEW_ROWS))[:, None]
    matmul_PR = fullness_P1 * (
        table_PRF[..., MATMUL] * _per(rates.matmul) + table_PRF[..., EXPERT_FLOPS] * _per(rates.expert_matmul)
    )
    read_PR = table_PRF[..., DENSE] * (widths.weight_R * _per(rates.weights))
    # one row of activations goes through other kernels than several
    experts_P1 = np.where(rows_P == 1, _per(rates.experts), _per(rates.experts_batch))[:, None]
    weights_PR = (read_PR + table_PRF[..., EXPERT] * (widths.expert * experts_P1)) * repeats_PR
    computes_PR = matmul_PR >= weights_PR
    seconds_TPR = np.stack(
        [
            matmul_PR * computes_PR,
            weights_PR * ~computes_PR,
            table_PRF[..., MIXING] * attention_P1,
            table_PRF[..., CACHE] * (widths.cache * _per(rates.kv)),
            table_PRF[..., STATE] * (widths.state * _per(rates.state)),
            table_PRF[..., ACTIVATIONS] * (widths.activation * _per(rates.activations)),
            (table_PRF[..., PARTS] * (rates.part.value or 0.0) + table_PRF[..., KERNELS] * (rates.kernel.value or 0.0))
            * repeats_PR,
            table_PRF[..., LINK] * (widths.activation * _per(rates.link))
            + table_PRF[..., HOPS] * ((rates.hop.value or 0.0) * repeats_PR),
        ]
    )
    return np.moveaxis(seconds_TPR, 0, -1)


def _per(rate: Rate) -> float:
    """Return seconds for each unit of work; none for a rate that is not known or not needed."""
    return 0.0 if not rate.value else 1.0 / rate.value
