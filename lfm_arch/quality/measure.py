"""Measured quality of an architecture: its small replica, trained for minutes, not for months.

    measure(spec, QualitySettings(), seeds=(0, 1, 2))

What the numbers are: bits for each byte of text that was held out, and accuracy on a synthetic recall task, of a
replica with the candidate's mix of layers. What they are not: the quality of the full model after full training. They
order candidates that were all measured alike, and only where they differ by more than the spread over seeds.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

import torch
from torch import nn

from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.graph.identity import architecture_id
from lfm_arch.lower.compile import lower
from lfm_arch.quality.data import Corpus, standard_library
from lfm_arch.quality.replica import Replica, replica
from lfm_arch.quality.settings import Plan, QualitySettings, RecallTask
from lfm_arch.quality.tasks import NextByte, recall_batch
from lfm_arch.quality.trainer import Batch, evaluate, side_by_side, train
from lfm_arch.spec.arch import ArchSpec

TEST_SEED = 2**31 - 1
"""Draws the tested recall sequences, apart from every training seed."""


@dataclass(frozen=True)
class Measurement:
    """Quality of one architecture, value by value, and all that it depends on."""

    bits_per_byte: tuple[float, ...]
    """One for each seed."""
    recall: tuple[float, ...]
    """Accuracy, one for each seed; empty when the task was left out."""
    seeds: tuple[int, ...]
    tokens: int
    """Trained on for one seed, text and recall together."""
    seconds: float
    """All seeds together, validation included."""
    params: int
    """Of the replica."""
    replica_id: str
    replica: Replica
    data: dict[str, str | int]
    kind: Literal["measured"] = "measured"

    @property
    def bits_per_byte_mean(self) -> float:
        return fmean(self.bits_per_byte)

    @property
    def bits_per_byte_spread(self) -> float | None:
        """Standard deviation over seeds; None of a single one."""
        return stdev(self.bits_per_byte) if len(self.bits_per_byte) > 1 else None

    @property
    def recall_mean(self) -> float | None:
        return fmean(self.recall) if self.recall else None

    @property
    def recall_spread(self) -> float | None:
        return stdev(self.recall) if len(self.recall) > 1 else None

    def describe(self) -> dict[str, Any]:
        """Return what a record keeps."""
        return {
            "bits_per_byte": list(self.bits_per_byte),
            "recall": list(self.recall),
            "seeds": list(self.seeds),
            "tokens": self.tokens,
            "seconds": round(self.seconds, 2),
            "replica": self.replica.words,
            "replica_notes": list(self.replica.notes),
            "replica_params": self.params,
            "replica_id": self.replica_id,
            **{f"replica_{name}": value for name, value in self.replica.numbers.items()},
            **self.data,
            "torch": torch.__version__,
        }


def measure(
    spec: ArchSpec,
    settings: QualitySettings,
    seeds: Sequence[int] = (0,),
    *,
    corpus: Corpus | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Measurement:
    """Train and score the replica of `spec`, once for each seed.

    Args:
        spec: the full architecture.
        settings: equal settings make values comparable.
        seeds: each draws its own starting weights and batches; the same seeds for all candidates pair their noise.
        corpus: what to read; the Python standard library's sources when left out.
        stop: asked before every step.

    Raises:
        QualityError: E911, there is no replica; E921, it diverged; E922, it took too long.
        StoppedError: `stop` said so.
    """
    assert seeds, "no seed, no measurement"
    corpus = corpus or standard_library()
    small = replica(spec, settings.replica)
    graph = compile_graph(small.spec)
    started = time.perf_counter()
    # made one after the other: first values draw on torch's one generator
    jobs: list[_Job] = [_Text(lower(graph, seed=seed), settings, corpus, seed) for seed in seeds]
    if settings.recall is not None:
        jobs += [_Recall(lower(graph, seed=seed), settings, settings.recall, seed) for seed in seeds]
    values = side_by_side([job.run for job in jobs], stop)
    return Measurement(
        bits_per_byte=tuple(values[: len(seeds)]),
        recall=tuple(values[len(seeds) :]),
        seeds=tuple(seeds),
        tokens=sum(job.plan.steps * job.plan.batch_size * job.plan.sequence_length for job in jobs) // len(seeds),
        seconds=time.perf_counter() - started,
        params=totals(graph).params,
        replica_id=architecture_id(graph),
        replica=small,
        data=corpus.describe(),
    )


def replica_id(spec: ArchSpec, settings: QualitySettings) -> str:
    """Return the architecture id of what `measure` would train.

    Raises:
        QualityError: E911, there is no replica.
    """
    return architecture_id(compile_graph(replica(spec, settings.replica).spec))


class _Job:
    """One training and its score."""

    plan: Plan

    def __init__(self, model: nn.Module, settings: QualitySettings, seed: int) -> None:
        self.model, self.settings, self.seed = model, settings, seed

    def run(self, stop: Callable[[], bool]) -> float:
        raise NotImplementedError


class _Text(_Job):
    def __init__(self, model: nn.Module, settings: QualitySettings, corpus: Corpus, seed: int) -> None:
        super().__init__(model, settings, seed)
        self.plan = settings.text_plan()
        self.corpus = corpus

    def run(self, stop: Callable[[], bool]) -> float:
        text = NextByte(
            self.corpus.train,
            self.corpus.validation,
            batch_size=self.plan.batch_size,
            sequence_length=self.plan.sequence_length,
            seed=self.seed,
        )
        train(self.model, text.batch_of, self.plan, stop=stop)
        nats, _ = evaluate(self.model, text.validation(self.settings.validation_windows), self.plan)
        return nats / math.log(2)


class _Recall(_Job):
    def __init__(self, model: nn.Module, settings: QualitySettings, task: RecallTask, seed: int) -> None:
        super().__init__(model, settings, seed)
        self.plan = settings.recall_plan(task)
        self.task = task

    def run(self, stop: Callable[[], bool]) -> float:
        def batch_of(step: int) -> Batch:
            return recall_batch(self.task, self.plan.batch_size, self.seed * 1_000_003 + step)

        train(self.model, batch_of, self.plan, stop=stop)
        tests = recall_batch(self.task, self.settings.recall_tests, TEST_SEED, distance=self.task.distance)
        _, accuracy = evaluate(self.model, [tests], self.plan)
        return accuracy
