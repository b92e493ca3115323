"""Qwen3 and Qwen3-MoE: attention with normed queries and keys; dense, or a mixture of experts in some layers.

Keys and their defaults: Hugging Face transformers 5.24, models/qwen3/configuration_qwen3.py and
models/qwen3_moe/configuration_qwen3_moe.py.
"""

from typing import Any

from lfm_arch.export.assemble import layer_words, operators
from lfm_arch.export.families.llama import (
    KEYS,
    bias_of,
    read_decoder,
    runtimes,
    window_of,
    write_decoder,
    write_experts,
)
from lfm_arch.export.family import ExpertNames, Family, Key, Reading, Runtime
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec


def _read_dense(reading: Reading) -> ArchSpec | None:
    layers, window = reading["num_hidden_layers"], reading["sliding_window"] if reading["use_sliding_window"] else None
    types = reading["layer_types"]
    if types is None:
        first = layers if window is None else reading["max_window_layers"]
        types = ["full_attention" if number < first else "sliding_attention" for number in range(layers)]
    types = layer_words(reading, types, ("full_attention", "sliding_attention"))
    if "sliding_attention" in types and window is None:
        reading.refuse("E844", "sliding_window", "sliding_attention without use_sliding_window and a sliding_window")
    swiglu = reading.make(SwiGLU, intermediate_size=reading["intermediate_size"])
    windows = [window if word == "sliding_attention" else None for word in types]
    channels = [("swiglu", swiglu)] * len(types)
    return read_decoder(reading, channels, windows=windows, qk_norm=True, bias=reading["attention_bias"])


def _write_dense(graph: Graph) -> dict[str, Any]:
    mixers = [node.part.mixer for node in graph.layers]
    types = [
        "sliding_attention" if isinstance(mixer, Attention) and mixer.window_size is not None else "full_attention"
        for mixer in mixers
    ]
    windows = [each.window_size for each in operators(graph, "mixer", Attention) if each.window_size is not None]
    return {
        **write_decoder(graph),
        "attention_bias": bias_of(graph),
        "use_sliding_window": bool(windows),
        "sliding_window": windows[0] if windows else None,
        "layer_types": types,
    }


def _read_moe(reading: Reading) -> ArchSpec | None:
    layers, step = reading["num_hidden_layers"], reading["decoder_sparse_step"]
    dense = {number for number in reading["mlp_only_layers"] or () if isinstance(number, int)}
    if step < 1:
        reading.refuse("E844", "decoder_sparse_step", f"decoder_sparse_step={step}", because="it is at least 1")
        return None
    sparse = [number not in dense and (number + 1) % step == 0 for number in range(layers)]
    swiglu = None if all(sparse) else reading.make(SwiGLU, intermediate_size=reading["intermediate_size"])
    moe = reading.make(
        MoE,
        num_experts=reading["num_experts"],
        experts_per_token=reading["num_experts_per_tok"],
        intermediate_size=reading["moe_intermediate_size"],
        normalize_weights=reading["norm_topk_prob"],
    )
    window = reading["sliding_window"] if reading["use_sliding_window"] else None
    channels = [("moe", moe) if here else ("swiglu", swiglu) for here in sparse]
    return read_decoder(reading, channels, windows=[window] * layers, qk_norm=True, bias=reading["attention_bias"])


def _write_moe(graph: Graph) -> dict[str, Any]:
    moe = write_experts(graph)
    window = window_of(graph)
    return {
        **write_decoder(graph),
        "attention_bias": bias_of(graph),
        "use_sliding_window": window is not None,
        "sliding_window": window,
        "mlp_only_layers": [n for n, node in enumerate(graph.layers) if not isinstance(node.part.channel, MoE)],
        "decoder_sparse_step": 1,
        "num_experts": 2 if moe is None else moe.num_experts,
        "num_experts_per_tok": 1 if moe is None else moe.experts_per_token,
        "moe_intermediate_size": 1 if moe is None else moe.intermediate_size,
        "norm_topk_prob": moe is None or moe.normalize_weights,
    }


def _runtimes(graph: Graph) -> tuple[Runtime, ...]:
    windowed = any(each.window_size is not None for each in operators(graph, "mixer", Attention))
    llama_cpp = Runtime("llama.cpp", True, "as qwen3, after its own conversion to GGUF, which knows tokenizers by hash")
    return (
        Runtime("llama.cpp", None, "nobody tried a window here") if windowed else llama_cpp,
        Runtime("vLLM", None, "it lists Qwen3; nobody tried here"),
    )


_BOTH = (
    Key("vocab_size", 151936),
    Key("num_attention_heads", 32),
    Key("rms_norm_eps", 1e-6),
    Key("attention_bias", False),
    Key("use_sliding_window", False),
    Key("sliding_window", 4096, optional=True),
)
QWEN3 = Family(
    model_type="qwen3",
    architecture="Qwen3ForCausalLM",
    keys=(
        Key("hidden_size", 4096),
        Key("intermediate_size", 22016),
        Key("num_key_value_heads", 32, optional=True),
        Key("head_dim", 128),
        Key("max_window_layers", 28),
        Key("layer_types", None, "list"),
        *_BOTH,
        *KEYS,
    ),
    read=_read_dense,
    write=_write_dense,
    mixers=("attention",),
    channels=("swiglu",),
    since="4.51",
    runtimes=_runtimes,
)
QWEN3_MOE = Family(
    model_type="qwen3_moe",
    architecture="Qwen3MoeForCausalLM",
    keys=(
        Key("hidden_size", 2048),
        Key("intermediate_size", 6144),
        Key("num_key_value_heads", 4),
        Key("head_dim", None, "int"),
        Key("moe_intermediate_size", 768),
        Key("num_experts_per_tok", 8),
        Key("num_experts", 128),
        Key("norm_topk_prob", False),
        Key("decoder_sparse_step", 1),
        Key("mlp_only_layers", None, "list"),
        *_BOTH,
        *(key for key in KEYS if key.name != "num_hidden_layers"),
        Key("num_hidden_layers", 24),
    ),
    read=_read_moe,
    write=_write_moe,
    mixers=("attention",),
    channels=("swiglu", "moe"),
    renamed={"num_local_experts": "num_experts"},
    ignored=frozenset({"max_window_layers"}),
    experts=ExpertNames(
        stacked="mlp.experts.",
        gate="mlp.experts.{}.gate_proj.weight",
        up="mlp.experts.{}.up_proj.weight",
        down="mlp.experts.{}.down_proj.weight",
    ),
    since="4.51",
    runtimes=runtimes("Qwen3-MoE"),
)
