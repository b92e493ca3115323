"""A slot gives back what was written, in order, whatever the chunks."""

import pytest
import torch
from torch import Tensor

from lfm_arch.parts.kv_cache import extend, slide

CHUNKS = [(1,) * 11, (3, 3, 3, 2), (4, 1, 1, 5), (7, 4), (11,), (2, 9), (9, 2), (5, 1, 5)]


def positions(count: int) -> Tensor:
    """Keys that say their own position."""
    return torch.arange(count, dtype=torch.float32).view(1, 1, count, 1).expand(2, 3, count, 4)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_growing_slot(chunks: tuple[int, ...]) -> None:
    slot, past = torch.full((2, 3, 12, 4), -1.0), 0
    for tokens in chunks:
        seen = extend(slot, positions(past + tokens)[:, :, past:], past)
        past += tokens
        torch.testing.assert_close(seen, positions(past))
        assert seen.data_ptr() == slot.data_ptr(), "a growing cache is read where it lies"


def test_growing_slot_says_when_it_is_full() -> None:
    with pytest.raises(AssertionError, match="room for 4 positions, 5"):
        extend(torch.zeros(1, 1, 4, 2), torch.zeros(1, 1, 2, 2), past=3)


@pytest.mark.parametrize("size", [1, 2, 4, 5, 20])
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_window(chunks: tuple[int, ...], size: int) -> None:
    slot, past = torch.full((2, 3, size, 4), -1.0), 0
    for tokens in chunks:
        seen = slide(slot, positions(past + tokens)[:, :, past:], past, ordered=True)
        old = min(past, size)
        past += tokens
        torch.testing.assert_close(seen, positions(past)[:, :, past - tokens - old :])


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_window_out_of_order_holds_the_same_positions(size: int) -> None:
    slot = torch.full((2, 3, size, 4), -1.0)
    for past in range(13):
        seen = slide(slot, positions(past + 1)[:, :, past:], past, ordered=False)
        assert seen[0, 0, :, 0].sort().values.tolist() == list(range(max(0, past - size), past + 1))
