"""A lowered spec gives the logits of Hugging Face's own classes, with the same random weights."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor

from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.graph import Graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.lower.names import load_foreign, to_foreign
from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.runtime.state import new_state
from lfm_arch.spec.arch import ArchSpec
from tests.graph.example import layer, spec

pytest.importorskip("transformers")
from transformers import (
    Lfm2Config,
    Lfm2ForCausalLM,
    Lfm2MoeConfig,
    Lfm2MoeForCausalLM,
    Lfm3Config,
    Lfm3ForCausalLM,
)

TOKENS = 23
VOCAB = 97
WIDTH = 64
HEADS: dict[str, Any] = {"num_heads": 4, "num_kv_heads": 2, "head_dim": 16, "qk_norm": "rms"}
MIXERS = {
    "conv": ShortConv(kernel_size=3),
    "conv7": ShortConv(kernel_size=7),
    "full_attention": Attention(rope=Rope(theta=1e6), **HEADS),
    "gated_full": Attention(rope=Rope(type="proportional", theta=1e6, fraction=0.5), gate="per_head", **HEADS),
    "gated_window": Attention(rope=Rope(theta=1e4), window_size=5, gate="per_head", **HEADS),
}
SWIGLU = SwiGLU(intermediate_size=48)
EXPERTS = MoE(
    num_experts=8, experts_per_token=2, intermediate_size=24, router="sigmoid", selection_bias=True, scale=1.5
)
ROPE = {"rope_type": "default", "rope_theta": 1e6}
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}


def of_layers(*layers: Any) -> ArchSpec:
    embedding = TokenEmbedding(vocab_size=VOCAB)
    return spec(*layers, hidden_size=WIDTH, featurizers={"text": embedding}, final_norm=RMSNorm(eps=1e-5))


def lfm2() -> tuple[Any, ArchSpec]:
    kinds = ["conv", "conv", "full_attention", "conv", "full_attention"]
    config = Lfm2Config(
        **SIZES, num_hidden_layers=5, layer_types=kinds, block_auto_adjust_ff_dim=False, rope_parameters=ROPE
    )
    return Lfm2ForCausalLM(config), of_layers(*(layer(MIXERS[kind], SWIGLU) for kind in kinds))


def lfm2_moe() -> tuple[Any, ArchSpec]:
    kinds = ["conv", "full_attention", "conv", "full_attention"]
    config = Lfm2MoeConfig(
        **SIZES,
        num_hidden_layers=4,
        layer_types=kinds,
        num_dense_layers=2,
        num_experts=8,
        num_experts_per_tok=2,
        moe_intermediate_size=24,
        routed_scaling_factor=1.5,
        use_expert_bias=True,
        norm_topk_prob=True,
        rope_parameters=ROPE,
    )
    channels = [SWIGLU, SWIGLU, EXPERTS, EXPERTS]
    pairs = zip(kinds, channels, strict=True)
    return Lfm2MoeForCausalLM(config), of_layers(*(layer(MIXERS[kind], channel) for kind, channel in pairs))


def lfm3() -> tuple[Any, ArchSpec]:
    kinds = ["conv", "conv", "full_attention", "sliding_attention", "conv", "full_attention"]
    config = Lfm3Config(**SIZES, head_dim=16, num_hidden_layers=6, layer_types=kinds, sliding_window=5)
    ours = {"conv": "conv7", "full_attention": "gated_full", "sliding_attention": "gated_window"}
    layers = (layer(MIXERS[ours[kind]], SWIGLU, placement="sandwich") for kind in kinds)
    return Lfm3ForCausalLM(config), of_layers(*layers)


@pytest.fixture(scope="module", params=[lfm2, lfm2_moe, lfm3], ids=lambda family: family.__name__)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Model, Graph, str]:
    """Their model with weights that matter, ours with the same."""
    family: Callable[[], tuple[Any, ArchSpec]] = request.param
    torch.manual_seed(0)
    theirs, architecture = family()
    theirs.eval()
    for name, tensor in [*theirs.named_parameters(), *theirs.named_buffers()]:
        if name.endswith("inv_freq"):
            continue
        # norms away from one and biases away from zero; matrices as wide as keeps the stream alive
        near = 1.0 if "norm" in name else 0.0
        spread = 0.3 if tensor.ndim == 1 else tensor.shape[-1] ** -0.5
        tensor.data = near + spread * torch.randn_like(tensor)
    graph = compile_graph(architecture)
    ours = lower(graph)
    load_foreign(graph, ours, family.__name__, theirs.state_dict())
    return theirs, ours, graph, family.__name__


@pytest.fixture(scope="module")
def ids_BT() -> Tensor:
    return torch.randint(1, VOCAB, (2, TOKENS), generator=torch.Generator().manual_seed(1))


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


@torch.no_grad()
def test_one_pass(pair: tuple[Any, Model, Graph, str], ids_BT: Tensor) -> None:
    theirs, ours, *_ = pair
    logits = theirs(ids_BT, use_cache=False).logits
    assert logits.std() > 0.1, "logits that say nothing would be equal to anything"
    close(ours(ids_BT), logits)


@torch.no_grad()
@pytest.mark.parametrize(
    "chunks", [[1] * TOKENS, [9] + [1] * (TOKENS - 9), [4, 7, 1, 2, 9]], ids=["tokens", "prefill", "chunks"]
)
def test_cached_decode(pair: tuple[Any, Model, Graph, str], ids_BT: Tensor, chunks: list[int]) -> None:
    """Chunk by chunk ours equals their single pass; token by token theirs too, after a prefill."""
    theirs, ours, *_ = pair
    assert sum(chunks) == TOKENS
    state = new_state(ours, batch=2, capacity=TOKENS)
    mine = torch.cat([ours(piece, state=state) for piece in ids_BT.split(chunks, dim=1)], dim=1)
    close(mine, theirs(ids_BT, use_cache=False).logits)
    assert state.length == TOKENS
    if chunks[1] == 1:
        cache, cached = None, []
        for piece in ids_BT.split(chunks, dim=1):
            # the argument was renamed in 5.24
            word = "cache" if "cache" in signature(type(theirs).forward).parameters else "past_key_values"
            out = theirs(piece, **{word: cache}, use_cache=True)
            cache = out.past_key_values
            cached.append(out.logits)
        close(mine, torch.cat(cached, dim=1))


@torch.no_grad()
def test_left_padded_batch(pair: tuple[Any, Model, Graph, str], ids_BT: Tensor) -> None:
    """A padded row equals theirs, in one pass and cached, and the same row alone."""
    theirs, ours, *_ = pair
    pads = 6
    padded_BT = ids_BT.clone()
    padded_BT[0, :pads] = 0
    mask_BT = torch.ones_like(padded_BT, dtype=torch.bool)
    mask_BT[0, :pads] = False
    positions = (mask_BT.long().cumsum(-1) - 1).clamp(min=0)
    logits = theirs(padded_BT, attention_mask=mask_BT.long(), position_ids=positions, use_cache=False).logits
    mine = ours(padded_BT, mask=mask_BT)
    close(mine[mask_BT], logits[mask_BT])
    close(mine[:1, pads:], ours(ids_BT[:1, pads:]))

    state = new_state(ours, batch=2, capacity=TOKENS)
    pieces, seen = [], 0
    for piece in padded_BT.split([10, *[1] * (TOKENS - 10)], dim=1):
        seen += piece.shape[1]
        pieces.append(ours(piece, mask=mask_BT[:, :seen], state=state))
    close(torch.cat(pieces, dim=1)[mask_BT], mine[mask_BT])


@torch.no_grad()
def test_gradients(pair: tuple[Any, Model, Graph, str], ids_BT: Tensor) -> None:
    """Training sees the same loss surface: gradients agree for every tensor."""
    theirs, ours, graph, family = pair
    names = to_foreign(graph, ours, family)
    with torch.enable_grad():
        for logits in (ours(ids_BT), theirs(ids_BT, use_cache=False).logits):
            torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids_BT[:, 1:].flatten()).backward()
    by_place = {parameter.data_ptr(): parameter for parameter in ours.parameters()}
    for name, parameter in theirs.named_parameters():
        mine = by_place[names[name].data_ptr()]
        assert mine.grad is not None
        assert parameter.grad is not None
        torch.testing.assert_close(
            mine.grad, parameter.grad, rtol=1e-3, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_names_go_both_ways(pair: tuple[Any, Model, Graph, str]) -> None:
    theirs, ours, graph, family = pair
    back = to_foreign(graph, ours, family)
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in theirs.state_dict().items())
