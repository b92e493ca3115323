"""Time to read specs, to check one from the command line, and to decide candidates of spaces.

python -m tests.benchmarks.bench_spec [--repeats 20] [--json]

Processor time of the fastest repeat, in milliseconds; wall time too for the command line.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from lfm_arch.core.errors import SpecError
from lfm_arch.spec.decision import Decision
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import Space, load_space
from lfm_arch.spec.write import write_spec

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"
LAYERED = """\
lfm_arch: 1
kind: space
name: layered
extends: {base}
dims: {{hidden_size: {{$choice: [1536, 2048]}}, num_heads: "${{div(hidden_size, 64)}}"}}
operators:
  conv: {{kernel_size: {{$choice: [3, 5, 7], scope: layer}}}}
  attn: {{window_size: {{$choice: [null, 1024], scope: layer}}}}
depth_groups:
  - name: trunk
    stack:
      $place: {{fill: conv, length: 24, put: {{attn: {{$int: {{low: 3, high: 8}}}}}}, min_gap: 1, head: [conv, conv]}}
sharing:
  - {{features: kv, among: attn, group: {{$choice: [1, 2]}}}}
moe:
  - {{layers: {{$choice: [none, "2..", odd]}}, num_experts: {{$choice: [8, 16]}}, experts_per_token: 2}}
expect: null
"""


def fastest(repeats: int, act: Callable[[], object]) -> float:
    """Return the processor time of the fastest repeat, in milliseconds."""
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        act()
        best = min(best, time.process_time() - began)
    return round(1e3 * best, 3)


def drawn(space: Space, seed: int, count: int) -> int:
    """Decide `count` random candidates; return how many were right."""
    rng = random.Random(seed)

    def ask(decision: Decision) -> Any:
        if decision.kind == "choice":
            return rng.choice(decision.options)
        assert decision.low is not None
        assert decision.high is not None
        if decision.kind == "int":
            return rng.randrange(int(decision.low), int(decision.high) + 1, decision.step or 1)
        return rng.uniform(decision.low, decision.high)

    right = 0
    for _ in range(count):
        try:
            space.decide(ask)
            right += 1
        except SpecError:
            continue
    return right


def command(*args: str, repeats: int) -> dict[str, float]:
    """Run the command line in processes of its own, compiled as an installed package is."""
    script = "from lfm_arch.cli.main import main; main()"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(Path(gettempdir()) / "lfm-arch-bench")}
    cpu = wall = float("inf")
    for _ in range(repeats):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        line = [sys.executable, "-c", script, *args]
        subprocess.run(line, check=True, capture_output=True, cwd=ROOT, env=environment)
        after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        wall = min(wall, ended - began)
        cpu = min(cpu, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"processor_ms": round(1e3 * cpu, 1), "wall_ms": round(1e3 * wall, 1)}


def measure(repeats: int) -> dict[str, Any]:
    """Return all figures."""
    model, shipped = SPECS / "lfm2-1.2b.yaml", SPECS / "spaces" / "lfm-edge.yaml"
    spec = load_spec(model)
    figures: dict[str, Any] = {
        "check lfm2-1.2b": command("check", "specs/lfm2-1.2b.yaml", repeats=repeats),
        "check lfm-edge": command("check", "specs/spaces/lfm-edge.yaml", repeats=repeats),
        "--help": command("--help", repeats=repeats),
        "load_spec lfm2-1.2b, ms": fastest(repeats, lambda: load_spec(model)),
        "load_space lfm-edge, ms": fastest(repeats, lambda: load_space(shipped)),
        "write_spec lfm2-1.2b, ms": fastest(repeats, lambda: write_spec(spec)),
    }
    with TemporaryDirectory() as folder:
        layered = Path(folder) / "layered.yaml"
        layered.write_text(LAYERED.format(base=model))
        for name, path in (("lfm-edge", shipped), ("24 layers, each decided", layered)):
            space = load_space(path)
            drawn(space, seed=0, count=100)
            right = drawn(space, seed=1, count=100)
            each = fastest(repeats, lambda space=space: drawn(space, seed=1, count=100)) / 100
            figures[f"decide {name}, ms a candidate"] = round(each, 4)
            figures[f"decide {name}, right of 100"] = right
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = measure(args.repeats)
    if args.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<45} {figure}")


if __name__ == "__main__":
    main()
