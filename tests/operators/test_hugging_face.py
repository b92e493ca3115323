"""Layers equal transformers' own with the same random weights: in one pass, in cached decode, with padding.

Axes: B batch, T tokens, D width.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.base import Operator
from lfm_arch.operators.mamba2.declaration import Mamba2
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.parts.context import Context, OperatorModule, State

lfm2 = pytest.importorskip("transformers.models.lfm2.modeling_lfm2")
lfm2_moe = pytest.importorskip("transformers.models.lfm2_moe.modeling_lfm2_moe")
lfm3 = pytest.importorskip("transformers.models.lfm3.modeling_lfm3")
mamba2 = pytest.importorskip("transformers.models.mamba2.modeling_mamba2")
deepseek = pytest.importorskip("transformers.models.deepseek_v3.modeling_deepseek_v3")

WIDTH, HEADS, KV_HEADS, HEAD_DIM, WINDOW = 32, 4, 2, 8, 5
SIZES: dict[str, Any] = {"num_heads": HEADS, "num_kv_heads": KV_HEADS, "head_dim": HEAD_DIM, "qk_norm": "rms"}


@pytest.fixture(autouse=True)
def _seeded() -> Iterable[None]:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        yield


def ours(operator: Operator, theirs: nn.Module, *, family: str, prefix: str) -> OperatorModule:
    """Build `operator` with the weights of `theirs`, found by the declared names; all of them, and no others."""
    for name, weight in theirs.named_parameters():
        weight.normal_(mean=1.0 if "norm" in name else 0.0, std=0.3)
    module = operator.build(WIDTH)
    names = operator.weight_names[family]
    foreign = {f"{prefix}.{name}": value for name, value in theirs.state_dict().items()}
    module.load_state_dict({name: foreign.pop(foreign_name(name, names)) for name in module.state_dict()})
    assert not foreign, f"transformers holds weights that we do not name: {list(foreign)}"
    assert isinstance(module, OperatorModule)
    return module


def foreign_name(name: str, names: Mapping[str, str]) -> str:
    part = max((each for each in names if name == each or name.startswith(f"{each}.")), key=len)
    return names[part] + name.removeprefix(part)


def state_of(operator: Operator, *, batch: int, capacity: int) -> State:
    return {slot.name: torch.zeros(slot.sized(batch=batch, context=capacity)) for slot in operator.state(WIDTH)}


def streamed(
    module: OperatorModule, operator: Operator, x_BTD: Tensor, chunks: Iterable[int], mask_BT: Tensor | None = None
) -> Tensor:
    state, past, outputs = state_of(operator, batch=len(x_BTD), capacity=x_BTD.shape[1]), 0, []
    for tokens in chunks:
        mask = None if mask_BT is None else mask_BT[:, : past + tokens]
        outputs.append(module(x_BTD[:, past : past + tokens], Context.begin(tokens, past=past, mask_BS=mask), state))
        past += tokens
    return torch.cat(outputs, dim=1)


class Theirs:
    """An attention layer of transformers, with what its model would hand it."""

    def __init__(self, kind: str, layer_type: str) -> None:
        self.kind, self.layer_type = kind, layer_type
        common = {
            "hidden_size": WIDTH,
            "num_hidden_layers": 1,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS,
            "layer_types": [layer_type],
        }
        if kind == "lfm2":
            config = lfm2.Lfm2Config(**common, rope_parameters={"rope_type": "default", "rope_theta": 1e6})
            self.layer: nn.Module = lfm2.Lfm2Attention(config, 0)
            self.rotary: nn.Module = lfm2.Lfm2RotaryEmbedding(config)
        else:
            config = lfm3.Lfm3Config(**common, head_dim=HEAD_DIM, sliding_window=WINDOW)
            self.layer = lfm3.Lfm3Attention(config, 0)
            self.rotary = lfm3.Lfm3RotaryEmbedding(config)
        config._attn_implementation = "eager"
        self.config = config

    def __call__(self, x_BTD: Tensor, chunks: Iterable[int], mask_BT: Tensor | None = None) -> Tensor:
        cache = lfm2.DynamicCache(config=self.config)
        past, outputs = 0, []
        for tokens in chunks:
            x = x_BTD[:, past : past + tokens]
            mask = None if mask_BT is None else mask_BT[:, : past + tokens].long()
            positions = torch.arange(past, past + tokens)[None]
            if mask is not None:
                positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, past:]
            make = lfm3.create_causal_mask
            if self.layer_type == "sliding_attention":
                make = lfm3.create_sliding_window_causal_mask
            bias = make(
                config=self.config,
                inputs_embeds=x,
                attention_mask=mask,
                cache=cache,
                position_ids=positions,
            )
            turns = self.rotary(x, positions) if self.kind == "lfm2" else self.rotary(x, positions, self.layer_type)
            outputs.append(self.layer(x, turns, bias, cache)[0])
            past += tokens
        return torch.cat(outputs, dim=1)


ATTENTIONS: dict[str, tuple[Attention, str, str]] = {
    "lfm2": (Attention(**SIZES, rope=Rope(theta=1e6)), "lfm2", "full_attention"),
    "lfm3-full": (
        Attention(**SIZES, gate="per_head", rope=Rope(type="proportional", theta=1e6, fraction=0.5)),
        "lfm3",
        "full_attention",
    ),
    "lfm3-sliding": (
        Attention(**SIZES, gate="per_head", window_size=WINDOW, rope=Rope(theta=1e4)),
        "lfm3",
        "sliding_attention",
    ),
}


@pytest.mark.parametrize("chunks", [(17,), (1,) * 17, (9, 1, 1, 4, 1, 1), (2, 3, 7, 5)], ids="by-{}".format)
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("case", ATTENTIONS)
def test_attention(case: str, chunks: tuple[int, ...], padded: bool) -> None:
    operator, family, layer_type = ATTENTIONS[case]
    theirs = Theirs(family, layer_type)
    module = ours(operator, theirs.layer, family=family, prefix="self_attn")
    x_BTD = torch.randn(2, 17, WIDTH)
    mask_BT = None
    if padded:
        mask_BT = torch.ones(2, 17, dtype=torch.bool)
        mask_BT[0, :2] = False
    mine, expected = streamed(module, operator, x_BTD, chunks, mask_BT), theirs(x_BTD, chunks, mask_BT)
    real = slice(None) if mask_BT is None else mask_BT
    torch.testing.assert_close(mine[real], expected[real], rtol=1e-5, atol=1e-5)
    if len(chunks) == 1:
        once = module(x_BTD, Context.begin(17, mask_BS=mask_BT))
        torch.testing.assert_close(once[real], expected[real], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunks", [(9,), (1,) * 9, (4, 1, 3, 1)], ids="by-{}".format)
@pytest.mark.parametrize("kernel_size", [3, 7], ids="K{}".format)
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
def test_short_conv(kernel_size: int, chunks: tuple[int, ...], bias: bool) -> None:
    config = lfm2.Lfm2Config(
        hidden_size=WIDTH, num_hidden_layers=1, layer_types=["conv"], conv_L_cache=kernel_size, conv_bias=bias
    )
    theirs = lfm2.Lfm2ShortConv(config, 0)
    operator = ShortConv(kernel_size=kernel_size, bias=bias)
    module = ours(operator, theirs, family="lfm2", prefix="conv")
    x_BTD = torch.randn(2, 9, WIDTH)
    expected = theirs(x_BTD)
    torch.testing.assert_close(module(x_BTD, Context.begin(9)), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(streamed(module, operator, x_BTD, chunks), expected, rtol=1e-5, atol=1e-5)
    cache, past = lfm2.DynamicCache(config=config), 0
    for tokens in chunks:
        cached = theirs(x_BTD[:, past : past + tokens], cache=cache)
        torch.testing.assert_close(cached, expected[:, past : past + tokens], rtol=1e-5, atol=1e-5)
        past += tokens


def test_padded_short_conv() -> None:
    config = lfm2.Lfm2Config(hidden_size=WIDTH, num_hidden_layers=1, layer_types=["conv"], conv_L_cache=3)
    theirs = lfm2.Lfm2ShortConv(config, 0)
    module = ours(ShortConv(kernel_size=3), theirs, family="lfm2", prefix="conv")
    x_BTD = torch.randn(2, 6, WIDTH)
    mask_BT = torch.ones(2, 6, dtype=torch.bool)
    mask_BT[0, :2] = False
    mine, expected = module(x_BTD, Context.begin(6, mask_BS=mask_BT)), theirs(x_BTD, attention_mask=mask_BT)
    torch.testing.assert_close(mine[mask_BT], expected[mask_BT], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["lfm2", "lfm3"])
def test_swiglu(family: str) -> None:
    if family == "lfm2":
        # the released models adjust the width that their configuration says: ours is what is written
        theirs, hidden = lfm2.Lfm2MLP(lfm2.Lfm2Config(hidden_size=WIDTH, intermediate_size=144)), 256
    else:
        theirs, hidden = lfm3.Lfm3MLP(lfm3.Lfm3Config(hidden_size=WIDTH, intermediate_size=144)), 144
    module = ours(SwiGLU(intermediate_size=hidden), theirs, family=family, prefix="feed_forward")
    x_BTD = torch.randn(2, 5, WIDTH)
    torch.testing.assert_close(module(x_BTD, Context.begin(5)), theirs(x_BTD), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 13], ids="T{}".format)
@pytest.mark.parametrize("normalize", [True, False], ids=["normalized", "raw"])
@pytest.mark.parametrize("bias", [True, False], ids=["biased", "plain"])
@pytest.mark.parametrize("hidden", [16, 10], ids=["grouped", "unaligned"])
def test_lfm2_moe(hidden: int, bias: bool, normalize: bool, tokens: int) -> None:
    config = lfm2_moe.Lfm2MoeConfig(
        hidden_size=WIDTH,
        moe_intermediate_size=hidden,
        num_experts=8,
        num_experts_per_tok=3,
        use_expert_bias=bias,
        norm_topk_prob=normalize,
        routed_scaling_factor=1.5,
    )
    theirs = lfm2_moe.Lfm2MoeSparseMoeBlock(config)
    if bias:
        theirs.expert_bias.normal_()
    operator = MoE(
        num_experts=8,
        experts_per_token=3,
        intermediate_size=hidden,
        router="sigmoid",
        selection_bias=bias,
        normalize_weights=normalize,
        scale=1.5,
    )
    module = ours(operator, theirs, family="lfm2_moe", prefix="feed_forward")
    x_BTD = torch.randn(2, tokens, WIDTH)
    torch.testing.assert_close(module(x_BTD, Context.begin(tokens)), theirs(x_BTD), rtol=1e-5, atol=1e-5)


def test_shared_experts() -> None:
    config = deepseek.DeepseekV3Config(
        hidden_size=WIDTH,
        moe_intermediate_size=16,
        n_routed_experts=8,
        num_local_experts=8,
        num_experts_per_tok=2,
        n_shared_experts=2,
        n_group=1,
        topk_group=1,
        routed_scaling_factor=2.5,
    )
    theirs = deepseek.DeepseekV3MoE(config)
    theirs.gate.e_score_correction_bias.normal_()
    operator = MoE(
        num_experts=8,
        experts_per_token=2,
        intermediate_size=16,
        router="sigmoid",
        selection_bias=True,
        scale=2.5,
        num_shared_experts=2,
    )
    module = ours(operator, theirs, family="deepseek_v3", prefix="mlp")
    x_BTD = torch.randn(2, 7, WIDTH)
    torch.testing.assert_close(module(x_BTD, Context.begin(7)), theirs(x_BTD), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunks", [(41,), (1,) * 41, (35, 1, 4, 1)], ids=["whole", "by-1", "mixed"])
@pytest.mark.parametrize("groups", [1, 2], ids="G{}".format)
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_mamba2(groups: int, chunks: tuple[int, ...], padded: bool) -> None:
    config = mamba2.Mamba2Config(
        hidden_size=WIDTH,
        num_heads=8,
        head_dim=8,
        expand=2,
        state_size=6,
        n_groups=groups,
        conv_kernel=4,
        chunk_size=16,
        num_hidden_layers=1,
        layer_norm_epsilon=1e-5,
    )
    theirs = mamba2.Mamba2Mixer(config, 0)
    operator = Mamba2(num_heads=8, head_dim=8, state_size=6, num_groups=groups)
    module = ours(operator, theirs, family="mamba2", prefix="mixer")
    x_BTD = torch.randn(2, 41, WIDTH)
    mask_BT = None
    if padded:
        mask_BT = torch.ones(2, 41, dtype=torch.bool)
        mask_BT[0, :3] = False
    mine, expected = streamed(module, operator, x_BTD, chunks, mask_BT), theirs(x_BTD, attention_mask=mask_BT)
    real = slice(None) if mask_BT is None else mask_BT
    torch.testing.assert_close(mine[real], expected[real], rtol=1e-4, atol=1e-4)
