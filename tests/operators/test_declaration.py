"""What the fields of operators refuse, and what they say of costs and state."""

from typing import Any

import pytest
from pydantic import ValidationError

from lfm_arch.core.work import Workload
from lfm_arch.operators.attention.declaration import Attention, Rope, SharedKVAttention
from lfm_arch.operators.codes import CODES
from lfm_arch.operators.gated_delta_net.declaration import GatedDeltaNet
from lfm_arch.operators.mamba.declaration import Mamba
from lfm_arch.operators.mamba2.declaration import Mamba2
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU

HEADS: dict[str, Any] = {"num_heads": 8, "num_kv_heads": 4, "head_dim": 64}
MISTAKES: tuple[tuple[str, str, type, dict[str, Any]], ...] = (
    ("E230", "num_kv_heads", Attention, HEADS | {"num_kv_heads": 3}),
    ("E230", "num_kv_heads", SharedKVAttention, HEADS | {"num_kv_heads": 16}),
    ("E231", "rope", Attention, HEADS | {"head_dim": 63, "rope": {"theta": 1e4}}),
    ("E231", "rope", Attention, HEADS | {"head_dim": 6, "rope": {"theta": 1e4, "fraction": 0.5}}),
    ("E231", "rope", Attention, HEADS | {"rope": {"theta": 1e4, "fraction": 0.3}}),
    ("E232", "window_size", Attention, HEADS | {"window_size": 16, "direction": "bidirectional"}),
    ("E233", "qk_norm_eps", Attention, HEADS | {"qk_norm_eps": 1e-6}),
    (
        "E233",
        "shared_intermediate_size",
        MoE,
        {"num_experts": 4, "experts_per_token": 2, "intermediate_size": 8, "shared_intermediate_size": 8},
    ),
    ("E233", "eps", Mamba2, {"num_heads": 8, "head_dim": 4, "state_size": 4, "norm": None, "eps": 1e-6}),
    ("E233", "norm_eps", Mamba, {"intermediate_size": 8, "state_size": 4, "step_rank": 2, "norm_eps": 1e-5}),
    ("E236", "num_key_heads", GatedDeltaNet, {"num_heads": 8, "head_dim": 4, "num_key_heads": 3}),
    ("E236", "num_groups", Mamba2, {"num_heads": 8, "head_dim": 4, "state_size": 4, "num_groups": 3}),
    ("E234", "experts_per_token", MoE, {"num_experts": 4, "experts_per_token": 8, "intermediate_size": 8}),
)


@pytest.mark.parametrize(("code", "field", "operator", "fields"), MISTAKES)
def test_refuses(code: str, field: str, operator: type[Attention], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        operator.model_validate(fields)
    (error,) = caught.value.errors()
    context = error.get("ctx", {})
    assert (context["code"], context["field"]) == (code, field)
    assert context["help"]


def test_refuses_only_what_is_explained() -> None:
    assert {code for code, *_ in MISTAKES} <= {each.code for each in CODES}


@pytest.mark.parametrize(
    "fields",
    [
        {"num_heads": 8, "num_kv_heads": 4},
        HEADS | {"window_size": 1},
        HEADS | {"qk_norm": "layer"},
        HEADS | {"gate": True},
        HEADS | {"rope": {"fraction": 0.5}},
        HEADS | {"rope": {"theta": "1e6"}},
        HEADS | {"num_heads": 8.0},
    ],
    ids=str,
)
def test_attention_guesses_nothing(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Attention.model_validate(fields)


def test_counts_of_the_released_models() -> None:
    """LFM2-1.2B and LFM3-1.7B, layer by layer."""
    work = Workload()
    assert ShortConv(kernel_size=3).params(2048) == 16_783_360
    assert Attention(num_heads=32, num_kv_heads=8, head_dim=64, qk_norm="rms").params(2048) == 10_485_888
    gated = Attention(num_heads=16, num_kv_heads=4, head_dim=128, qk_norm="rms", gate="per_head")
    assert gated.params(2048) == 10_518_784
    assert SwiGLU(intermediate_size=7680).cost(2048, work).params == 47_185_920


def test_a_mixture_costs_what_is_active() -> None:
    """The sparse layers of LFM2-8B-A1B: 32 experts, 4 for a token."""
    moe = MoE(num_experts=32, experts_per_token=4, intermediate_size=1792, router="sigmoid", selection_bias=True)
    expert = 3 * 2048 * 1792
    one, many = moe.cost(2048, Workload()), moe.cost(2048, Workload(tokens=512))
    assert one.params == 32 * expert + 32 * 2048
    assert one.active_params == 4 * expert + 32 * 2048
    assert one.matmul_flops == 2 * one.active_params
    assert one.touched_params == pytest.approx(one.active_params)
    assert many.matmul_flops == 512 * one.matmul_flops
    assert many.touched_expert_params == pytest.approx(32 * expert, rel=1e-6)
    two = moe.cost(2048, Workload(batch=2))
    assert two.touched_expert_params == pytest.approx((32 - 32 * (28 / 32) ** 2) * expert)


def test_a_window_stops_the_cache_from_growing() -> None:
    full, window = Attention(**HEADS), Attention(**HEADS, window_size=256)
    assert [slot.sized(batch=1, context=32_768) for slot in full.state(512)] == [(1, 4, 32_768, 64)] * 2
    assert [slot.sized(batch=1, context=32_768) for slot in window.state(512)] == [(1, 4, 255, 64)] * 2
    late = Workload(tokens=1, past=32_767)
    assert full.cost(512, late).cache_read == 2 * 4 * 64 * 32_768
    assert window.cost(512, late).cache_read == 2 * 4 * 64 * 256
    assert window.cost(512, late).mixing_flops == 4 * 8 * 64 * 256


def test_a_reader_holds_no_keys() -> None:
    owner = Attention(**HEADS, qk_norm="rms", rope=Rope(theta=1e6), qkv_bias=True)
    reader = owner.reader("kv")
    assert isinstance(reader, SharedKVAttention)
    assert reader.state(512) == ()
    assert owner.params(512) - reader.params(512) == 2 * (512 + 1) * 4 * 64 + 64
    late = Workload(tokens=1, past=99)
    assert reader.cost(512, late).cache_read == owner.cost(512, late).cache_read
    assert reader.cost(512, late).cache_write == 0


def test_other_query_heads_agree_on_keys_but_another_window_does_not() -> None:
    owner = Attention(**HEADS)
    assert Attention(num_heads=4, num_kv_heads=4, head_dim=64).agrees_on("kv") == owner.agrees_on("kv")
    assert Attention(**HEADS, window_size=9).agrees_on("kv") != owner.agrees_on("kv")
