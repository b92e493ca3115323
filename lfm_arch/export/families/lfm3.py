"""LFM3: wider convolutions, windowed and full attention, norms on both sides, a gate on every head.

Transformers' `Lfm3ForCausalLM`; keys and their defaults: Hugging Face transformers 5.24,
models/lfm3/configuration_lfm3.py.
"""

from typing import Any

from lfm_arch.export.assemble import Named, Rows, assemble, commonest, eps_of, heads_of, layer_words, operators, outline
from lfm_arch.export.family import Family, Key, Reading, Runtime
from lfm_arch.export.rope import ROPE_KEYS, read_rope, write_rope
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec

_THETA = 1e6
_ROPES: dict[str, dict[str, Any]] = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    "full_attention": {"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.5},
}
"""What transformers assumes."""
_BLOCKS = {"conv": "conv", "full_attention": "full", "sliding_attention": "window"}


def _default_types(layers: int) -> list[str]:
    by_rest = {2: "full_attention", 0: "sliding_attention"}
    return ["conv" if number == 0 else by_rest.get(number % 4, "conv") for number in range(layers)]


def _read(reading: Reading) -> ArchSpec | None:
    types = reading["layer_types"]
    types = layer_words(reading, _default_types(reading["num_hidden_layers"]) if types is None else types, _BLOCKS)
    heads = heads_of(reading)
    ropes = reading["rope_scaling"] or reading["rope_parameters"] or _ROPES
    mixers: dict[str, Named] = {}
    if "conv" in types:
        conv = reading.make(ShortConv, kernel_size=reading["conv_L_cache"], bias=reading["conv_bias"])
        mixers["conv"] = Named("conv", conv)
    for word in ("full_attention", "sliding_attention"):
        if word not in types:
            continue
        entry = ropes.get(word)
        if not isinstance(entry, dict):
            reading.refuse(
                "E844", "rope_parameters", f"rope_parameters has no entry {word!r}",
                because="this family has a rotation for each kind of attention",
            )  # fmt: skip
            continue
        window = reading["sliding_window"] if word == "sliding_attention" else None
        if word == "sliding_attention" and window is None:
            reading.refuse("E844", "sliding_window", "sliding_attention without a sliding_window")
        attn = reading.make(
            Attention,
            **heads,
            qk_norm="rms",
            qk_norm_eps=float(reading["norm_eps"]),
            rope=read_rope(reading, theta=_THETA, of=entry),
            window_size=window,
            gate="per_head" if reading["use_attention_gate"] else None,
            qkv_bias=reading["attention_bias"],
            out_bias=reading["attention_bias"],
        )
        mixers[word] = Named(_BLOCKS[word], attn)
    width = reading["intermediate_size"]
    swiglu = Named("swiglu", reading.make(SwiGLU, intermediate_size=width))
    if reading.problems:
        return None
    rows = [Rows(_BLOCKS[word], mixers[word], swiglu) for word in types]
    placement = "sandwich" if reading["use_sandwich_norm"] else "pre"
    dims = {**(heads if len(mixers) > ("conv" in mixers) else {}), "intermediate_size": width}
    return assemble(reading, rows, eps=reading["norm_eps"], placement=placement, dims=dims)


def _write(graph: Graph) -> dict[str, Any]:
    convs, attns = list(operators(graph, "mixer", ShortConv)), list(operators(graph, "mixer", Attention))
    attn = commonest(attns, None)
    windows = [each for each in attns if each.window_size is not None]
    full = [each for each in attns if each.window_size is None]
    types = [
        "conv"
        if not isinstance(node.part.mixer, Attention)
        else "full_attention"
        if node.part.mixer.window_size is None
        else "sliding_attention"
        for node in graph.layers
    ]
    return {
        **outline(graph),
        "intermediate_size": commonest((each.intermediate_size for each in operators(graph, "channel", SwiGLU)), 1),
        "num_attention_heads": 1 if attn is None else attn.num_heads,
        "num_key_value_heads": 1 if attn is None else attn.num_kv_heads,
        "head_dim": 2 if attn is None else attn.head_dim,
        "norm_eps": eps_of(graph),
        "conv_L_cache": commonest((conv.kernel_size for conv in convs), 7),
        "conv_bias": commonest((conv.bias for conv in convs), False),
        "layer_types": types,
        "sliding_window": commonest((each.window_size for each in windows), 256),
        "use_sandwich_norm": commonest((node.part.placement for node in graph.layers), "pre") == "sandwich",
        "use_attention_gate": attn is not None and attn.gate is not None,
        "attention_bias": attn is not None and attn.qkv_bias,
        "rope_parameters": {
            "full_attention": write_rope(commonest((each.rope for each in full), None), theta=_THETA),
            "sliding_attention": write_rope(commonest((each.rope for each in windows), None), theta=1e4),
        },
        "use_cache": bool(attns) or not convs,
    }


def _runtimes(graph: Graph) -> tuple[Runtime, ...]:
    del graph
    return (
        Runtime("llama.cpp", False, "it has no lfm3"),
        Runtime("onnxruntime-genai", False, "it has no lfm3"),
        Runtime("vLLM", None, "nobody tried here"),
    )


LFM3 = Family(
    model_type="lfm3",
    architecture="Lfm3ForCausalLM",
    keys=(
        Key("vocab_size", 128_000),
        Key("hidden_size", 2048),
        Key("intermediate_size", 7680),
        Key("num_hidden_layers", 24),
        Key("num_attention_heads", 16),
        Key("num_key_value_heads", 4),
        Key("head_dim", 128),
        Key("norm_eps", 1e-5),
        Key("tie_word_embeddings", True),
        Key("conv_bias", False),
        Key("conv_L_cache", 7),
        Key("layer_types", None, "list"),
        Key("sliding_window", 256, optional=True),
        Key("use_sandwich_norm", True),
        Key("use_attention_gate", True),
        Key("attention_bias", False),
        *ROPE_KEYS,
    ),
    read=_read,
    write=_write,
    mixers=("short_conv", "attention"),
    channels=("swiglu",),
    renamed={"rms_norm_eps": "norm_eps"},
    on_disk=("self_attn.g_proj.", "self_attn.gate_proj."),
    since="5.23",
    runtimes=_runtimes,
)
