"""How long a candidate takes from its settled spec to seconds, bytes and joules, and the commands that print them.

python -m tests.benchmarks.bench_cost
"""

from itertools import count as numbers
from pathlib import Path

from lfm_arch.graph.compile import compile_graph
from lfm_arch.hardware.estimate import Estimate, Scenario, estimate, estimate_work
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.work import measure_work
from lfm_arch.spec.model import load_spec
from tests.benchmarks.bench_count import command, fresh, milliseconds

ROOT = Path(__file__).parents[2]


def answers(made: Estimate) -> tuple[float, float, float, bool | None]:
    """Ask for what a search asks for."""
    return made.ttft_s, made.decode_tokens_per_s, made.memory_bytes, made.fits


def main() -> None:
    """Print a table of median times."""
    spec = load_spec(ROOT / "specs" / "lfm3-1.7b.yaml")
    graph = compile_graph(spec)
    assert len(graph.layers) == 24, f"{len(graph.layers)} layers"
    profile, scenario = load_profile("qualcomm"), Scenario()
    work = measure_work(graph, scenario)
    number = numbers()

    def candidate() -> None:
        answers(estimate(compile_graph(fresh(spec, next(number))), profile, scenario))

    rows = {
        "count four passes, 24 layers": milliseconds(lambda: measure_work(graph, scenario)),
        "speed from counts": milliseconds(lambda: estimate_work(graph, work, profile, scenario).step_s),
        "speed, memory and fit from counts": milliseconds(
            lambda: answers(estimate_work(graph, work, profile, scenario))
        ),
        "intervals, tiers and nodes too": milliseconds(
            lambda: (lambda made: (made.numbers, made.nodes))(estimate_work(graph, work, profile, scenario))
        ),
        "from a graph": milliseconds(lambda: answers(estimate(graph, profile, scenario))),
        "compile, count and estimate a candidate never seen": milliseconds(candidate),
        "load a profile from its file": milliseconds(
            lambda: load_profile(ROOT / "lfm_arch/hardware/profiles/apple-m4.yaml"), 20
        ),
    }
    for name, value in rows.items():
        print(f"{name:<52} {value:8.3f} ms")
    for words in (
        ("cost", "specs/lfm3-1.7b.yaml", "--hw", "apple"),
        ("cost", "specs/lfm2-1.2b.yaml", "specs/lfm2-350m.yaml", "--hw", "apple,amd,qualcomm"),
        ("hw", "list"),
        ("hw", "show", "apple"),
    ):
        print(f"{'lfm-arch ' + ' '.join(words)[:42]:<52} {command(*words):8.0f} ms")


if __name__ == "__main__":
    main()
