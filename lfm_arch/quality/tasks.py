"""What small models are trained on: the next byte of real text, and a synthetic task of recall.

Bits per byte of a short training hardly notices whether a model can look something up far back, and hybrids differ
there. So recall is measured on its own. Every sequence has its own dictionary from keys to values, written as pairs in
random order:

    k3 v7  k1 v2  k3 v7  k5 v2  k1 v2 ...

Keys and values are symbols of two alphabets; the value behind a key that occurred before is determined, and is scored.
In the tested sequences only pairs that were last seen at least `distance` pairs ago count, out of reach of a stack of
short convolutions. Guessing scores 1 / num_values. After MQAR (Arora et al., arXiv:2312.04927) and the in-context
recall task of MAD (Poli et al., arXiv:2403.17844).

Axes: B batch, T tokens, N pairs of a sequence, K keys.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lfm_arch.quality.data import Bytes
from lfm_arch.quality.settings import RecallTask
from lfm_arch.quality.trainer import IGNORED, Batch


class NextByte:
    """Windows of a text, each byte predicted from those before it in its window."""

    def __init__(self, train: Bytes, validation: Bytes, *, batch_size: int, sequence_length: int, seed: int) -> None:
        self._train = torch.from_numpy(train.copy())
        self._validation = torch.from_numpy(validation.copy())
        self._batch_size, self._length, self._seed = batch_size, sequence_length, seed

    def batch_of(self, step: int) -> Batch:
        """Draw windows at random places, from the seed and the number of the step alone."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        starts = torch.randint(len(self._train) - self._length, (self._batch_size,), generator=generator)
        return self._windows(self._train, starts)

    def validation(self, windows: int, *, at_once: int = 16) -> list[Batch]:
        """Cut windows at equal distances, the same for every model and seed."""
        last = len(self._validation) - self._length - 1
        starts = torch.linspace(0, last, min(windows, max(1, last // self._length))).long()
        return [self._windows(self._validation, part) for part in starts.split(at_once)]

    def _windows(self, text: Tensor, starts: Tensor) -> Batch:
        windows = text[starts[:, None] + torch.arange(self._length + 1)].long()
        return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def recall_batch(task: RecallTask, batch_size: int, seed: int, *, distance: int = 1) -> Batch:
    """Draw sequences; targets stand at keys whose value is known."""
    generator = torch.Generator().manual_seed(seed)
    keys_BN = torch.randint(task.num_keys, (batch_size, task.num_pairs), generator=generator)
    book_BK = torch.randint(task.num_values, (batch_size, task.num_keys), generator=generator)
    # values use the symbols behind the keys'
    values_BN = book_BK.gather(1, keys_BN) + task.num_keys
    ids_BT = torch.stack([keys_BN, values_BN], dim=-1).flatten(1)
    ago_BN = _pairs_ago(task, keys_BN)
    targets_BN = torch.where(ago_BN >= distance, values_BN, IGNORED)
    targets_BT = torch.stack([targets_BN, torch.full_like(targets_BN, IGNORED)], dim=-1).flatten(1)
    return ids_BT, targets_BT


def _pairs_ago(task: RecallTask, keys_BN: Tensor) -> Tensor:
    """Count how many pairs ago each key occurred last; 0 where it never did."""
    place_N = torch.arange(1, task.num_pairs + 1)
    seen_BNK = F.one_hot(keys_BN, task.num_keys) * place_N[:, None]
    last_BNK = F.pad(seen_BNK.cummax(dim=1).values, (0, 0, 1, 0))[:, :-1]
    last_BN = last_BNK.gather(2, keys_BN[..., None]).squeeze(-1)
    return torch.where(last_BN > 0, place_N - last_BN, 0)
