"""Llama and Mistral: attention and a gated hidden layer in every layer; Mistral may have a window.

Keys and their defaults: Hugging Face transformers 5.24, models/llama/configuration_llama.py and
models/mistral/configuration_mistral.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lfm_arch.export.assemble import Named, Rows, assemble, commonest, eps_of, heads_of, operators, outline
from lfm_arch.export.family import Family, Key, Reading, Runtime
from lfm_arch.export.rope import ROPE_KEYS, read_rope, write_rope
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec

THETA = 1e4
KEYS = (Key("num_hidden_layers", 32), Key("tie_word_embeddings", False), *ROPE_KEYS)


def read_decoder(
    reading: Reading,
    channels: Sequence[tuple[str, Any]],
    *,
    windows: Sequence[int | None],
    theta: float = THETA,
    qk_norm: bool = False,
    bias: bool = False,
) -> ArchSpec | None:
    """Read a stack in which every layer is attention and a channel mixer.

    Args:
        reading: the configuration.
        channels: name and channel mixer of every layer.
        windows: of every layer.
        theta: base of the rotation that the family assumes.
        qk_norm: whether queries and keys are normed.
        bias: whether the attention's projections have biases.
    """
    heads = heads_of(reading, width=reading["hidden_size"])
    rope, eps = read_rope(reading, theta=theta), float(reading["rms_norm_eps"])
    mixers: dict[int | None, Named] = {}
    for window in dict.fromkeys(windows):
        attn = reading.make(
            Attention,
            **heads,
            **({"qk_norm": "rms", "qk_norm_eps": eps} if qk_norm else {}),
            rope=rope,
            window_size=window,
            qkv_bias=bias,
            out_bias=bias,
        )
        mixers[window] = Named("attn" if len({*windows}) == 1 else "full" if window is None else "window", attn)
    names = {name for name, _ in channels}
    rows = [
        Rows(
            mixers[window].name if len(names) == 1 or name == "swiglu" else f"{mixers[window].name}_{name}",
            mixers[window],
            Named(name, channel),
        )
        for window, (name, channel) in zip(windows, channels, strict=True)
    ]
    if "swiglu" in names:
        heads["intermediate_size"] = reading["intermediate_size"]
    return assemble(reading, rows, eps=eps, dims=heads)


def write_decoder(graph: Graph, *, theta: float = THETA) -> dict[str, Any]:
    """Return the keys that all of these families share, as close to a graph as they come."""
    attn = commonest(operators(graph, "mixer", Attention), None)
    rope = write_rope(None if attn is None else attn.rope, theta=theta)
    return {
        **outline(graph),
        "num_attention_heads": 1 if attn is None else attn.num_heads,
        "num_key_value_heads": 1 if attn is None else attn.num_kv_heads,
        "head_dim": 2 if attn is None else attn.head_dim,
        "rms_norm_eps": eps_of(graph),
        "rope_parameters": rope,
        "rope_theta": rope["rope_theta"],
        "intermediate_size": commonest((each.intermediate_size for each in operators(graph, "channel", SwiGLU)), 1),
    }


def bias_of(graph: Graph) -> bool:
    """Return whether most attention has biases."""
    return commonest((each.qkv_bias for each in operators(graph, "mixer", Attention)), False)


def window_of(graph: Graph) -> int | None:
    """Return the window that most layers have."""
    return commonest((each.window_size for each in operators(graph, "mixer", Attention)), None)


def write_experts(graph: Graph) -> MoE | None:
    """Return the mixture that most layers have."""
    return commonest(operators(graph, "channel", MoE), None)


def runtimes(model: str) -> Callable[[Graph], tuple[Runtime, ...]]:
    """Make the answer of a family that llama.cpp and vLLM list, and nobody ran from here."""
    return lambda _: (
        Runtime("llama.cpp", None, f"it lists {model}; nobody tried here"),
        Runtime("vLLM", None, f"it lists {model}; nobody tried here"),
    )


def _dense(reading: Reading, *, bias: bool = False) -> list[tuple[str, Any]]:
    swiglu = reading.make(SwiGLU, intermediate_size=reading["intermediate_size"], bias=bias)
    return [("swiglu", swiglu)] * reading["num_hidden_layers"]


def _read_llama(reading: Reading) -> ArchSpec | None:
    channels = _dense(reading, bias=reading["mlp_bias"])
    return read_decoder(reading, channels, windows=[None] * len(channels), bias=reading["attention_bias"])


def _write_llama(graph: Graph) -> dict[str, Any]:
    return {
        **write_decoder(graph),
        "attention_bias": bias_of(graph),
        "mlp_bias": commonest((each.bias for each in operators(graph, "channel", SwiGLU)), False),
    }


def _read_mistral(reading: Reading) -> ArchSpec | None:
    channels = _dense(reading)
    return read_decoder(reading, channels, windows=[reading["sliding_window"]] * len(channels))


def _write_mistral(graph: Graph) -> dict[str, Any]:
    return {**write_decoder(graph), "sliding_window": window_of(graph)}


def _llama_limits(config: Mapping[str, Any]) -> tuple[str, ...]:
    width, heads = config["hidden_size"], config["num_attention_heads"]
    return () if width % heads == 0 else (f"hidden_size={width} is no multiple of num_attention_heads={heads}",)


LLAMA = Family(
    model_type="llama",
    architecture="LlamaForCausalLM",
    keys=(
        Key("vocab_size", 32000),
        Key("hidden_size", 4096),
        Key("intermediate_size", 11008),
        Key("num_attention_heads", 32),
        Key("num_key_value_heads", None, "int"),
        Key("head_dim", None, "int"),
        Key("rms_norm_eps", 1e-6),
        Key("attention_bias", False),
        Key("mlp_bias", False),
        *KEYS,
    ),
    read=_read_llama,
    write=_write_llama,
    mixers=("attention",),
    channels=("swiglu",),
    # slices of a matrix product on several devices, the same product
    ignored=frozenset({"pretraining_tp"}),
    since="4.28",
    runtimes=runtimes("Llama"),
    limits=_llama_limits,
)
MISTRAL = Family(
    model_type="mistral",
    architecture="MistralForCausalLM",
    keys=(
        Key("vocab_size", 32000),
        Key("hidden_size", 4096),
        Key("intermediate_size", 14336),
        Key("num_attention_heads", 32),
        Key("num_key_value_heads", 8, optional=True),
        Key("head_dim", None, "int"),
        Key("rms_norm_eps", 1e-6),
        Key("sliding_window", 4096, optional=True),
        *KEYS,
    ),
    read=_read_mistral,
    write=_write_mistral,
    mixers=("attention",),
    channels=("swiglu",),
    since="4.34",
    runtimes=runtimes("Mistral"),
)
