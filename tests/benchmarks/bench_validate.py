"""Our predictions beside a plain roofline, LLM-Viewer's and GenZ's published formulas, on the published runs.

python -m tests.benchmarks.bench_validate [page]     writes the page and its JSON beside it, see reports/

Both tools predict dense attention models on one chip from data sheets. Written from the descriptions of their
formulas, for the models that they describe; efficiencies are left at 1, the value they start with.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lfm_arch.hardware.formats import weight_format
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.proof import prove
from lfm_arch.hardware.rate import peak_for
from lfm_arch.hardware.reference import Run, models, runs
from lfm_arch.hardware.replay import Prediction, measured_s
from lfm_arch.report.hardware import render_validation

ROOT = Path(__file__).parents[2]
ACTIVATION = 2
"""Bytes of an activation and of a cached element in both."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a data sheet says of a run's device."""

    flops: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """A dense model as both tools see it."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocab: int

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Matrices of one layer: inputs, outputs."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        d, f = self.width, self.hidden
        return ((d, q), (d, kv), (d, kv), (q, d), (d, f), (d, f), (f, d))


def sizes_of(name: str) -> Sizes | None:
    """Return a model's sizes; None where convolutions, windows or experts make it none of theirs."""
    model = models()[name]
    row = model.sizes
    if row["num_experts"] or row["window_size"] or not model.stack.endswith("*attn"):
        return None
    numbers = ("hidden_size", "num_heads", "num_kv_heads", "head_dim", "intermediate_size", "vocab_size")
    return Sizes(int(model.stack.partition("*")[0]), *(int(row[name]) for name in numbers))


def sheet_of(run: Run) -> Sheet | None:
    profile = load_profile(run.device)
    bandwidth = profile.bandwidth(run.unit)
    peak = peak_for(profile, run.unit, run.weights, quantized=weight_format(run.weights).quantized)
    return None if bandwidth is None or peak is None else Sheet(peak[1].dense, bandwidth.value)


def llm_viewer(sizes: Sizes, sheet: Sheet, weight: float, *, batch: int, tokens: int, context: int) -> float:
    """Seconds of one pass: every operator at min(peak, intensity * bandwidth), nothing else.

    Its decoding attention without fusion: scores are written and read again, keys and values are of the grouped size.
    """

    def at(operations: float, moved: float) -> float:
        return operations / min(sheet.flops, operations / moved * sheet.bytes_per_s)

    rows = batch * tokens
    one = sum(at(2 * i * o * rows, i * o * weight + (i + o) * rows * ACTIVATION) for i, o in sizes.linears)
    scores = batch * sizes.heads * tokens * context
    cached = batch * context * sizes.kv_heads * sizes.head_dim * ACTIVATION
    queries = rows * sizes.heads * sizes.head_dim * ACTIVATION
    product = 2 * scores * sizes.head_dim
    one += 2 * at(product, queries + cached + scores * ACTIVATION)
    one += at(5 * scores, 2 * scores * ACTIVATION)
    one += 2 * at(7 * rows * sizes.width, 2 * rows * sizes.width * ACTIVATION)
    one += 2 * at(rows * sizes.width, 3 * rows * sizes.width * ACTIVATION)
    head = at(2 * sizes.width * sizes.vocab * rows, sizes.width * sizes.vocab * weight)
    return sizes.layers * one + head


def genz(sizes: Sizes, sheet: Sheet, weight: float, *, batch: int, tokens: int, context: int) -> float:
    """Seconds of one pass: every operator the slower of arithmetic and memory, activations stay on the chip.

    Whole-number weights compute faster than 16 bit ones: half the operations' time for int8, a quarter for int4.
    """
    speed = 0.25 if weight < 0.75 else 0.5 if weight < 1.5 else 1.0
    rows = batch * tokens

    def at(operations: float, moved: float, factor: float = 1.0) -> float:
        return max(operations * factor / sheet.flops, moved / sheet.bytes_per_s)

    one = sum(at(2 * i * o * rows, i * o * weight, speed) for i, o in sizes.linears)
    product = 2 * batch * sizes.heads * tokens * context * sizes.head_dim
    cached = batch * context * sizes.kv_heads * sizes.head_dim * ACTIVATION
    one += 2 * at(product, cached)
    head = at(2 * sizes.width * sizes.vocab * batch, sizes.width * sizes.vocab * weight, speed)
    return sizes.layers * one + head


def others() -> dict[str, list[Prediction]]:
    """Predict every run that both tools can."""
    made: dict[str, list[Prediction]] = {"LLM-Viewer's formulas": [], "GenZ's formulas": []}
    for run in runs():
        sizes, sheet = sizes_of(run.model), sheet_of(run)
        if sizes is None or sheet is None or run.chips > 1:
            continue
        for phase in ("decode", "prefill"):
            taken = measured_s(run, phase)
            if taken is None:
                continue
            for (name, some), formula in zip(made.items(), (llm_viewer, genz), strict=True):
                del name
                weight = weight_format(run.weights).bits / 8
                if phase == "prefill":
                    asked = [(run.prompt or 1, run.past + (run.prompt or 1))]
                else:
                    # the mean over first and last token, which is GenZ's way and exact for both
                    asked = [(1, run.depth + 1), (1, run.depth + run.generate)]
                passes = [formula(sizes, sheet, weight, batch=run.batch, tokens=t, context=c) for t, c in asked]
                some.append(Prediction(run, phase, taken, sum(passes) / len(passes), "spec_only"))
    return made


def lines(proof: dict) -> Iterator[str]:
    """Yield the comparison as text."""
    for name, phases in proof["ways"].items():
        for phase, found in phases.items():
            if found.get("count"):
                right, pairs = found["hard"]
                yield (
                    f"{name:<32} {phase:<8} {found['count']:4} runs  median {found['median']:6.1%}  "
                    f"90th {found['p90']:6.0%}  hard pairs {right} of {pairs}"
                )


def main(arguments: list[str]) -> None:
    """Print the comparison; write the page when a path is given."""
    proof = prove(others=others())
    for line in lines(proof):
        print(line)
    if arguments:
        target = ROOT / arguments[0]
        render_validation(proof, target)
        target.with_suffix(".json").write_text(json.dumps(proof, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
