"""The state of a model behind the methods that transformers' generation calls.

Axes: B batch, S positions.
"""

import torch
from torch import Tensor

from lfm_arch.lower.model import Model
from lfm_arch.parts.context import ModelState
from lfm_arch.runtime.state import new_state

_STEP = 256


class LfmArchCache:
    """State slots of all layers; grows when it is not told beforehand how much will come."""

    is_compileable = False
    is_croppable = False
    is_linear = (False,)
    """That it is not only a recurrent state: prompts may be continued in pieces."""

    def __init__(self, model: Model, *, capacity: int = 0) -> None:
        self._model = model
        # a window is allocated whole, so that growing never moves what it holds
        windows = [slot.limit or 0 for slots in model.slots.values() for slot in slots]
        self._capacity = max([capacity, *windows])
        self.state: ModelState | None = None

    def room_for(self, batch: int, tokens: int) -> ModelState:
        """Return the state with room for so many new tokens."""
        if self.state is None:
            self.state = new_state(self._model, batch=batch, capacity=max(self._capacity, tokens))
            return self.state
        needed = self.state.length + tokens
        if needed > self.state.capacity:
            old, grown = self.state, new_state(self._model, batch=batch, capacity=needed + _STEP)
            for layer, slots in old.slots.items():
                for name, tensor in slots.items():
                    _copy_start(tensor, grown.slots[layer][name])
            grown.length = old.length
            self.state = grown
        return self.state

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return how many positions have been seen."""
        del layer_idx
        return 0 if self.state is None else self.state.length

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Continue from other rows of the batch, as beam search does."""
        if self.state is not None:
            for slots in self.state.slots.values():
                for name, tensor in slots.items():
                    slots[name] = tensor.index_select(0, beam_idx.to(tensor.device))


def _copy_start(old: Tensor, new: Tensor) -> None:
    """Copy a slot into a longer one; only growing slots differ, and only along the context."""
    target = new
    for axis, size in enumerate(old.shape):
        target = target.narrow(axis, 0, size)
    with torch.no_grad():
        target.copy_(old)
