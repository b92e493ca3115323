"""Devices and number formats, by the words that users write."""

import torch

from lfm_arch.core.errors import BuildError, Diagnostic

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def checked_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return a number format for parameters.

    Raises:
        BuildError: E823, models are not kept in it.
    """
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found not in DTYPES.values():
        raise BuildError(
            Diagnostic("E823", f"parameters cannot be kept as {dtype}", help=f"use one of {', '.join(DTYPES)}")
        )
    assert found is not None
    return found


def checked_device(device: str | torch.device) -> torch.device:
    """Return a device that tensors can be placed on.

    Raises:
        BuildError: E823, there is none of that name here.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BuildError(
            Diagnostic("E823", f"device {str(device)!r} cannot be used: {why}", help="use cpu or meta")
        ) from error
    return found
