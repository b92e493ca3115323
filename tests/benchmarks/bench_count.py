"""How long a candidate takes from its settled spec to its counts, and the commands that print them.

python -m tests.benchmarks.bench_count
"""

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count as numbers
from pathlib import Path
from statistics import median

from lfm_arch.core.work import Workload
from lfm_arch.graph.compile import check_constraints, compile_graph
from lfm_arch.graph.count import count, totals
from lfm_arch.graph.diff import diff
from lfm_arch.graph.identity import architecture_id
from lfm_arch.graph.picture import fold
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec, Constraint
from lfm_arch.spec.model import load_spec

ROOT = Path(__file__).parents[2]
REPEATS = 200


def fresh(spec: ArchSpec, number: int) -> ArchSpec:
    """Make a candidate whose every operator is new, so that nothing is remembered of it."""
    layers = tuple(
        each.model_copy(
            update={"mixer": _other(each.mixer, number), "channel": SwiGLU(intermediate_size=7680 + 8 * number)}
        )
        for each in spec.layers
    )
    return spec.model_copy(update={"layers": layers})


def _other(mixer: object, number: int) -> object:
    return ShortConv(kernel_size=3 + number % 50) if isinstance(mixer, ShortConv) else mixer


def milliseconds(what: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time of a call."""
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        what()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


def command(*args: str) -> float:
    """Return the median wall time of a command in milliseconds, the interpreter's start included."""
    words = [sys.executable, "-c", "from lfm_arch.cli.main import main; main()", *args]

    def run() -> None:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
        assert done.stdout, done.stderr

    return milliseconds(run, repeats=5)


def main() -> None:
    """Print a table of median times."""
    spec = load_spec(ROOT / "specs" / "lfm3-1.7b.yaml")
    constrained = spec.model_copy(
        update={"constraints": (Constraint(check="params <= 2 G"), Constraint(check="num_heads % num_kv_heads == 0"))}
    )
    graph, other = compile_graph(spec), compile_graph(load_spec(ROOT / "specs" / "lfm2-24b-a2b.yaml"))
    number = numbers()

    def candidate() -> None:
        made = fresh(spec, next(number))
        totals(compile_graph(made))

    rows = {
        "compile, 24 layers": milliseconds(lambda: compile_graph(spec)),
        "totals": milliseconds(lambda: totals(graph)),
        "count one workload": milliseconds(lambda: count(graph, Workload(tokens=1, past=4096))),
        "compile and totals of a candidate never seen": milliseconds(candidate),
        "two constraints": milliseconds(lambda: check_constraints(graph, constrained)),
        "architecture id": milliseconds(lambda: architecture_id(graph)),
        "fold": milliseconds(lambda: fold(graph)),
        "diff with 40 layers": milliseconds(lambda: diff(graph, other), 20),
    }
    for name, value in rows.items():
        print(f"{name:<48} {value:8.3f} ms")
    for words in (("show", "specs/lfm3-1.7b.yaml"), ("diff", "specs/lfm2-350m.yaml", "specs/lfm3-1.7b.yaml")):
        print(f"{'lfm-arch ' + ' '.join(words):<48} {command(*words):8.0f} ms")


if __name__ == "__main__":
    main()
