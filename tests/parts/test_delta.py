"""The delta rule: fast forms equal the rule written out, with what was remembered before, over many chunks."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from lfm_arch.parts.delta import CHUNK, PIECE, SLOWEST_LOG, delta_heads, delta_rows, unit
from lfm_arch.parts.reference import reference

B, N, K, H = 2, 4, 5, 3


class Inputs(NamedTuple):
    q: Tensor
    k: Tensor
    v: Tensor
    log_decay: Tensor
    beta: Tensor
    memory: Tensor


def inputs(tokens: int, *, rows: bool, groups: int = N, forgetting: float = 0.1) -> Inputs:
    draw = torch.Generator().manual_seed(tokens)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=draw)

    decay = -forgetting * torch.rand([B, tokens, N, *[K] * rows], generator=draw)
    q, k = (unit(normal(B, tokens, groups, K)) for _ in range(2))
    return Inputs(
        q, k, normal(B, tokens, N, H), decay, 2 * torch.rand(B, tokens, N, generator=draw), normal(B, N, K, H)
    )


def run(given: Inputs, *, memory: bool = True) -> tuple[Tensor, Tensor]:
    rule = delta_rows if given.log_decay.ndim == 4 else delta_heads
    return rule(*given[:-1], given.memory if memory else None)


def by_definition(given: Inputs) -> tuple[Tensor, Tensor]:
    """Every token as a matrix that acts on the memory, in float64: S_t = (1 - beta k k^T) diag(a) S + beta k v^T."""
    q, k, v, log_decay, beta, memory = (each.double() for each in given)
    q, k = (each.repeat_interleave(N // q.shape[2], dim=2) for each in (q, k))
    if log_decay.ndim == 3:
        log_decay = log_decay[..., None].expand(-1, -1, -1, K)
    read = []
    for t in range(q.shape[1]):
        written = beta[:, t, :, None, None] * torch.einsum("bnk,bnh->bnkh", k[:, t], v[:, t])
        erase = torch.eye(K) - beta[:, t, :, None, None] * torch.einsum("bnk,bnl->bnkl", k[:, t], k[:, t])
        memory = erase @ torch.diag_embed(log_decay[:, t].exp()) @ memory + written
        read.append(torch.einsum("bnk,bnkh->bnh", q[:, t], memory))
    return torch.stack(read, dim=1).float(), memory.float()


TOKENS = [1, 2, PIECE + 1, CHUNK, CHUNK + 1, 3 * CHUNK - 1]


@pytest.mark.parametrize("tokens", TOKENS, ids="T{}".format)
@pytest.mark.parametrize("kind", ["heads", "grouped", "rows"])
def test_equals_the_rule(kind: str, tokens: int) -> None:
    given = inputs(tokens, rows=kind == "rows", groups=2 if kind == "grouped" else N)
    expected = by_definition(given)
    torch.testing.assert_close(run(given), expected, rtol=1e-4, atol=1e-4)
    with reference():
        torch.testing.assert_close(run(given), expected, rtol=1e-4, atol=1e-4)
    empty = given._replace(memory=torch.zeros_like(given.memory))
    torch.testing.assert_close(run(given, memory=False), by_definition(empty), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cut", [1, CHUNK - 1, CHUNK, CHUNK + 7], ids="after-{}".format)
@pytest.mark.parametrize("rows", [False, True], ids=["heads", "rows"])
def test_continues_from_what_it_left(rows: bool, cut: int) -> None:
    given = inputs(2 * CHUNK + 3, rows=rows)
    whole, after = run(given)
    first, between = run(Inputs(*(each[:, :cut] for each in given[:-1]), memory=given.memory))
    second, last = run(Inputs(*(each[:, cut:] for each in given[:-1]), memory=between))
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(last, after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [False, True], ids=["heads", "rows"])
def test_gradients_equal_those_of_the_plain_form(rows: bool) -> None:
    given = Inputs(*(each.requires_grad_() for each in inputs(2 * CHUNK + 5, rows=rows)))
    y, after = run(given)
    weight_y, weight_after = torch.randn_like(y), torch.randn_like(after)

    def grads() -> tuple[Tensor, ...]:
        y, after = run(given)
        return torch.autograd.grad((y * weight_y).sum() + (after * weight_after).sum(), list(given))

    fast = grads()
    with reference():
        plain = grads()
    torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("forgetting", [20.0, 1e4], ids="up-to-{}".format)
@pytest.mark.parametrize("rows", [False, True], ids=["heads", "rows"])
def test_strong_forgetting_stays_finite_and_right(rows: bool, forgetting: float) -> None:
    given = Inputs(*(each.requires_grad_() for each in inputs(2 * CHUNK + 1, rows=rows, forgetting=forgetting)))
    y, after = run(given)
    cut_off = given._replace(log_decay=given.log_decay.clamp(min=SLOWEST_LOG))
    for exact in (given, cut_off):
        torch.testing.assert_close((y, after), by_definition(exact), rtol=1e-3, atol=1e-3)
    y.sum().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in given)


def test_repeated_keys_are_overwritten() -> None:
    """One key again and again, fully written: a query along it reads the last value, however many came before."""
    given = inputs(3 * CHUNK, rows=False, forgetting=0.0)
    key = given.k[:, :1].expand_as(given.k)
    y, _ = run(given._replace(q=key, k=key, beta=torch.ones_like(given.beta)))
    torch.testing.assert_close(y, given.v, rtol=1e-4, atol=1e-4)
