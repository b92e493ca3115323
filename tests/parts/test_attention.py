"""Every way through the attention core gives what the plain form gives."""

import pytest
import torch
from torch import Tensor

from lfm_arch.parts.attention import attend
from lfm_arch.parts.context import Context
from lfm_arch.parts.reference import reference


def heads(tokens: int, seen: int, *, kv_heads: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(tokens * 1000 + seen)
    q = torch.randn(2, 4, tokens, 8, generator=generator)
    k, v = torch.randn(2, 2, kv_heads, seen, 8, generator=generator)
    return q, k, v


def padded(seen: int, pads: int) -> Tensor:
    mask = torch.ones(2, seen, dtype=torch.bool)
    mask[0, :pads] = False
    return mask


@pytest.mark.parametrize("pads", [0, 3], ids="pads-{}".format)
@pytest.mark.parametrize("window_size", [None, 2, 5, 130, 400], ids="window-{}".format)
@pytest.mark.parametrize(("tokens", "seen"), [(1, 1), (1, 9), (2, 2), (7, 7), (3, 11), (300, 300), (300, 304)])
def test_equals_the_plain_form(tokens: int, seen: int, window_size: int | None, pads: int) -> None:
    if tokens == 1 and window_size is not None:
        seen = min(seen, window_size)
    q, k, v = heads(tokens, seen)
    mask = padded(seen, min(pads, seen - 1)) if pads else None

    def run() -> Tensor:
        context = Context.begin(tokens, past=seen - tokens, mask_BS=mask)
        return attend(q, k, v, context, scale=0.3, window_size=window_size)

    fast = run()
    with reference():
        plain = run()
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_bidirectional_equals_the_plain_form(kv_heads: int) -> None:
    q, k, v = heads(6, 6, kv_heads=kv_heads)
    for mask in (None, padded(6, 2)):
        fast = attend(q, k, v, Context.begin(6, mask_BS=mask), scale=0.3, causal=False)
        with reference():
            plain = attend(q, k, v, Context.begin(6, mask_BS=mask), scale=0.3, causal=False)
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


def test_by_hand() -> None:
    """Two keys, one far away from the query: the near one takes nearly all."""
    q = torch.tensor([[[[1.0, 0.0]]]])
    k = torch.tensor([[[[0.0, 5.0], [20.0, 0.0]]]])
    v = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    y = attend(q, k, v, Context.begin(1, past=1), scale=1.0)
    torch.testing.assert_close(y, v[:, :, 1:])


@pytest.mark.parametrize("window_size", [2, 5, 70])
def test_a_window_hides_what_is_older(window_size: int) -> None:
    """Also between blocks: 200 tokens are more than one."""
    tokens = 200
    q, k, v = heads(tokens, tokens)
    before = attend(q, k, v, Context.begin(tokens), scale=0.3, window_size=window_size)
    changed = v.clone()
    changed[:, :, 100] += 10.0
    after = attend(q, k, changed, Context.begin(tokens), scale=0.3, window_size=window_size)
    moved = ((after - before).abs().amax(dim=(0, 1, 3)) > 1e-6).nonzero().flatten().tolist()
    assert moved == list(range(100, 100 + window_size))


def test_padding_that_sees_nothing_stays_finite() -> None:
    q, k, v = heads(5, 5)
    y = attend(q, k, v, Context.begin(5, mask_BS=padded(5, 4)), scale=0.3)
    assert y.isfinite().all()
