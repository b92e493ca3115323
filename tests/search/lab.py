"""A small space, a study on it, and a quality that is computed instead of trained."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lfm_arch.core.errors import Diagnostic, QualityError
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.graph.identity import architecture_id
from lfm_arch.quality.stopped import StoppedError
from lfm_arch.search.quality import Measured, Stop
from lfm_arch.search.record import Record
from lfm_arch.search.session import Session, run_session
from lfm_arch.search.study import Setup, open_study
from lfm_arch.spec.arch import ArchSpec

SPACE = """
lfm_arch: 1
kind: space
name: small
vars:
  depth: {$int: {low: 4, high: 12, step: 2}, prior: 8}
  width: {$choice: [256, 512, 1024], prior: 512}
dims:
  hidden_size: ${vars.width}
featurizers:
  text: {type: token_embedding, vocab_size: 1000}
operators:
  conv: {type: short_conv, kernel_size: {$choice: [3, 5, 7], prior: 3}}
  attn: {type: attention, num_heads: "${div(vars.width, 64)}", num_kv_heads: 4, head_dim: 64, rope: {theta: 1.0e+4}}
  swiglu: {type: swiglu, intermediate_size: "${vars.width * 2}"}
blocks:
  conv: {mixer: conv, channel: swiglu}
  attn: {mixer: attn, channel: swiglu}
norm: {type: rms_norm, eps: 1.0e-5}
depth_groups:
  - name: trunk
    stack: {$place: {fill: conv, length: "${vars.depth}", put: {attn: 2}, min_gap: 1}}
heads:
  lm: {type: lm_head, tied_to: text}
constraints:
  - {check: "layers != 6", why: six is right out}
"""

STUDY = """
lfm_arch: 1
kind: study
name: tiny
space: space.yaml
hardware: apple
objectives: {decode_step_s: minimize, bits_per_byte: minimize}
budgets: {params: 60 M}
trials: 12
"""

KNOWN = """
lfm_arch: 1
kind: model
name: known
dims: {hidden_size: 512}
featurizers:
  text: {type: token_embedding, vocab_size: 1000}
operators:
  conv: {type: short_conv, kernel_size: 4}
  swiglu: {type: swiglu, intermediate_size: 1024}
blocks:
  conv: {mixer: conv, channel: swiglu}
norm: {type: rms_norm, eps: 1.0e-5}
depth_groups:
  - {name: trunk, stack: 4*conv}
heads:
  lm: {type: lm_head, tied_to: text}
"""


class Analytic:
    """Larger models with attention are better, by a law, plus a little that depends on architecture and seed."""

    def __init__(self, *, broken: Callable[[ArchSpec], bool] = lambda _: False, after: int | None = None) -> None:
        self.broken = broken
        self.after = after
        """Asked to measure so many, it is stopped in the middle of the next."""
        self.measured: list[str] = []

    def identity(self, spec: ArchSpec) -> str:
        return architecture_id(compile_graph(spec))

    def measure(self, spec: ArchSpec, seeds: Sequence[int], stop: Stop) -> Measured:
        if stop() or (self.after is not None and len(self.measured) >= self.after):
            raise StoppedError
        self.measured.append(spec.name)
        if self.broken(spec):
            raise QualityError(Diagnostic("E921", "the loss is nan"))
        counted = totals(compile_graph(spec))
        identity = self.identity(spec)
        values = [3.0 - 0.1 * (counted.params / 1e7) ** 0.5 + jitter(identity, seed) for seed in seeds]
        return Measured({"bits_per_byte": values, "recall": [0.9 for _ in seeds]}, {"replica": "none, it is computed"})


def jitter(identity: str, seed: int) -> float:
    digest = hashlib.sha256(f"{identity}/{seed}".encode()).digest()
    return 0.01 * (digest[0] / 255 - 0.5)


class Silent:
    """Watches, and keeps what it saw."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.finished: list[Record] = []

    def opens(self, setup: Setup, records: Sequence[Record]) -> None:
        self.setup, self.records = setup, records

    def starts(self, number: int, name: str, trainings: int) -> None:
        del number, trainings
        self.started.append(name)

    def finishes(self, record: Record) -> None:
        self.finished.append(record)


class Lab:
    """A folder with a study in it, and how to run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out"
        self.study = folder / "study.yaml"
        self.study.write_text(STUDY)
        (folder / "space.yaml").write_text(SPACE)
        (folder / "known.yaml").write_text(KNOWN)

    def write(self, more: str) -> None:
        """Add lines to the study, or replace those of the same key."""
        keys = {line.partition(":")[0] for line in more.splitlines()}
        kept = [line for line in STUDY.splitlines() if line.partition(":")[0] not in keys]
        self.study.write_text("\n".join([*kept, more, ""]))

    def setup(self, **changes: Any) -> Setup:
        return open_study(self.study, **changes)

    def run(self, quality: Analytic | None = None, *, setup: Setup | None = None, **options: Any) -> Session:
        watcher = options.pop("watcher", Silent())
        return run_session(setup or self.setup(), self.output, watcher, quality=quality or Analytic(), **options)


def story(records: Sequence[Record]) -> list[tuple[Any, ...]]:
    """What happened, without times."""
    return [
        (each.name, each.outcome, each.architecture_id, each.genome, each.duplicate_of, each.error, each.objectives)
        for each in records
    ]


def record_of(outcome: str, **fields: Any) -> Record:
    """Make the record of some trial."""
    return Record.model_validate({"number": 0, "name": "trial-0000", "outcome": outcome, **fields})
