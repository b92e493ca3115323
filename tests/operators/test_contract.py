"""Every operator keeps its promises, and the check notices when one does not."""

from dataclasses import dataclass
from typing import Any

import pytest

from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv
from lfm_arch.operators.adaptive_experts.declaration import AdaptiveExperts
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.attention.declaration import Attention, Rope, SharedKVAttention
from lfm_arch.operators.base import Operator
from lfm_arch.operators.condition import FeaturizerCondition, RunningMeanCondition, TokenCondition
from lfm_arch.operators.contract import check_operator
from lfm_arch.operators.full_adaptive_experts.declaration import FullAdaptiveExperts
from lfm_arch.operators.full_adaptive_linear.declaration import FullAdaptiveLinear
from lfm_arch.operators.gated_delta_net.declaration import GatedDeltaNet
from lfm_arch.operators.gated_linear_attention.declaration import GatedLinearAttention
from lfm_arch.operators.kimi_delta_attention.declaration import KimiDeltaAttention
from lfm_arch.operators.lightning_attention.declaration import LightningAttention
from lfm_arch.operators.mamba.declaration import Mamba
from lfm_arch.operators.mamba2.declaration import Mamba2, Multipliers
from lfm_arch.operators.mlp.declaration import MLP
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.registry import OPERATORS
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import GeGLU, SwiGLU


@dataclass(frozen=True)
class Example:
    """An operator, and whose features it takes."""

    operator: Operator
    owner: Operator | None = None

    def __str__(self) -> str:
        fields = self.operator.model_dump(exclude_defaults=True)
        word = type(self.operator).model_fields["type"].default
        return f"{word}-{'-'.join(f'{name}={value}' for name, value in fields.items())}"


def _attention(**fields: Any) -> Attention:
    sizes: dict[str, Any] = {"num_heads": 4, "num_kv_heads": 2, "head_dim": 8}
    return Attention(**(sizes | fields))


_ROPE = Rope(theta=1e4)
_WINDOWED = _attention(qk_norm="rms", rope=_ROPE, window_size=3, gate="per_head")
_FULL = _attention(qk_norm="rms", rope=_ROPE)
_SPEAKER = FeaturizerCondition(name="speaker", size=5)
_ADAPTIVE: tuple[Operator, ...] = tuple(
    operator
    for condition in (_SPEAKER, TokenCondition(size=5), RunningMeanCondition(size=5))
    for operator in (
        AdaptiveLinear(rank=4, condition=condition, bias=condition is not _SPEAKER),
        AdaptiveExperts(num_experts=3, rank=2, condition=condition),
        AdaptiveConv(kernel_size=3, num_heads=3, head_dim=5, condition=condition),
    )
)

EXAMPLES: tuple[Example, ...] = (
    Example(ShortConv(kernel_size=3)),
    Example(ShortConv(kernel_size=4, bias=True)),
    Example(_attention(num_kv_heads=4)),
    Example(_attention(num_kv_heads=1, rope=_ROPE, qkv_bias=True, out_bias=True, scale=0.5)),
    Example(_FULL),
    Example(_WINDOWED),
    Example(_attention(window_size=2, rope=Rope(theta=1e4, fraction=0.5))),
    Example(_attention(window_size=64, rope=Rope(type="proportional", theta=1e6, fraction=0.5))),
    Example(_attention(direction="bidirectional", rope=_ROPE, qk_norm="rms", qk_norm_eps=1e-6)),
    Example(_FULL.reader("kv"), owner=_FULL),
    Example(_WINDOWED.reader("kv"), owner=_WINDOWED),
    Example(
        SharedKVAttention(num_heads=6, num_kv_heads=2, head_dim=8, qkv_bias=True, out_bias=True),
        owner=_attention(),
    ),
    Example(GatedLinearAttention(num_heads=3, head_dim=8)),
    Example(GatedLinearAttention(num_heads=2, head_dim=8, key_dim=4, gate_rank=3)),
    Example(Mamba2(num_heads=4, head_dim=8, state_size=6)),
    Example(Mamba2(num_heads=4, head_dim=8, state_size=6, num_groups=2, kernel_size=3, conv_bias=False, bias=True)),
    Example(Mamba2(num_heads=4, head_dim=8, state_size=6, num_groups=2, norm="norm_first", min_step=0.01)),
    Example(Mamba2(num_heads=4, head_dim=8, state_size=6, norm=None, multipliers=Multipliers(input=0.5, key=2.0))),
    Example(Mamba(intermediate_size=24, state_size=5, step_rank=3)),
    Example(Mamba(intermediate_size=24, state_size=4, step_rank=3, norm="learned", kernel_size=3, conv_bias=False)),
    Example(Mamba(intermediate_size=24, state_size=4, step_rank=3, norm="plain", norm_eps=1e-5, bias=True)),
    Example(GatedDeltaNet(num_heads=4, head_dim=8)),
    Example(GatedDeltaNet(num_heads=4, head_dim=8, num_key_heads=2, key_dim=6, kernel_size=3, projections="by_stream")),
    Example(GatedDeltaNet(num_heads=4, head_dim=6, num_key_heads=2, write_scale=2.0)),
    Example(KimiDeltaAttention(num_heads=4, head_dim=8)),
    Example(KimiDeltaAttention(num_heads=3, head_dim=6, gate_rank=5, kernel_size=3)),
    Example(LightningAttention(num_heads=4, head_dim=8)),
    Example(LightningAttention(num_heads=3, head_dim=6, decay_scale=0.0)),
    Example(SwiGLU(intermediate_size=24)),
    Example(SwiGLU(intermediate_size=24, bias=True)),
    Example(GeGLU(intermediate_size=24, activation="gelu_tanh")),
    Example(MLP(intermediate_size=40, activation="relu2", bias=True)),
    Example(MLP(intermediate_size=40, activation="gelu")),
    Example(MoE(num_experts=8, experts_per_token=2, intermediate_size=16)),
    Example(
        MoE(num_experts=4, experts_per_token=3, intermediate_size=10, router="sigmoid", selection_bias=True, scale=2.5)
    ),
    Example(
        MoE(
            num_experts=4,
            experts_per_token=1,
            intermediate_size=16,
            expert="geglu",
            normalize_weights=False,
            num_shared_experts=2,
            shared_intermediate_size=12,
        )
    ),
    *(Example(operator) for operator in _ADAPTIVE),
    *(Example(operator.reader("condition"), owner=operator) for operator in _ADAPTIVE if operator.computes),
    *(Example(FullAdaptiveLinear(condition=_SPEAKER, bias=bias)) for bias in (False, True)),
    *(Example(FullAdaptiveExperts(num_experts=3, condition=_SPEAKER, bias=bias)) for bias in (False, True)),
)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_keeps_its_promises(example: Example) -> None:
    check_operator(example.operator, owner=example.owner)


def test_every_operator_has_an_example() -> None:
    assert {type(example.operator) for example in EXAMPLES} == set(OPERATORS)
