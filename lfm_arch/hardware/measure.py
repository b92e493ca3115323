"""Rates of this machine's CPU under torch: streaming, matrix products by size, attention, dispatch.

Every number is the lower quartile over repeats, because other load only ever adds time; the spread is that between
the quartiles. Weights are taken from a ring of
matrices larger than the caches, as the layers of a model are, so that reading them is part of the time.

Axes: B rows of activations, D width, F hidden width.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import quantiles

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from lfm_arch.hardware.fit import fit_relative

FORMATS: Mapping[str, torch.dtype] = {"f32": torch.float32, "bf16": torch.bfloat16}
RING_BYTES = 256 * 2**20
"""All matrices of a ring together; larger than the caches of most machines."""
WIDTH, HIDDEN = 1024, 4096
ROWS = (16, 64, 256)
"""Rows of activations in the matrix products that are arithmetic."""
HEADS, HEAD_DIM = 16, 64

Timing = tuple[dict[str, float], float]
"""Rates as in `calibration.RATES`, and their relative spread."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured."""

    version: str
    """Of torch."""
    threads: int
    read_bytes_per_s: float
    rates: Mapping[str, Mapping[str, float]]
    """By number format, then as in `calibration.RATES`."""
    spread: Mapping[str, Mapping[str, float]]


def measure(
    progress: Callable[[str, int, int], None] | None = None, *, seconds: float = 0.8, ring_bytes: int = RING_BYTES
) -> Measured:
    """Measure this machine; about half a minute on a quiet laptop.

    Args:
        progress: called before each step.
        seconds: spent on repeats of one measurement.
        ring_bytes: size of the ring of weights.
    """
    benches = {name: Bench(dtype, seconds, ring_bytes) for name, dtype in FORMATS.items()}
    words = ("weights", "matrix products", "attention", "decode attention", "element-wise steps", "dispatch")
    total = 1 + len(words) * len(benches)
    rates: dict[str, dict[str, float]] = {name: {} for name in FORMATS}
    spread: dict[str, dict[str, float]] = {name: {} for name in FORMATS}
    tell = progress or (lambda *_: None)
    tell("memory", 0, total)
    data = np.ones(ring_bytes // 8)
    read, _ = timed(data.sum, seconds)
    done = 1
    with torch.inference_mode():
        for name, bench in benches.items():
            for word, run in zip(words, bench.steps(), strict=True):
                tell(f"{word}, {name}", done, total)
                found, wide = run()
                rates[name].update(found)
                spread[name].update(dict.fromkeys(found, wide))
                done += 1
    return Measured(torch.__version__, torch.get_num_threads(), data.nbytes / read, rates, spread)


def timed(run: Callable[[], object], seconds: float, *, least: int = 5) -> tuple[float, float]:
    """Return the lower quartile of the time of a call, and the spread of the quartiles relative to the median."""
    run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    low, middle, high = quantiles(times, n=4)
    return low, (high - low) / middle


class Bench:
    """The measurements in one number format."""

    def __init__(self, dtype: torch.dtype, seconds: float, ring_bytes: int) -> None:
        self.dtype = dtype
        self.seconds = seconds
        one = WIDTH * HIDDEN * torch.finfo(dtype).bits // 8
        self.matrices = max(2, ring_bytes // one)

    def steps(self) -> tuple[Callable[[], Timing], ...]:
        return (self.weights, self.matmul, self.attention, self.decode_attention, self.elementwise, self.dispatch)

    def ring(self, count: int) -> list[Tensor]:
        return [torch.randn(HIDDEN, WIDTH, dtype=self.dtype) for _ in range(count)]

    def weights(self) -> Timing:
        """One row of activations: the time is that of reading the matrices."""
        ring = self.ring(self.matrices)
        x_BD = torch.randn(1, WIDTH, dtype=self.dtype)

        def run() -> None:
            for weight_FD in ring:
                linear(x_BD, weight_FD)

        taken, wide = timed(run, self.seconds)
        return {"weights": sum(weight.nbytes for weight in ring) / taken}, wide

    def matmul(self) -> Timing:
        ring = self.ring(min(6, self.matrices))
        work, times, widest = [], [], 0.0
        for rows in ROWS:
            x_BD = torch.randn(rows, WIDTH, dtype=self.dtype)

            def run(x_BD: Tensor = x_BD) -> None:
                for weight_FD in ring:
                    linear(x_BD, weight_FD)

            taken, wide = timed(run, self.seconds)
            flops = 2 * rows * WIDTH * HIDDEN * len(ring)
            # time = flops / rate * (1 + half / rows): small products do not fill the machine
            work.append([flops, flops / rows])
            times.append(taken)
            widest = max(widest, wide)
        # on a busy machine the small products alone would explain the times, with an infinite rate for large ones;
        # no rate is more than twice the best that was seen
        fastest = min(taken / flops for taken, (flops, _) in zip(times, work, strict=True))
        x = fit_relative(np.array(work, float), np.array(times), lower=[fastest / 2, 0.0], upper=[np.inf, np.inf])
        return {"matmul_float": 1 / x[0], "half_tokens": float(x[1] / x[0])}, widest

    def attention(self) -> Timing:
        tokens = 512
        q, k, v = (torch.randn(1, HEADS, tokens, HEAD_DIM, dtype=self.dtype) for _ in range(3))
        taken, wide = timed(lambda: scaled_dot_product_attention(q, k, v, is_causal=True), self.seconds)
        pairs = tokens * (tokens + 1) / 2
        return {"attention": 4 * HEADS * HEAD_DIM * pairs / taken}, wide

    def decode_attention(self) -> Timing:
        work, times, widest = [], [], 0.0
        for kv_heads in (HEADS, HEADS // 4):
            for context in (512, 2048):
                q = torch.randn(1, HEADS, 1, HEAD_DIM, dtype=self.dtype)
                k, v = (torch.randn(1, kv_heads, context, HEAD_DIM, dtype=self.dtype) for _ in range(2))

                def run(q: Tensor = q, k: Tensor = k, v: Tensor = v) -> Tensor:
                    return scaled_dot_product_attention(q, k, v, enable_gqa=True)

                taken, wide = timed(run, self.seconds / 2)
                # bytes read, arithmetic, and a call
                work.append([k.nbytes + v.nbytes, 4 * HEADS * HEAD_DIM * context, 1])
                times.append(taken)
                widest = max(widest, wide)
        x = fit_relative(np.array(work, float), np.array(times), lower=[0.0] * 3, upper=[np.inf] * 3)
        found = {name: float(1 / value) for name, value in (("kv", x[0]), ("decode_attention", x[1])) if value > 0}
        return found, widest

    def elementwise(self) -> Timing:
        # the activations of a few hundred tokens, which the caches hold in part
        x_BF, y_BF = (torch.randn(512, HIDDEN, dtype=self.dtype) for _ in range(2))
        taken, wide = timed(lambda: x_BF * y_BF, self.seconds / 2)
        return {"activations": 3 * x_BF.nbytes / taken, "state": 3 * x_BF.nbytes / taken}, wide

    def dispatch(self) -> Timing:
        x_BD = torch.randn(1, 16, dtype=self.dtype)
        weight_DD, scale_D = torch.randn(16, 16, dtype=self.dtype), torch.randn(16, dtype=self.dtype)
        kernels = 6

        def run() -> Tensor:
            normed_BD = rms_norm(x_BD, (16,), scale_D)
            return x_BD + silu(linear(normed_BD, weight_DD)) * linear(normed_BD, weight_DD)

        taken, wide = timed(run, self.seconds / 2)
        return {"kernel": taken / kernels, "part": 0.0}, wide
