"""Adaptive operators do what their formulas say, and their features come from where the declaration says."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from lfm_arch.core.work import Workload
from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv, SharedAdaptiveConv
from lfm_arch.operators.adaptive_experts.declaration import AdaptiveExperts
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear, SharedAdaptiveLinear
from lfm_arch.operators.base import Operator
from lfm_arch.operators.condition import FeaturizerCondition, RunningMeanCondition, TokenCondition
from lfm_arch.operators.full_adaptive_experts.declaration import FullAdaptiveExperts
from lfm_arch.operators.full_adaptive_linear.declaration import FullAdaptiveLinear
from lfm_arch.operators.registry import AnyOperator
from lfm_arch.parts.context import Context

SPEAKER = FeaturizerCondition(name="speaker", size=5)
TOKEN, MEAN = TokenCondition(size=5), RunningMeanCondition(size=5)
WIDTH = 12


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def built(operator: Operator) -> Any:
    """A module whose biases do something."""
    module = operator.build(WIDTH)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.4)
    return module


def inputs(batch: int = 2, tokens: int = 6) -> tuple[Tensor, Context, Tensor]:
    return torch.randn(batch, tokens, WIDTH), Context.begin(tokens), torch.randn(batch, 5)


def test_low_rank_is_a_weight_for_each_token() -> None:
    module = built(AdaptiveLinear(rank=3, condition=TOKEN, bias=True))
    x_BTD, context, _ = inputs()
    expected = torch.zeros_like(x_BTD)
    for b, t in torch.cartesian_prod(torch.arange(2), torch.arange(6)).tolist():
        scale_R = module.scale_proj(module.condition.proj(x_BTD[b, t]))
        weight = module.base_proj.weight + module.up_proj.weight @ torch.diag(scale_R) @ module.down_proj.weight
        expected[b, t] = weight @ x_BTD[b, t] + module.base_proj.bias
    torch.testing.assert_close(module(x_BTD, context), expected)


def test_full_is_a_weight_for_each_sequence() -> None:
    module = built(FullAdaptiveLinear(condition=SPEAKER, bias=True))
    x_BTD, context, c_BC = inputs()
    for b in range(2):
        weight = module.linear.base.weight + (module.linear.generator.weight @ c_BC[b]).view(WIDTH, WIDTH)
        expected = x_BTD[b] @ weight.t() + module.linear.base.bias
        torch.testing.assert_close(module(x_BTD, context, condition=c_BC)[b], expected)


def test_low_rank_experts_answer_one_by_one() -> None:
    module = built(AdaptiveExperts(num_experts=3, rank=2, condition=MEAN))
    x_BTD, context, _ = inputs()
    c_BTC = module.condition(x_BTD, context)
    gate_BTE, scale_BTR = module.gate_proj(c_BTC).softmax(-1), module.scale_proj(c_BTC)
    expected = torch.zeros_like(x_BTD)
    for e in range(3):
        rows, columns = slice(2 * e, 2 * e + 2), slice(WIDTH * e, WIDTH * e + WIDTH)
        moved = scale_BTR[..., rows] * (x_BTD @ module.down_proj.weight[rows].t())
        answer = x_BTD @ module.base_proj.weight[:, columns].t() + moved @ module.up_proj.weight[:, rows].t()
        expected = expected + gate_BTE[..., e : e + 1] * answer
    torch.testing.assert_close(module(x_BTD, context), expected, rtol=1e-4, atol=1e-5)


def test_full_experts_answer_one_by_one() -> None:
    module = built(FullAdaptiveExperts(num_experts=3, condition=SPEAKER, bias=True))
    x_BTD, context, c_BC = inputs()
    experts = module.experts
    gate_BE = experts.gate(c_BC).softmax(-1)
    expected = torch.zeros_like(x_BTD)
    for b, e in torch.cartesian_prod(torch.arange(2), torch.arange(3)).tolist():
        weight = (experts.base[e] + c_BC[b] @ experts.generator.view(3, 5, -1)[e]).view(WIDTH, WIDTH)
        expected[b] += gate_BE[b, e] * (x_BTD[b] @ weight.t() + experts.bias[e])
    torch.testing.assert_close(module(x_BTD, context, condition=c_BC), expected, rtol=1e-4, atol=1e-5)


def test_convolution_applies_the_taps_of_each_token() -> None:
    module = built(AdaptiveConv(kernel_size=3, num_heads=2, head_dim=4, condition=TOKEN))
    x_BTD, context, _ = inputs()
    u_BTNH = module.in_proj(x_BTD).unflatten(-1, (2, 4))
    taps_BTNK = module.tap_proj(module.condition.proj(x_BTD)).unflatten(-1, (2, 3))
    mixed = torch.zeros_like(u_BTNH)
    for t in range(6):
        for back in range(min(3, t + 1)):
            mixed[:, t] += taps_BTNK[:, t, :, 2 - back, None] * u_BTNH[:, t - back]
    torch.testing.assert_close(module(x_BTD, context), module.out_proj(mixed.flatten(-2)))


@pytest.mark.parametrize("condition", [SPEAKER, TOKEN, MEAN], ids=lambda each: each.type)
def test_convolution_moves_information_exactly_as_far_as_its_kernel(condition: Any) -> None:
    module = built(AdaptiveConv(kernel_size=3, num_heads=2, head_dim=4, condition=condition))
    x_BTD, context, c_BC = inputs(tokens=8)
    given = {"condition": c_BC} if condition.reads else {}
    moved = x_BTD.clone()
    moved[:, 2] += 1
    changed = (module(moved, context, **given) - module(x_BTD, context, **given)).abs().amax(dim=(0, 2)) > 1e-6
    reach = range(2, 8) if condition is MEAN else range(2, 5)
    assert changed.nonzero().flatten().tolist() == list(reach)


def test_an_untrained_convolution_passes_its_input_on() -> None:
    module = AdaptiveConv(kernel_size=3, num_heads=2, head_dim=4, condition=SPEAKER).build(WIDTH)
    x_BTD, context, c_BC = inputs()
    plain = module.out_proj(module.in_proj(x_BTD))
    torch.testing.assert_close(module(x_BTD, context, condition=0 * c_BC), plain)


def test_running_mean_is_the_mean_of_the_real_tokens_so_far() -> None:
    module: Any = MEAN.build(WIDTH)
    x_BTD, _, _ = inputs(tokens=5)
    mask_BS = torch.tensor([[True] * 5, [False, False, True, True, True]])
    c_BTC = module(x_BTD, Context.begin(5, mask_BS=mask_BS))
    for b, first in ((0, 0), (1, 2)):
        for t in range(first, 5):
            torch.testing.assert_close(c_BTC[b, t], module.proj(x_BTD[b, first : t + 1].mean(0)))


def test_running_mean_still_counts_after_many_tokens_in_16_bit() -> None:
    """A sum in bfloat16 stops growing at 256 times its increment."""
    module: Any = MEAN.build(WIDTH).to(torch.bfloat16)
    x_BTD = torch.ones(1, 2000, WIDTH, dtype=torch.bfloat16)
    c_BTC = module(x_BTD, Context.begin(2000))
    torch.testing.assert_close(c_BTC[:, -1], c_BTC[:, 0], rtol=2e-2, atol=2e-2)


def test_readers_hold_no_featurizer_and_no_state() -> None:
    owner = AdaptiveLinear(rank=3, condition=MEAN, bias=True)
    reader = owner.reader("condition")
    assert isinstance(reader, SharedAdaptiveLinear)
    assert (reader.rank, reader.bias, reader.takes, reader.computes) == (3, True, ("condition",), ())
    assert reader.state(WIDTH) == ()
    assert owner.params(WIDTH) - reader.params(WIDTH) == WIDTH * 5 + 5


def test_a_mixer_and_a_channel_mixer_can_read_the_same_features() -> None:
    owner = AdaptiveLinear(rank=3, condition=TOKEN)
    reader = AdaptiveConv(kernel_size=3, num_heads=2, head_dim=4, condition=MEAN).reader("condition")
    assert isinstance(reader, SharedAdaptiveConv)
    assert reader.agrees_on("condition") == owner.agrees_on("condition")
    x_BTD, context, _ = inputs()
    features = built(owner).share(x_BTD, context)
    assert built(reader)(x_BTD, context, None, **features).shape == x_BTD.shape


def test_what_a_featurizer_made_is_not_computed_again() -> None:
    assert AdaptiveLinear(rank=3, condition=SPEAKER).computes == ()
    assert AdaptiveLinear(rank=3, condition=TOKEN).computes == ("condition",)


def test_low_rank_scales_where_full_does_not() -> None:
    """At the width of a 40B model a generated matrix alone would be larger than the model."""
    full = FullAdaptiveLinear(condition=FeaturizerCondition(name="c", size=512)).params(8192)
    low = AdaptiveLinear(rank=64, condition=FeaturizerCondition(name="c", size=512)).params(8192)
    assert full == 8192**2 * 513
    assert low == 8192**2 + 2 * 8192 * 64 + 512 * 64 + 64


def test_full_generates_once_for_a_sequence() -> None:
    operator = FullAdaptiveLinear(condition=SPEAKER)
    one, many = (operator.cost(WIDTH, Workload(batch=2, tokens=tokens)).matmul_flops for tokens in (1, 100))
    assert one == many == 2 * 5 * WIDTH * WIDTH * 2


@pytest.mark.parametrize("kind", ["token", "running_mean"])
@pytest.mark.parametrize("operator", ["full_adaptive_linear", "full_adaptive_experts"])
def test_a_whole_matrix_for_every_token_is_refused(operator: str, kind: str) -> None:
    written: dict[str, Any] = {"type": operator, "condition": {"type": kind, "size": 4}}
    if operator == "full_adaptive_experts":
        written["num_experts"] = 2
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(AnyOperator).validate_python(written)
    (error,) = caught.value.errors()
    assert error.get("ctx", {})["code"] == "E240"
    assert error["loc"][-1] == "condition"


@pytest.mark.parametrize("batch", [1, 3], ids="B{}".format)
def test_a_batch_takes_no_more_calls_than_a_sequence(batch: int) -> None:
    """Nothing loops over sequences: the number of operations does not depend on the batch."""
    for operator in (FullAdaptiveLinear(condition=SPEAKER), FullAdaptiveExperts(num_experts=3, condition=SPEAKER)):
        module = built(operator)
        x_BTD, context, c_BC = inputs(batch=batch)
        with torch.profiler.profile() as profile:
            module(x_BTD, context, condition=c_BC)
        products = [each for each in profile.events() or () if each.name in ("aten::mm", "aten::bmm", "aten::addmm")]
        assert len(products) == (2 if isinstance(operator, FullAdaptiveLinear) else 4)
