"""Shifted multiply-adds equal the library's convolution, and the window carries over."""

import pytest
import torch

from lfm_arch.parts.causal_conv import causal_conv
from lfm_arch.parts.reference import reference


@pytest.mark.parametrize("tokens", [1, 2, 9], ids="T{}".format)
@pytest.mark.parametrize("kernel_size", [2, 3, 7], ids="K{}".format)
def test_shifts_equal_the_library(kernel_size: int, tokens: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(2, tokens, 6, generator=generator), torch.randn(6, 1, kernel_size, generator=generator)
    bias = torch.randn(6, generator=generator)
    fast = causal_conv(x, weight, bias)
    with reference():
        torch.testing.assert_close(fast, causal_conv(x, weight, bias))
    expected = torch.nn.functional.conv1d(x.transpose(1, 2), weight, bias, padding=kernel_size - 1, groups=6)
    torch.testing.assert_close(fast, expected[..., :tokens].transpose(1, 2))


@pytest.mark.parametrize("chunks", [(1,) * 8, (3, 5), (1, 6, 1)], ids=str)
def test_the_window_carries_over(chunks: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(2, 8, 6, generator=generator), torch.randn(6, 1, 4, generator=generator)
    state = {"window": torch.zeros(2, 6, 3)}
    pieces = [causal_conv(piece, weight, None, state) for piece in x.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), causal_conv(x, weight, None))
    torch.testing.assert_close(state["window"], x[:, -3:].transpose(1, 2))
