"""A finished study in miniature: every outcome, every kind of mark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lfm_arch.search.record import Record, Value, Violation
from lfm_arch.search.summary import ConstraintCount, Fact, Objective, StudySummary

Study = tuple[StudySummary, list[Record]]


def _drawing() -> list[dict[str, Any]]:
    conv: dict[str, Any] = {
        "name": "conv",
        "mixer": "short_conv k3",
        "channel": "swiglu 8192",
        "params": 1000,
        "seconds": 2e-4,
    }
    attn: dict[str, Any] = {
        "name": "attn",
        "mixer": "attention 32/8",
        "channel": "moe 32x4",
        "params": 2000,
        "seconds": 3e-4,
    }
    return [
        {"repeat": 3, "children": [conv | {"bound": "weights", "repeat": 2}, attn | {"bound": "cache"}]},
        conv | {"bound": "overhead"},
    ]


def _record(number: int, milliseconds: float, bits: float | None, **changes: object) -> Record:
    objectives = {
        "decode": Value(value=milliseconds, unit="ms", kind="modelled", low=milliseconds * 0.8, high=milliseconds * 1.2)
    }
    if bits is not None:
        objectives["loss"] = Value(value=bits, unit="bits/byte", kind="measured", low=bits - 0.02, high=bits + 0.02)
    fields = {
        "number": number,
        "name": f"trial-{number:04d}",
        "outcome": "complete",
        "objectives": objectives,
        "counts": {
            "params": Value(value=1_170_340_608, unit="params", kind="exact"),
            **{f"side_{each}": Value(value=each, unit="count", kind="exact") for each in range(6)},
            "kv_bytes_per_token": Value(value=12_288, unit="B", kind="exact"),
            "recall": Value(value=0.537, unit="accuracy", kind="measured"),
        },
        "drawing": _drawing(),
        "layout": "ccAccAccAc",
        "spec": f"lfm_arch: 1\nname: trial-{number}\n",
        "quality": {"tokens": 300_000, "replica": "width 2048 -> 128"},
    }
    return Record.model_validate(fields | changes)


@pytest.fixture
def study() -> Study:
    records = [
        _record(0, 20.0, 2.2, name="lfm2-1.2b", known_good=True),
        _record(1, 10.0, 2.4),
        _record(2, 15.0, 2.15),
        _record(3, 18.0, 2.5),
        _record(4, 40.0, None, outcome="infeasible", violations=(Violation(check="decode <= 30 ms"),)),
        _record(5, 12.0, None, outcome="failed", error="E905 <script>alert(1)</script> diverged", drawing=[]),
    ]
    summary = StudySummary(
        name="edge",
        hardware="cerebras-cs3",
        hardware_title="Cerebras CS-3",
        objectives=(
            Objective(name="decode", title="decode latency", unit="ms"),
            Objective(name="loss", title="validation loss", unit="bits/byte"),
        ),
        trials=6,
        finished=6,
        complete=4,
        infeasible=1,
        failed=1,
        pareto=(1, 2),
        hypervolume=(0.1, 0.4, 0.6, 0.6),
        reference_point=(40.0, 3.0),
        constraints=(ConstraintCount(check="decode <= 30 ms", why="a person waits", violated=1, alone=1),),
        quality="Bits per byte of a small replica.\nIt does not say how good the full model would be.",
        noise=0.02,
        unproven=("short_conv",),
        facts=(Fact(name="bandwidth", value="unknown", source="https://example.org/sheet", date="2026-09-01"),),
        versions={"lfm-arch": "0.1.0"},
        seconds=590.0,
        command="lfm-arch search --hw cerebras",
    )
    return summary, records


@pytest.fixture
def written(tmp_path: Path, study: Study) -> Callable[..., Path]:
    """Write the study as a search does, with `tail` behind the last record."""

    def write(tail: str = "") -> Path:
        summary, records = study
        (tmp_path / "study.json").write_text(summary.model_dump_json())
        (tmp_path / "records.jsonl").write_text("".join(f"{each.model_dump_json()}\n" for each in records) + tail)
        return tmp_path

    return write
