"""LFM2: gated short convolutions and grouped attention (arXiv:2511.23404), transformers' `Lfm2ForCausalLM`.

Keys and their defaults: Hugging Face transformers 5.24, models/lfm2/configuration_lfm2.py.
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

THETA = 1e6
KEYS = (
    Key("vocab_size", 65536),
    Key("num_attention_heads", 32),
    Key("num_key_value_heads", 8),
    Key("head_dim", None, "int"),
    Key("norm_eps", 1e-5),
    Key("tie_word_embeddings", True),
    Key("conv_bias", False),
    Key("conv_L_cache", 3),
    Key("layer_types", None, "list"),
    Key("full_attn_idxs", None, "list"),
    Key("theta", None, "float"),
    *ROPE_KEYS,
)
"""What the dense model and the mixture of experts have in common."""
SAME = {
    "block_dim": "hidden_size",
    "conv_dim": "hidden_size",
    "conv_dim_out": "hidden_size",
    "num_heads": "num_attention_heads",
    "block_norm_eps": "norm_eps",
}
RENAMED = {"tie_embedding": "tie_word_embeddings", "block_ff_dim": "intermediate_size"}
FIXED = {"block_use_swiglu": (True,), "use_pos_enc": (True,)}
INITIAL = frozenset({"block_mlp_init_scale", "block_out_init_scale", "block_use_xavier_init", "conv_use_xavier_init"})
"""Keys about first values."""


def read_mixers(reading: Reading) -> tuple[list[str], dict[str, Named], dict[str, int]]:
    """Return the kind of every layer, the mixer of each kind, and numbers to name."""
    types = reading["layer_types"]
    if types is None:
        here = reading["full_attn_idxs"]
        here = range(reading["num_hidden_layers"]) if here is None else here
        types = ["full_attention" if number in here else "conv" for number in range(reading["num_hidden_layers"])]
    types = layer_words(reading, types, ("conv", "full_attention"))
    kinds = ["attn" if word == "full_attention" else "conv" for word in types]
    heads = heads_of(reading, width=reading["hidden_size"])
    rope = read_rope(reading, theta=THETA)
    if reading["theta"] is not None and rope is not None and reading["theta"] != rope.theta:
        reading.refuse(
            "E844", "theta", f"theta={reading['theta']} contradicts rope_theta={rope.theta}",
            because="both are the base of the rotation",
        )  # fmt: skip
    mixers: dict[str, Named] = {}
    if "conv" in kinds:
        conv = reading.make(ShortConv, kernel_size=reading["conv_L_cache"], bias=reading["conv_bias"])
        mixers["conv"] = Named("conv", conv)
    if "attn" in kinds:
        eps = float(reading["norm_eps"])
        attn = reading.make(Attention, **heads, qk_norm="rms", qk_norm_eps=eps, rope=rope)
        mixers["attn"] = Named("attn", attn)
    return kinds, mixers, heads if "attn" in kinds else {}


def write_mixers(graph: Graph) -> dict[str, Any]:
    """Return the keys about mixers and the width that come closest to a graph."""
    convs, attns = list(operators(graph, "mixer", ShortConv)), list(operators(graph, "mixer", Attention))
    attn = commonest(attns, None)
    heads, head_dim = (1, graph.width) if attn is None else (attn.num_heads, attn.head_dim)
    rope = write_rope(None if attn is None else attn.rope, theta=THETA)
    types = ["full_attention" if isinstance(node.part.mixer, Attention) else "conv" for node in graph.layers]
    return {
        **outline(graph),
        "num_attention_heads": heads,
        "num_key_value_heads": 1 if attn is None else attn.num_kv_heads,
        **({} if heads * head_dim == graph.width else {"head_dim": head_dim}),
        "norm_eps": eps_of(graph),
        "conv_L_cache": commonest((conv.kernel_size for conv in convs), 3),
        "conv_bias": commonest((conv.bias for conv in convs), False),
        "layer_types": types,
        "rope_parameters": rope,
        "rope_theta": rope["rope_theta"],
        # transformers cannot make a cache for a model without attention
        "use_cache": bool(attns) or not convs,
    }


def against_llama_cpp(graph: Graph) -> list[str]:
    """Return why llama.cpp's `lfm2` and `lfm2moe` do not run a graph that the family holds; nothing when they do."""
    convs, attns = list(operators(graph, "mixer", ShortConv)), list(operators(graph, "mixer", Attention))
    against = []
    if not convs:
        against.append("it aborts on a model of attention alone")
    if not attns:
        against.append("it aborts on a model of convolutions alone")
    if any(attn.num_heads * attn.head_dim != graph.width for attn in attns):
        against.append("num_heads * head_dim must be hidden_size")
    if any(conv.bias for conv in convs):
        against.append("its convolutions have no bias")
    if any(attn.rope is not None and attn.rope.fraction < 1 for attn in attns):
        against.append("it turns whole heads")
    return against


