"""Mixtral: Mistral with a mixture of experts in every layer, transformers' `MixtralForCausalLM`.

Keys and their defaults: Hugging Face transformers 5.24, models/mixtral/configuration_mixtral.py.
"""

from typing import Any

from lfm_arch.export.families.llama import KEYS, read_decoder, runtimes, window_of, write_decoder, write_experts
from lfm_arch.export.family import ExpertNames, Family, Key, Reading
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.spec.arch import ArchSpec

_THETA = 1e6


def _read(reading: Reading) -> ArchSpec | None:
    moe = reading.make(
        MoE,
        num_experts=reading["num_local_experts"],
        experts_per_token=reading["num_experts_per_tok"],
        intermediate_size=reading["intermediate_size"],
    )
    layers = reading["num_hidden_layers"]
    return read_decoder(reading, [("moe", moe)] * layers, windows=[reading["sliding_window"]] * layers, theta=_THETA)


def _write(graph: Graph) -> dict[str, Any]:
    moe = write_experts(graph)
    return {
        **write_decoder(graph, theta=_THETA),
        "sliding_window": window_of(graph),
        "num_local_experts": 2 if moe is None else moe.num_experts,
        "num_experts_per_tok": 1 if moe is None else moe.experts_per_token,
        "intermediate_size": 1 if moe is None else moe.intermediate_size,
    }


MIXTRAL = Family(
    model_type="mixtral",
    architecture="MixtralForCausalLM",
    keys=(
        Key("vocab_size", 32000),
        Key("hidden_size", 4096),
        Key("intermediate_size", 14336),
        Key("num_attention_heads", 32),
        Key("num_key_value_heads", 8, optional=True),
        Key("head_dim", None, "int"),
        Key("rms_norm_eps", 1e-5),
        Key("sliding_window", None, "int"),
        Key("num_local_experts", 8),
        Key("num_experts_per_tok", 2),
        *KEYS,
    ),
    read=_read,
    write=_write,
    mixers=("attention",),
    channels=("moe",),
    renamed={"num_experts": "num_local_experts"},
    fixed={"router_jitter_noise": (0,)},
    experts=ExpertNames(
        stacked="mlp.experts.",
        gate="block_sparse_moe.experts.{}.w1.weight",
        up="block_sparse_moe.experts.{}.w3.weight",
        down="block_sparse_moe.experts.{}.w2.weight",
    ),
    on_disk=("mlp.gate.", "block_sparse_moe.gate."),
    since="4.36",
    runtimes=runtimes("Mixtral"),
)
