"""Ours beside transformers on one model with the same weights, interleaved in one process: times and their ratio.

python -m tests.benchmarks.bench_forward [--size small|350m] [--dtype float32|bfloat16] [--threads 2] [--rounds 7]

Both are given the same ids and threads. A round runs each case once for each side, in turn, so that whatever else the
machine does meets both; what is printed is the median over rounds of each side and of the ratio within a round. Below
1 ours is faster.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.names import load_foreign
from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.runtime.place import checked_dtype
from lfm_arch.runtime.state import new_state
from tests.graph.example import layer, spec

PROMPT, STEPS, TRAIN = 512, 64, (8, 256)
LAYOUT = "ccAccAccAcAcAcAc"
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 128, "num_heads": 4, "intermediate_size": 512, "vocab_size": 512, "layout": LAYOUT[:4]},
    "small": {"hidden_size": 512, "num_heads": 8, "intermediate_size": 1536, "vocab_size": 8192, "layout": LAYOUT[:9]},
    "350m": {"hidden_size": 1024, "num_heads": 16, "intermediate_size": 4608, "vocab_size": 65536, "layout": LAYOUT},
}


def pair(size: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Make transformers' model and ours with its weights."""
    from transformers import Lfm2Config, Lfm2ForCausalLM

    chosen = SIZES[size]
    heads, kv_heads = chosen["num_heads"], max(2, chosen["num_heads"] // 2)
    config = Lfm2Config(
        vocab_size=chosen["vocab_size"],
        hidden_size=chosen["hidden_size"],
        intermediate_size=chosen["intermediate_size"],
        num_hidden_layers=len(chosen["layout"]),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        layer_types=["conv" if letter == "c" else "full_attention" for letter in chosen["layout"]],
        block_auto_adjust_ff_dim=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    )
    theirs: Any = Lfm2ForCausalLM(config)
    theirs = theirs.to(dtype).eval()
    swiglu = SwiGLU(intermediate_size=chosen["intermediate_size"])
    mixers = {
        "c": ShortConv(kernel_size=3),
        "A": Attention(
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=chosen["hidden_size"] // heads,
            qk_norm="rms",
            rope=Rope(theta=1e6),
        ),
    }
    architecture = spec(
        *(layer(mixers[letter], swiglu) for letter in chosen["layout"]),
        hidden_size=chosen["hidden_size"],
        featurizers={"text": TokenEmbedding(vocab_size=chosen["vocab_size"])},
        final_norm=RMSNorm(eps=1e-5),
    )
    graph = compile_graph(architecture)
    ours = lower(graph, dtype=dtype, initialise=False)
    load_foreign(graph, ours, "lfm2", theirs.state_dict())
    return theirs, ours


def cases(theirs: Any, ours: Any, vocab_size: int) -> dict[str, tuple[Callable[[], float], Callable[[], float]]]:
    """Return, by case, a run of theirs and one of ours; each returns its seconds."""
    generator = torch.Generator().manual_seed(0)
    prompt = torch.randint(0, vocab_size, (1, PROMPT), generator=generator)
    batch = torch.randint(0, vocab_size, TRAIN, generator=generator)
    step = prompt[:, :1]

    def their_prefill() -> tuple[float, Any]:
        began = time.perf_counter()
        out = theirs(prompt, use_cache=True, logits_to_keep=1)
        return time.perf_counter() - began, out.past_key_values

    def our_prefill() -> tuple[float, Any]:
        began = time.perf_counter()
        state = new_state(ours, batch=1, capacity=PROMPT + STEPS)
        ours(prompt, state=state, keep=1)
        return time.perf_counter() - began, state

    def their_decode() -> float:
        cache = their_prefill()[1]
        began = time.perf_counter()
        for _ in range(STEPS):
            theirs(step, cache=cache, use_cache=True, logits_to_keep=1)
        return time.perf_counter() - began

    def our_decode() -> float:
        state = our_prefill()[1]
        began = time.perf_counter()
        for _ in range(STEPS):
            ours(step, state=state, keep=1)
        return time.perf_counter() - began

    def train(model: Any, logits: Callable[[Any], torch.Tensor]) -> float:
        with torch.enable_grad():
            began = time.perf_counter()
            scores = logits(model(batch)).float()
            torch.nn.functional.cross_entropy(scores[:, :-1].flatten(0, 1), batch[:, 1:].flatten()).backward()
            return time.perf_counter() - began

    return {
        f"prefill {PROMPT}": (lambda: their_prefill()[0], lambda: our_prefill()[0]),
        f"decode {STEPS} after {PROMPT}": (their_decode, our_decode),
        f"forward and backward {TRAIN[0]}x{TRAIN[1]}": (
            lambda: train(theirs, lambda out: out.logits),
            lambda: train(ours, lambda out: out),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="Run the cases whose name begins so.")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    theirs, ours = pair(arguments.size, checked_dtype(arguments.dtype))
    for name, sides in cases(theirs, ours, SIZES[arguments.size]["vocab_size"]).items():
        if not name.startswith(arguments.only):
            continue
        seconds: list[tuple[float, float]] = []
        with torch.no_grad():
            for _ in range(arguments.rounds + 1):
                seconds.append((sides[0](), sides[1]()))
        # the first round warms up
        kept = seconds[1:]
        print(
            json.dumps(
                {
                    "case": name,
                    "size": arguments.size,
                    "dtype": arguments.dtype,
                    "threads": arguments.threads,
                    "transformers_s": round(statistics.median(each[0] for each in kept), 4),
                    "ours_s": round(statistics.median(each[1] for each in kept), 4),
                    "ratio": round(statistics.median(each[1] / each[0] for each in kept), 3),
                    "ratios": [round(each[1] / each[0], 3) for each in kept],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
