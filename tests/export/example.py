"""Small models of every family with weights that matter, made by transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers")
from transformers import (
    Lfm2Config,
    Lfm2MoeConfig,
    Lfm3Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    PreTrainedConfig,
    Qwen3Config,
    Qwen3MoeConfig,
)
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

VOCAB = 97
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": None,
    "bos_token_id": 3,
    "eos_token_id": None,
}
HEAD: dict[str, Any] = {"head_dim": 16}
MOE: dict[str, Any] = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
HYBRID = ["conv", "conv", "full_attention", "conv", "full_attention"]
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "lfm2": lambda: Lfm2Config(**SIZES, num_hidden_layers=5, layer_types=HYBRID),
    "lfm2_moe": lambda: Lfm2MoeConfig(
        **SIZES, **MOE, num_hidden_layers=5, layer_types=HYBRID, num_dense_layers=2, routed_scaling_factor=1.5
    ),
    "lfm3": lambda: Lfm3Config(**SIZES, **HEAD, num_hidden_layers=6, sliding_window=5),
    "llama": lambda: LlamaConfig(**SIZES, num_hidden_layers=2, attention_bias=True, mlp_bias=True),
    "mistral": lambda: MistralConfig(**SIZES, num_hidden_layers=2, sliding_window=5),
    "mixtral": lambda: MixtralConfig(**SIZES, num_hidden_layers=2, num_local_experts=4),
    "qwen3": lambda: Qwen3Config(
        **SIZES, **HEAD, num_hidden_layers=3, use_sliding_window=True, sliding_window=5, max_window_layers=1
    ),
    "qwen3_moe": lambda: Qwen3MoeConfig(**SIZES, **MOE, **HEAD, num_hidden_layers=3, mlp_only_layers=[1]),
}


def make(config: PreTrainedConfig, *, seed: int = 0) -> Any:
    """Make a model whose norms are not one and whose biases are not zero."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith("inv_freq"):
            continue
        near = 1.0 if "norm" in name else 0.0
        spread = 0.3 if tensor.ndim == 1 else tensor.shape[-1] ** -0.5
        tensor.data = near + spread * torch.randn_like(tensor)
    return model


def saved(model: Any, directory: Path) -> Path:
    """Save a model as transformers does."""
    model.save_pretrained(directory)
    return directory


def opened(directory: Path) -> Any:
    """Load a checkpoint as its users do; transformers must find every tensor and no other."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
    model, told = loaded
    assert not told["missing_keys"], told
    assert not told["unexpected_keys"], told
    assert not told["mismatched_keys"], told
    return model.eval()


def some_ids(*, batch: int = 2, tokens: int = 17) -> Tensor:
    return torch.randint(1, VOCAB, (batch, tokens), generator=torch.Generator().manual_seed(1))
