"""Causal depthwise convolution over tokens, with the last K - 1 tokens as its state.

On a CPU a depthwise convolution is faster as K shifted multiply-adds than through the convolution library, forward
and backward; the library form is the definition and the test's other side.

Axes: B batch, T tokens, D channels, K kernel size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lfm_arch.parts.context import State
from lfm_arch.parts.reference import using_reference


def causal_conv(
    x_BTD: Tensor, weight_D1K: Tensor, bias_D: Tensor | None, state: State | None = None, slot: str = "window"
) -> Tensor:
    """Convolve every channel with its own filter over the current and the K - 1 previous tokens.

    Args:
        x_BTD: the new tokens.
        weight_D1K: as torch's `Conv1d` stores it; the last tap meets the current token.
        bias_D: added per channel.
        state: the layer's slots; `state[slot]` holds the previous tokens as `[B, D, K - 1]` and is updated in place.
        slot: name of that slot.
    """
    K = weight_D1K.shape[-1]
    past_BTD = x_BTD.new_zeros(x_BTD.shape[0], K - 1, x_BTD.shape[2]) if state is None else state[slot].transpose(1, 2)
    seen_BTD = torch.cat([past_BTD, x_BTD], dim=1)
    y_BTD = (_by_convolution if using_reference() else _by_shifts)(seen_BTD, weight_D1K, x_BTD.shape[1])
    if state is not None:
        # the new window can overlap the old one in memory, so it is copied after it was read
        state[slot].copy_(seen_BTD[:, seen_BTD.shape[1] - (K - 1) :].transpose(1, 2))
    return y_BTD if bias_D is None else y_BTD + bias_D


def _by_convolution(seen_BTD: Tensor, weight_D1K: Tensor, tokens: int) -> Tensor:
    del tokens
    return F.conv1d(seen_BTD.transpose(1, 2), weight_D1K, groups=weight_D1K.shape[0]).transpose(1, 2)


def _by_shifts(seen_BTD: Tensor, weight_D1K: Tensor, tokens: int) -> Tensor:
    taps_KD = weight_D1K.squeeze(1).t()
    y_BTD = seen_BTD[:, :tokens] * taps_KD[0]
    for k in range(1, taps_KD.shape[0]):
        y_BTD = torch.addcmul(y_BTD, seen_BTD[:, k : k + tokens], taps_KD[k])
    return y_BTD
