"""Routing by hand, and every way to multiply a run of rows by its expert gives the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lfm_arch.parts import experts
from lfm_arch.parts.experts import visit
from lfm_arch.parts.reference import reference
from lfm_arch.parts.router import choose


def test_softmax_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    weights, chosen = choose(logits, 2, score="softmax", normalize=False)
    assert chosen.tolist() == [[1, 2]]
    torch.testing.assert_close(weights, logits.softmax(-1)[:, [1, 2]])
    weights, _ = choose(logits, 2, score="softmax", scale=3.0)
    torch.testing.assert_close(weights.sum(-1), torch.tensor([3.0]))


def test_the_bias_chooses_and_does_not_weigh() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    weights, chosen = choose(logits, 1, score="sigmoid", bias_E=torch.tensor([5.0, 0.0, 0.0]), normalize=False)
    assert chosen.tolist() == [[0]]
    torch.testing.assert_close(weights, torch.tensor([[0.5]]))


def setup(hidden: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, logits = torch.randn(9, 16, generator=generator), torch.randn(9, 6, generator=generator)
    weights, chosen = choose(logits, 2, score="softmax")
    gate_up = torch.randn(6, 2 * hidden, 16, generator=generator) / 4
    down = torch.randn(6, 16, hidden, generator=generator) / 4
    return x.to(dtype), weights.to(dtype), chosen, gate_up.to(dtype), down.to(dtype)


def one_expert_at_a_time(x: Tensor, weights: Tensor, chosen: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    for position in range(len(x)):
        for weight, expert in zip(weights[position], chosen[position], strict=True):
            gate, up = (gate_up[expert] @ x[position]).chunk(2)
            y[position] += weight * (down[expert] @ (F.silu(gate) * up))
    return y


# the grouped kernel refuses rows of 24 bytes
@pytest.mark.parametrize(
    ("form", "hidden"),
    [("grouped", 8), ("run by run", 8), ("run by run", 6), ("reference", 8), ("reference", 6)],
)
def test_every_form_equals_one_expert_at_a_time(form: str, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = setup(hidden)
    expected = one_expert_at_a_time(*inputs)
    if form == "grouped":
        monkeypatch.setattr(experts, "_grouped_works", lambda *_: True)
    if form == "reference":
        with reference():
            actual = visit(*inputs, F.silu)
    else:
        actual = visit(*inputs, F.silu)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [8, 6], ids="F{}".format)
def test_gradients_flow_to_positions_weights_and_experts(hidden: int) -> None:
    x, weights, chosen, gate_up, down = setup(hidden)
    leaves = [each.requires_grad_() for each in (x, weights, gate_up, down)]
    aim = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    mine = torch.autograd.grad((visit(x, weights, chosen, gate_up, down, F.silu) * aim).sum(), leaves)
    theirs = torch.autograd.grad((one_expert_at_a_time(x, weights, chosen, gate_up, down) * aim).sum(), leaves)
    for each, expected in zip(mine, theirs, strict=True):
        torch.testing.assert_close(each, expected, rtol=1e-4, atol=1e-5)


def test_only_chosen_experts_are_computed() -> None:
    """Broken numbers in the others are not seen, and their FLOPs are not spent."""
    x, weights, chosen, gate_up, down = setup(8)
    chosen = torch.full_like(chosen, 2)
    chosen[:, 1] = 4
    for expert in (0, 1, 3, 5):
        gate_up[expert], down[expert] = torch.nan, torch.nan
    assert visit(x, weights, chosen, gate_up, down, F.silu).isfinite().all()
    with reference(), FlopCounterMode(display=False) as counter:
        visit(x, weights, chosen, gate_up, down, F.silu)
    assert counter.get_total_flops() == 2 * 9 * 2 * (3 * 16 * 8)


def test_half_precision() -> None:
    inputs = setup(8, torch.bfloat16)
    y = visit(*inputs, F.silu)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), one_expert_at_a_time(*setup(8)), rtol=0.1, atol=0.1)
