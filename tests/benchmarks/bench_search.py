"""How fast candidates are proposed, recorded and trained.

python -m tests.benchmarks.bench_search
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.lower.compile import lower
from lfm_arch.quality.data import standard_library
from lfm_arch.quality.replica import replica
from lfm_arch.quality.settings import QualitySettings
from lfm_arch.quality.tasks import NextByte
from lfm_arch.quality.trainer import cores, side_by_side, train
from lfm_arch.search.quality import Measured, Stop
from lfm_arch.search.session import run_session
from lfm_arch.search.study import SamplerName, open_study
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec
from tests.search.lab import Silent

ROOT = Path(__file__).parents[2]
TRIALS = (100, 300)
STEPS = 40


class Free:
    """A quality that costs nothing: what is left is the search itself."""

    def identity(self, spec: ArchSpec) -> str:
        return spec.name

    def measure(self, spec: ArchSpec, seeds: Sequence[int], stop: Stop) -> Measured:
        del stop
        return Measured({"bits_per_byte": [3 - spec.hidden_size / 1e4] * len(seeds), "recall": [1.0] * len(seeds)})


def overhead(sampler: SamplerName, trials: int) -> float:
    """Return milliseconds for each trial of the default study, everything but the training."""
    setup = open_study(ROOT / "search" / "default.yaml", trials=trials)
    setup = type(setup)(**{**vars(setup), "study": setup.study.model_copy(update={"sampler": sampler})})
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        session = run_session(setup, Path(folder), Silent(), quality=Free())
        return 1e3 * (time.perf_counter() - started) / len(session.records)


def throughput(jobs: int) -> float:
    """Return tokens per second of LFM2-1.2B's replica, `jobs` trainings side by side."""
    settings = QualitySettings()
    graph = compile_graph(replica(load_spec(ROOT / "specs" / "lfm2-1.2b.yaml"), settings.replica).spec)
    corpus = standard_library()
    plan = settings.text_plan()
    plan = plan.model_copy(update={"tokens": STEPS * plan.batch_size * plan.sequence_length})

    def job(seed: int):
        model = lower(graph, seed=seed)
        text = NextByte(
            corpus.train,
            corpus.validation,
            batch_size=plan.batch_size,
            sequence_length=plan.sequence_length,
            seed=seed,
        )
        return lambda stop: train(model, text.batch_of, plan, stop=stop).loss

    made = [job(seed) for seed in range(jobs)]
    started = time.perf_counter()
    side_by_side(made, lambda: False)
    return jobs * plan.tokens / (time.perf_counter() - started)


def main() -> None:
    """Print both tables."""
    graph = compile_graph(replica(load_spec(ROOT / "specs" / "lfm2-1.2b.yaml"), QualitySettings().replica).spec)
    print(f"replica of LFM2-1.2B: {totals(graph).params:,} parameters, {cores()} cores")
    throughput(1)
    for jobs in (1, 2, 4):
        print(f"  {jobs} side by side  {throughput(jobs):8,.0f} tokens/s")
    print("trials of the default study without training, ms each (propose, count, estimate, record)")
    for sampler in ("random", "nsga2", "tpe"):
        figures = "  ".join(f"{trials}: {overhead(sampler, trials):6.1f}" for trials in TRIALS)
        print(f"  {sampler:8}{figures}")


if __name__ == "__main__":
    main()
