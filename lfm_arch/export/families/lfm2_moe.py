"""LFM2 with a mixture of experts behind a few dense layers, transformers' `Lfm2MoeForCausalLM`.

Keys and their defaults: Hugging Face transformers 5.24, models/lfm2_moe/configuration_lfm2_moe.py.
"""

from typing import Any

from lfm_arch.export.assemble import Named, Rows, assemble, commonest, operators
from lfm_arch.export.families.lfm2 import (
    FIXED,
    INITIAL,
    KEYS,
    RENAMED,
    SAME,
    llama_cpp,
    read_mixers,
    write_mixers,
)
from lfm_arch.export.family import ExpertNames, Family, Key, Reading, Runtime
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec


def _read(reading: Reading) -> ArchSpec | None:
    if reading["layer_types"] is None:
        reading.refuse("E844", "layer_types", "layer_types is missing", because="this family has no rule for layers")
        return None
    kinds, mixers, dims = read_mixers(reading)
    dense, width = reading["num_dense_layers"], reading["intermediate_size"]
    swiglu = Named("swiglu", reading.make(SwiGLU, intermediate_size=width) if dense else None)
    experts = reading.make(
        MoE,
        num_experts=reading["num_experts"],
        experts_per_token=reading["num_experts_per_tok"],
        intermediate_size=reading["moe_intermediate_size"],
        router="sigmoid",
        selection_bias=reading["use_expert_bias"],
        normalize_weights=reading["norm_topk_prob"],
        scale=float(reading["routed_scaling_factor"]),
    )
    moe = Named("moe", experts)
    rows = [
        Rows(kind, mixers[kind], swiglu) if number < dense else Rows(f"{kind}_moe", mixers[kind], moe)
        for number, kind in enumerate(kinds)
    ]
    if dense:
        dims = {**dims, "intermediate_size": width}
    return assemble(reading, rows, eps=reading["norm_eps"], dims=dims)


def _write(graph: Graph) -> dict[str, Any]:
    moe = commonest(operators(graph, "channel", MoE), None)
    sparse = [number for number, node in enumerate(graph.layers) if isinstance(node.part.channel, MoE)]
    return {
        **write_mixers(graph),
        "intermediate_size": commonest((each.intermediate_size for each in operators(graph, "channel", SwiGLU)), 1),
        "num_dense_layers": sparse[0] if sparse else len(graph.layers),
        "num_experts": 2 if moe is None else moe.num_experts,
        "num_experts_per_tok": 1 if moe is None else moe.experts_per_token,
        "moe_intermediate_size": 1 if moe is None else moe.intermediate_size,
        "use_expert_bias": moe is None or moe.selection_bias,
        "norm_topk_prob": moe is None or moe.normalize_weights,
        "routed_scaling_factor": 1.0 if moe is None else moe.scale,
    }


def _runtimes(graph: Graph) -> tuple[Runtime, ...]:
    return (
        llama_cpp(graph),
        Runtime("onnxruntime-genai", True, "its model builder reads LFM2-MoE directories"),
        Runtime("vLLM", None, "it lists the family; nobody tried here"),
    )


LFM2_MOE = Family(
    model_type="lfm2_moe",
    architecture="Lfm2MoeForCausalLM",
    keys=(
        Key("hidden_size", 2048),
        Key("intermediate_size", 7168),
        Key("moe_intermediate_size", 1792),
        Key("num_hidden_layers", 32),
        Key("num_dense_layers", 2),
        Key("num_experts", 32),
        Key("num_experts_per_tok", 4),
        Key("use_expert_bias", True),
        Key("routed_scaling_factor", 1.0),
        Key("norm_topk_prob", True),
        *(key for key in KEYS if key.name != "full_attn_idxs"),
    ),
    read=_read,
    write=_write,
    mixers=("short_conv", "attention"),
    channels=("swiglu", "moe"),
    renamed=RENAMED,
    same=SAME,
    fixed=FIXED,
    ignored=INITIAL,
    experts=ExpertNames(
        stacked="feed_forward.experts.",
        gate="feed_forward.experts.{}.w1.weight",
        up="feed_forward.experts.{}.w3.weight",
        down="feed_forward.experts.{}.w2.weight",
    ),
    since="4.57",
    runtimes=_runtimes,
)
