"""How long a candidate takes from its settled spec to seconds, bytes and joules, and the commands that print them.

python -m tests.benchmarks.bench_cost
"""

import time
from itertools import count as numbers
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from lfm_arch.core.errors import GraphError
from lfm_arch.graph.compile import compile_graph
from lfm_arch.hardware.estimate import Estimate, Scenario, estimate, estimate_work
from lfm_arch.hardware.population import speeds
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.work import Work, measure_work
from lfm_arch.spec.decision import Decision
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import load_space
from tests.benchmarks.bench_count import command, fresh, milliseconds

ROOT = Path(__file__).parents[2]


def answers(made: Estimate) -> tuple[float, float, float, bool | None]:
    """Ask for what a search asks for."""
    return made.ttft_s, made.decode_tokens_per_s, made.memory_bytes, made.fits


def from_genomes(candidates: int = 300) -> tuple[dict[str, float], list[Work]]:
    """Return median milliseconds of each step from a genome to costs, over random candidates of the shipped space."""
    space, random = load_space(ROOT / "specs" / "spaces" / "lfm-edge.yaml"), Random(0)
    profile, scenario = load_profile("qualcomm"), Scenario()

    def ask(decision: Decision) -> Any:
        if decision.kind == "choice":
            return random.choice(decision.options)
        assert decision.low is not None, decision.path
        assert decision.high is not None, decision.path
        if decision.kind == "int":
            return random.randrange(int(decision.low), int(decision.high) + 1, int(decision.step or 1))
        return random.uniform(decision.low, decision.high)

    times: list[list[float]] = []
    works: list[Work] = []
    while len(times) < candidates:
        marks = [time.perf_counter()]
        try:
            candidate = space.decide(ask)
            marks.append(time.perf_counter())
            graph = compile_graph(candidate.spec)
        except GraphError:
            # a candidate that breaks a rule costs the time to say so, and no more
            continue
        marks.append(time.perf_counter())
        made = estimate(graph, profile, scenario)
        answers(made)
        marks.append(time.perf_counter())
        times.append([1e3 * (after - before) for before, after in pairwise(marks)])
        works.append(made.work)
    decide, compiled, priced = (median(step) for step in zip(*times, strict=True))
    named = {"decide a genome": decide, "compile it": compiled, "count and price it": priced}
    return {**named, "from genome to costs": median(sum(step) for step in times)}, works


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
    steps, works = from_genomes()
    rows |= {f"{name}, 14 to 22 layers": value for name, value in steps.items()}
    rows[f"price {len(works)} counted candidates at once, each"] = milliseconds(
        lambda: speeds(works, profile, scenario), 20
    ) / len(works)
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
