"""Text windows and recall sequences, checked against plain loops."""

import numpy as np
import pytest
import torch

from lfm_arch.quality.settings import RecallTask
from lfm_arch.quality.tasks import NextByte, recall_batch
from lfm_arch.quality.trainer import IGNORED


def text(seed: int = 0) -> NextByte:
    counting = np.arange(4_000, dtype=np.uint16).astype(np.uint8)
    return NextByte(counting, counting[:1_000], batch_size=4, sequence_length=32, seed=seed)


def test_targets_are_the_next_bytes() -> None:
    ids_BT, targets_BT = text().batch_of(3)
    assert ids_BT.shape == targets_BT.shape == (4, 32)
    assert ids_BT.dtype == torch.long
    assert torch.equal(targets_BT, (ids_BT + 1) % 256)


def test_a_step_always_has_the_same_batch() -> None:
    assert torch.equal(text().batch_of(7)[0], text().batch_of(7)[0])
    assert not torch.equal(text().batch_of(7)[0], text().batch_of(8)[0])
    assert not torch.equal(text().batch_of(7)[0], text(seed=1).batch_of(7)[0])


def test_validation_covers_the_text_and_depends_on_no_seed() -> None:
    batches = text().validation(10, at_once=4)
    assert [len(ids_BT) for ids_BT, _ in batches] == [4, 4, 2]
    starts = torch.cat([ids_BT[:, 0] for ids_BT, _ in batches])
    assert len(set(starts.tolist())) == 10
    for (one, _), (other, _) in zip(batches, text(seed=5).validation(10, at_once=4), strict=True):
        assert torch.equal(one, other)


def test_no_more_windows_than_fit() -> None:
    assert sum(len(ids_BT) for ids_BT, _ in text().validation(10_000)) == 967 // 32


@pytest.mark.parametrize("distance", [1, 4, 9])
def test_what_is_scored_is_what_the_sequence_determines(distance: int) -> None:
    task = RecallTask(num_keys=6, num_values=5, num_pairs=20)
    ids_BT, targets_BT = recall_batch(task, 50, seed=1, distance=distance)
    scored = 0
    for ids, targets in zip(ids_BT.tolist(), targets_BT.tolist(), strict=True):
        last: dict[int, tuple[int, int]] = {}
        for pair in range(20):
            key, value = ids[2 * pair], ids[2 * pair + 1]
            assert 0 <= key < 6 <= value < 11
            known = key in last and pair - last[key][0] >= distance
            assert targets[2 * pair] == (value if known else IGNORED)
            assert targets[2 * pair + 1] == IGNORED
            if key in last:
                assert last[key][1] == value, "a sequence does not contradict itself"
            last[key] = (pair, value)
            scored += known
    assert scored > 50


def test_dictionaries_differ_between_sequences() -> None:
    task = RecallTask()
    ids_BT, _ = recall_batch(task, 200, seed=0)
    values = {row[1] for row in ids_BT.tolist() if row[0] == 0}
    assert len(values) > 4, "a key's value is not to be learned by heart"


def test_seeds_draw_different_sequences() -> None:
    task = RecallTask()
    assert torch.equal(recall_batch(task, 4, 1)[0], recall_batch(task, 4, 1)[0])
    assert not torch.equal(recall_batch(task, 4, 1)[0], recall_batch(task, 4, 2)[0])