def llama_cpp(graph: Graph) -> Runtime:
    """Say whether llama.cpp runs a graph that the family holds."""
    against = against_llama_cpp(graph)
    note = "; ".join(against) or "after conversion to GGUF; its own converter knows tokenizers by their hash"
    return Runtime("llama.cpp", not against, note)


def runtimes(graph: Graph) -> tuple[Runtime, ...]:
    """Return what is known of the runtimes of LFM2 shapes."""
    return (
        llama_cpp(graph),
        Runtime("onnxruntime-genai", True, "its model builder reads LFM2 directories"),
        Runtime("vLLM", None, "it lists the family; nobody tried here"),
    )


def _read(reading: Reading) -> ArchSpec | None:
    kinds, mixers, dims = read_mixers(reading)
    size = reading["intermediate_size"]
    width = _adjusted(reading)
    if width != size:
        reading.notes.append(f"intermediate_size {size} of the file is {width} by its block_auto_adjust_ff_dim rule")
    swiglu = Named("swiglu", reading.make(SwiGLU, intermediate_size=width))
    rows = [Rows(kind, mixers[kind], swiglu) for kind in kinds]
    return assemble(reading, rows, eps=reading["norm_eps"], dims={**dims, "intermediate_size": width})


def _adjusted(reading: Reading) -> int:
    """Return the width of the hidden layer: two thirds, rounded up, where the file asks for that."""
    width = reading["intermediate_size"]
    if not reading["block_auto_adjust_ff_dim"]:
        return width
    width, factor, multiple = int(2 * width / 3), reading["block_ffn_dim_multiplier"], reading["block_multiple_of"]
    if factor is None:
        return width
    if multiple < 1:
        reading.refuse("E844", "block_multiple_of", f"block_multiple_of={multiple}", because="it is at least 1")
        return width
    return -(-int(factor * width) // multiple) * multiple


def _write(graph: Graph) -> dict[str, Any]:
    return {
        **write_mixers(graph),
        "intermediate_size": commonest((each.intermediate_size for each in operators(graph, "channel", SwiGLU)), 1),
        # the exact width: converters disagree on when to round
        "block_auto_adjust_ff_dim": False,
    }


LFM2 = Family(
    model_type="lfm2",
    architecture="Lfm2ForCausalLM",
    keys=(
        Key("hidden_size", 2560),
        Key("intermediate_size", 12288),
        Key("num_hidden_layers", 32),
        Key("block_multiple_of", 256),
        Key("block_ffn_dim_multiplier", 1.0, optional=True),
        Key("block_auto_adjust_ff_dim", True),
        *KEYS,
    ),
    read=_read,
    write=_write,
    mixers=("short_conv", "attention"),
    channels=("swiglu",),
    renamed=RENAMED,
    same=SAME,
    fixed=FIXED,
    ignored=INITIAL,
    since="4.54",
    runtimes=runtimes,
)
