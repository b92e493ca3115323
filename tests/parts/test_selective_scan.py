"""The selective scan: chunks side by side equal the recurrence written out, with what was remembered before."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from lfm_arch.parts.reference import reference
from lfm_arch.parts.selective_scan import CHUNK, selective_scan

B, D, K = 2, 6, 4


class Inputs(NamedTuple):
    u: Tensor
    step: Tensor
    A: Tensor
    b: Tensor
    c: Tensor
    memory: Tensor


def inputs(tokens: int, *, step: float = 0.5) -> Inputs:
    draw = torch.Generator().manual_seed(tokens)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=draw)

    steps = step * torch.rand(B, tokens, D, generator=draw)
    rates = -4 * torch.rand(D, K, generator=draw)
    return Inputs(normal(B, tokens, D), steps, rates, normal(B, tokens, K), normal(B, tokens, K), normal(B, D, K))


def by_definition(given: Inputs) -> tuple[Tensor, Tensor]:
    """One sum for every output, in float64: what each earlier token wrote, decayed over the steps since."""
    u, step, A, b, c, memory = (each.double() for each in given)
    since = step.cumsum(dim=1)
    read, after = [], memory
    for t in range(u.shape[1]):
        after = (since[:, t, :, None] * A).exp() * memory
        for s in range(t + 1):
            kept = ((since[:, t] - since[:, s])[..., None] * A).exp()
            after = after + kept * (step[:, s] * u[:, s])[..., None] * b[:, s, None, :]
        read.append((after * c[:, t, None, :]).sum(-1))
    return torch.stack(read, dim=1).float(), after.float()


@pytest.mark.parametrize("tokens", [1, 2, CHUNK, CHUNK + 1, 3 * CHUNK - 1], ids="T{}".format)
def test_equals_the_recurrence(tokens: int) -> None:
    given = inputs(tokens)
    expected = by_definition(given)
    torch.testing.assert_close(selective_scan(*given), expected, rtol=1e-4, atol=1e-5)
    with reference():
        torch.testing.assert_close(selective_scan(*given), expected, rtol=1e-4, atol=1e-5)
    empty = given._replace(memory=torch.zeros_like(given.memory))
    torch.testing.assert_close(selective_scan(*given[:-1]), by_definition(empty), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cut", [1, CHUNK - 1, CHUNK, CHUNK + 7], ids="after-{}".format)
def test_continues_from_what_it_left(cut: int) -> None:
    u, step, A, b, c, memory = inputs(2 * CHUNK + 3)
    whole, after = selective_scan(u, step, A, b, c, memory)
    first, between = selective_scan(u[:, :cut], step[:, :cut], A, b[:, :cut], c[:, :cut], memory)
    second, last = selective_scan(u[:, cut:], step[:, cut:], A, b[:, cut:], c[:, cut:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last, after, rtol=1e-4, atol=1e-5)


def test_gradients_equal_those_of_the_plain_form() -> None:
    given = Inputs(*(each.requires_grad_() for each in inputs(2 * CHUNK + 5)))
    weights = [torch.randn_like(each) for each in selective_scan(*given)]

    def grads() -> tuple[Tensor, ...]:
        return torch.autograd.grad(selective_scan(*given), list(given), grad_outputs=weights)

    fast = grads()
    with reference():
        plain = grads()
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


def test_huge_steps_stay_finite() -> None:
    given = Inputs(*(each.requires_grad_() for each in inputs(2 * CHUNK + 1, step=1e4)))
    y, after = selective_scan(*given)
    torch.testing.assert_close((y, after), by_definition(given), rtol=1e-3, atol=1e-3)
    y.sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in given)
