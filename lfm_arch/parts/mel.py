"""Mel filters on Slaney's scale. Axes: M mel bins, F frequencies."""

from math import log

import torch
from torch import Tensor

_LINEAR_HZ = 200 / 3
"""Width of one mel below the knee."""
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_HZ
_LOG_STEP = log(6.4) / 27
"""Natural logarithm of the ratio of frequencies one mel apart above the knee."""


def mel_filters(num_mel_bins: int, num_frequencies: int, sample_rate: int) -> Tensor:
    """Return `[M, F]`: triangles evenly spaced in mel from 0 Hz to half the sample rate, each of area one in hertz.

    The scale is linear to 1000 Hz and logarithmic above (Slaney, Auditory Toolbox, Interval Research 1998-010).
    """
    # two mel short of the end there is no triangle: M triangles need M + 2 corners
    corners_mel = torch.linspace(0, _mel(sample_rate / 2), num_mel_bins + 2, dtype=torch.float64)
    above = _KNEE_HZ * torch.exp(_LOG_STEP * (corners_mel - _KNEE_MEL))
    corners_hz = torch.where(corners_mel < _KNEE_MEL, corners_mel * _LINEAR_HZ, above)
    bins_F = torch.linspace(0, sample_rate / 2, num_frequencies, dtype=torch.float64)
    left_M1, centre_M1, right_M1 = corners_hz[:-2, None], corners_hz[1:-1, None], corners_hz[2:, None]
    rising_MF = (bins_F - left_M1) / (centre_M1 - left_M1)
    falling_MF = (right_M1 - bins_F) / (right_M1 - centre_M1)
    triangle_MF = torch.minimum(rising_MF, falling_MF).clamp(min=0)
    return (triangle_MF * 2 / (right_M1 - left_M1)).float()


def _mel(hertz: float) -> float:
    return hertz / _LINEAR_HZ if hertz < _KNEE_HZ else _KNEE_MEL + log(hertz / _KNEE_HZ) / _LOG_STEP
