"""The table of published measurements, and the models that were measured.

Rows and models are package data (`measurements/`); a README beside them says what was taken and what was left out.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.graph import Graph
from lfm_arch.hardware.scenario import Parallel
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.base import Operator
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import GeGLU, SwiGLU
from lfm_arch.spec.arch import ArchSpec, Layer
from lfm_arch.spec.stack import expand, parse_stack

_TEXTS = ("id", "device", "unit", "runtime", "model", "weights", "source", "date")
_ROTARY = {"theta": 1.0e6}
"""Its base changes no count."""


@dataclass(frozen=True, slots=True)
class Run:
    """One published measurement."""

    id: str
    device: str
    unit: str
    runtime: str
    model: str
    weights: str
    prompt: int | None
    """Tokens of the prompt behind `prefill_tokens_per_s`."""
    prefill_tokens_per_s: float | None
    past: int
    """Tokens known before that prompt."""
    depth: int
    """Tokens known when decoding began."""
    generate: int
    decode_tokens_per_s: float | None
    """All sequences together."""
    batch: int
    chips: int
    parallel: Parallel
    source: str
    date: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.device, self.unit, self.runtime


@dataclass(frozen=True, slots=True)
class Model:
    """A measured model, as published by its authors."""

    name: str
    stack: str
    sizes: Mapping[str, str]
    params: int
    left_out: int
    """Parameters that the counts leave out: biases of experts and of their router, attention sinks."""
    url: str


@cache
def runs() -> tuple[Run, ...]:
    """Return all measurements that ship."""
    return tuple(
        Run(
            **{
                **{name: row[name] for name in _TEXTS},
                "prompt": int(row["prompt"]) if row["prompt"] else None,
                "prefill_tokens_per_s": float(row["prefill_tok_s"]) if row["prefill_tok_s"] else None,
                "past": int(row["past"] or 0),
                "depth": int(row["depth"]),
                "batch": int(row["batch"] or 1),
                "chips": int(row["chips"] or 1),
                "parallel": row["parallel"] or "tensor",
                "generate": int(row["generate"]),
                "decode_tokens_per_s": float(row["decode_tok_s"]) if row["decode_tok_s"] else None,
            }
        )
        for row in _table("rows")
    )


@cache
def source_urls() -> Mapping[str, str]:
    """Return the address of each source of the measurements."""
    return {row["source"]: row["url"] for row in _table("sources")}


def unused() -> list[dict[str, str | int]]:
    """Return what was left out of the collection, whole rows or their prefill rate: reason and how many."""
    return [
        {"what": row["what"], "reason": row["reason"], "count": len(row["ids"].split())} for row in _table("unused")
    ]


@cache
def models() -> Mapping[str, Model]:
    """Return the measured models by name."""
    rows = {row["model"]: row for row in _table("models")}
    return {
        name: Model(name, row["stack"], row, int(row["params"]), int(row["left_out"] or 0), row["url"])
        for name, row in rows.items()
    }


@cache
def reference_graph(name: str) -> Graph:
    """Compile a measured model."""
    model = models()[name]
    row = model.sizes
    norm = RMSNorm(eps=1e-6)

    def attention(window_size: int | None) -> Attention:
        return Attention(
            num_heads=int(row["num_heads"]),
            num_kv_heads=int(row["num_kv_heads"]),
            head_dim=int(row["head_dim"]),
            qk_norm="rms" if row["qk_norm"] == "yes" else None,
            qkv_bias=row["qkv_bias"] == "yes",
            out_bias=row["out_bias"] == "yes",
            rope=_ROTARY,  # pyright: ignore[reportArgumentType] - pydantic reads it
            window_size=window_size,
        )

    mixers = {
        "attn": attention(None),
        "conv": ShortConv(kernel_size=3),
        "local": attention(int(row["window_size"]) if row["window_size"] else None),
    }
    hidden = int(row["intermediate_size"])
    channel: Operator = (GeGLU if row["channel"] == "geglu" else SwiGLU)(intermediate_size=hidden)
    if row["num_experts"]:
        channel = MoE(
            num_experts=int(row["num_experts"]),
            experts_per_token=int(row["experts_per_token"]),
            intermediate_size=hidden,
        )
    tied = row["tied"] == "yes"
    spec = ArchSpec(
        name=name,
        hidden_size=int(row["hidden_size"]),
        featurizers={"text": TokenEmbedding(vocab_size=int(row["vocab_size"]))},
        layers=tuple(
            Layer(
                block=block,
                group="trunk",
                mixer=mixers[block],
                channel=channel,
                norm=norm,
                placement="sandwich" if row["placement"] == "sandwich" else "pre",
            )
            for block in expand(parse_stack(model.stack))
        ),
        final_norm=norm,
        heads={"lm": LMHead(tied_to="text") if tied else LMHead(vocab_size=int(row["vocab_size"]))},
    )
    return compile_graph(spec)


def _table(name: str) -> list[dict[str, str]]:
    text = (files("lfm_arch.hardware") / "measurements" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
