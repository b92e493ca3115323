"""Chunks give what the recurrence gives, forward and backward, with a memory before and after.

Axes: B batch, T tokens, N heads, K rows of the memory, H its columns.
"""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from lfm_arch.parts.reference import reference
from lfm_arch.parts.scan import CHUNK, SLOWEST_LOG, scan_heads, scan_rows

B, N, K, H = 2, 3, 4, 5


class Inputs(NamedTuple):
    q: Tensor
    k: Tensor
    v: Tensor
    log_decay: Tensor
    memory: Tensor


def inputs(tokens: int, *, rows: int, forgetting: float = 0.1) -> Inputs:
    generator = torch.Generator().manual_seed(tokens)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    decay = -forgetting * draw(B, tokens, N, rows).abs()
    return Inputs(draw(B, tokens, N, K), draw(B, tokens, N, K), draw(B, tokens, N, H), decay, draw(B, N, K, H))


def scan(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
    if log_decay.shape[-1] == 1:
        return scan_heads(q, k, v, log_decay.squeeze(-1), memory)
    return scan_rows(q, k, v, log_decay, memory)


def by_definition(given: Inputs) -> tuple[Tensor, Tensor]:
    """One sum for every output, no recurrence: y_t = sum over s of (q_t . prod of decays s+1 ... t . k_s) v_s."""
    q, k, v, log_decay, memory = (each.double() for each in given)
    total = log_decay.expand_as(k).cumsum(dim=1)
    read = torch.zeros(v.shape, dtype=torch.double)
    for t in range(q.shape[1]):
        read[:, t] = torch.einsum("bnk,bnk,bnkh->bnh", q[:, t], total[:, t].exp(), memory)
        for s in range(t + 1):
            score = (q[:, t] * (total[:, t] - total[:, s]).exp() * k[:, s]).sum(-1, keepdim=True)
            read[:, t] += score * v[:, s]
    after = total[:, -1].exp()[..., None] * memory
    after += torch.einsum("btnk,btnh->bnkh", (total[:, -1:] - total).exp() * k, v)
    return read.float(), after.float()


@pytest.mark.parametrize("rows", [1, K], ids=["one-decay", "row-decays"])
@pytest.mark.parametrize("tokens", [1, 2, CHUNK, CHUNK + 1, 3 * CHUNK - 5], ids="T{}".format)
def test_equals_its_definition(tokens: int, rows: int) -> None:
    given = inputs(tokens, rows=rows)
    expected = by_definition(given)
    torch.testing.assert_close(scan(*given), expected, rtol=1e-4, atol=1e-4)
    with reference():
        torch.testing.assert_close(scan(*given), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [1, K], ids=["one-decay", "row-decays"])
def test_nothing_is_remembered_without_a_memory(rows: int) -> None:
    given = inputs(40, rows=rows)
    empty = given._replace(memory=torch.zeros_like(given.memory))
    torch.testing.assert_close(scan(*given[:-1]), scan(*empty))


@pytest.mark.parametrize("rows", [1, K], ids=["one-decay", "row-decays"])
def test_gradients_equal_those_of_the_recurrence(rows: int) -> None:
    given = Inputs(*(each.requires_grad_() for each in inputs(2 * CHUNK + 3, rows=rows)))

    def gradients() -> tuple[Tensor, ...]:
        read, after = scan(*given)
        return torch.autograd.grad(read.square().sum() + after.square().sum(), given)

    fast = gradients()
    with reference():
        plain = gradients()
    for name, mine, expected in zip(Inputs._fields, fast, plain, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-3, atol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("rows", [1, K], ids=["one-decay", "row-decays"])
def test_total_forgetting_stays_finite(rows: int) -> None:
    """Every token forgets everything: what is read is what was just written."""
    given = inputs(2 * CHUNK, rows=rows)
    given = given._replace(log_decay=torch.full_like(given.log_decay, -1e4))
    read, after = scan(*given)
    assert read.isfinite().all()
    assert after.isfinite().all()
    with reference():
        torch.testing.assert_close((read, after), scan(*given), rtol=1e-4, atol=1e-4)
    if rows == 1:
        torch.testing.assert_close(read, (given.q * given.k).sum(-1, keepdim=True) * given.v, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tokens", [1, 2 * CHUNK + 1], ids="T{}".format)
@pytest.mark.parametrize("groups", [1, 2, 3], ids="G{}".format)
def test_heads_of_a_group_share_queries_and_keys(groups: int, tokens: int) -> None:
    generator = torch.Generator().manual_seed(groups)
    q, k = torch.randn(2, B, tokens, groups, K, generator=generator)
    v = torch.randn(B, tokens, 6, H, generator=generator)
    log_decay = -torch.rand(B, tokens, 6, generator=generator)
    memory = torch.randn(B, 6, K, H, generator=generator)
    repeats = 6 // groups
    q_BTNK, k_BTNK = q.repeat_interleave(repeats, dim=2), k.repeat_interleave(repeats, dim=2)
    expected = by_definition(Inputs(q_BTNK, k_BTNK, v, log_decay[..., None], memory))
    torch.testing.assert_close(scan_heads(q, k, v, log_decay, memory), expected, rtol=1e-4, atol=1e-4)
    with reference():
        torch.testing.assert_close(scan_heads(q, k, v, log_decay, memory), expected, rtol=1e-4, atol=1e-4)


def test_the_cut_keeps_less_than_a_percent() -> None:
    assert torch.tensor(SLOWEST_LOG).exp() < 0.01
    assert torch.log(torch.tensor(torch.finfo(torch.float32).max)) > -SLOWEST_LOG * CHUNK / 2


def test_the_memory_is_float32_and_the_rest_as_it_came() -> None:
    given = inputs(3, rows=1)
    read, after = scan(*(each.bfloat16() for each in given[:-1]))
    assert (read.dtype, after.dtype) == (torch.bfloat16, torch.float32)
