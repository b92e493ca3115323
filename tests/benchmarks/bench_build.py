"""Time and memory of building every shipped spec on the meta device, and of making and writing real weights.

python -m tests.benchmarks.bench_build [--weights specs/lfm2-1.2b.yaml]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def meta(path: Path) -> dict[str, object]:
    """Measure one spec; runs in a process of its own, so that its peak memory is its own."""
    import torch

    from lfm_arch.lower.compile import lower
    from lfm_arch.runtime.architecture import read

    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    made = read(path)
    counted = time.perf_counter()
    model = lower(made.graph, device="meta", dtype=torch.bfloat16)
    lowered = time.perf_counter()
    return {
        "spec": path.stem,
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "read_and_count_s": round(counted - began, 3),
        "lower_s": round(lowered - counted, 3),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "above_torch_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) // 1024,
    }


def weights(path: Path, dtype: str) -> dict[str, object]:
    """Measure making all weights, and making and writing them."""
    import torch

    from lfm_arch.runtime.architecture import read
    from lfm_arch.runtime.build import build_directory, first_tensors
    from lfm_arch.runtime.place import checked_dtype

    made = read(path)
    began = time.perf_counter()
    elements = sum(
        tensor.numel()
        for _, tensor in first_tensors(made.graph, device=torch.device("cpu"), dtype=checked_dtype(dtype), seed=0)
    )
    drawn = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=ROOT) as place:
        started = time.perf_counter()
        card = build_directory(made, Path(place) / "out", dtype=dtype)
        written = time.perf_counter()
    return {
        "spec": path.stem,
        "dtype": dtype,
        "threads": torch.get_num_threads(),
        "values": elements,
        "draw_s": round(drawn - began, 2),
        "million_per_s": round(elements / (drawn - began) / 1e6),
        "draw_and_write_s": round(written - started, 2),
        "bytes": card["counts"]["weight_bytes"],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def apart(*words: str) -> dict[str, object]:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_build", "--one", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs="+")
    parser.add_argument("--weights", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        kind, path, *rest = arguments.one
        print(json.dumps(meta(Path(path)) if kind == "meta" else weights(Path(path), *rest)))
        return
    for path in sorted((ROOT / "specs").glob("*.yaml")):
        print(json.dumps(apart("meta", str(path))), flush=True)
    if arguments.weights:
        for dtype in ("float32", "bfloat16"):
            print(json.dumps(apart("weights", str(arguments.weights), dtype)), flush=True)


if __name__ == "__main__":
    main()
