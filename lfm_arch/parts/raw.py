"""Numbers from pixels and samples, as decoders give them."""

import torch
from torch import Tensor


def centred_pixels(raw: Tensor, dtype: torch.dtype) -> Tensor:
    """Return pixels as numbers from -1 to 1: bytes are divided by 255, floats are taken to run from 0 to 1."""
    unit = raw.to(dtype) / 255 if raw.dtype == torch.uint8 else raw.to(dtype)
    return unit * 2 - 1


def float_samples(raw: Tensor) -> Tensor:
    """Return samples in float32: 16 bit integers are divided by 32768, floats are taken to run from -1 to 1."""
    return raw.float() / 32768 if raw.dtype == torch.int16 else raw.float()
