"""Allocate what a model remembers between passes."""

import torch

from lfm_arch.lower.model import Model
from lfm_arch.parts.context import ModelState


def new_state(
    model: Model,
    *,
    batch: int,
    capacity: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> ModelState:
    """Make an empty state.

    Args:
        model: whose layers declare the slots.
        batch: sequences.
        capacity: positions that growing slots have room for: the prompt and all that is generated.
        dtype: number format of the stream; the model's own by default. Accumulators stay float32.
        device: the model's own by default.
    """
    parameter = next(model.parameters(), None)
    if parameter is not None:
        dtype, device = dtype or parameter.dtype, device or parameter.device
    return ModelState(
        {
            layer: {
                slot.name: torch.zeros(
                    slot.sized(batch=batch, context=capacity),
                    dtype=torch.float32 if slot.precision == "float32" else dtype,
                    device=device,
                )
                for slot in slots
            }
            for layer, slots in model.slots.items()
        },
        capacity=capacity,
    )
