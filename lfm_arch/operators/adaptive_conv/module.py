"""The running adaptive convolution. Axes: B batch, T tokens, D width, N heads, H head_dim, K taps, C features."""

import torch
from torch import Tensor, nn

from lfm_arch.parts.condition import ConditionedModule, ConditionModule
from lfm_arch.parts.context import Context, State
from lfm_arch.parts.reference import using_reference


class AdaptiveConvModule(ConditionedModule):
    """The running `AdaptiveConv` or `SharedAdaptiveConv`."""

    writes = ("out_proj",)

    def __init__(
        self, width: int, kernel_size: int, num_heads: int, head_dim: int, size: int, condition: ConditionModule | None
    ) -> None:
        super().__init__(condition)
        self.heads, self.taps = (num_heads, head_dim), (num_heads, kernel_size)
        inner = num_heads * head_dim
        self.in_proj = nn.Linear(width, inner, bias=False)
        self.tap_proj = nn.Linear(size, num_heads * kernel_size)
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            # the last tap meets the current token: a layer that has learnt nothing passes its input on
            self.tap_proj.bias.zero_()
            self.tap_proj.bias[kernel_size - 1 :: kernel_size] = 1.0

    def forward(
        self, x_BTD: Tensor, context: Context, state: State | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Mix `x_BTD` along T; position t depends on positions t-K+1 ... t, and on its features."""
        taps_BTNK = self.tap_proj(self.features(condition, x_BTD, context, state)).unflatten(-1, self.taps)
        u_BTD = self.in_proj(x_BTD)
        if context.new_mask_BT is not None:
            u_BTD = u_BTD * context.new_mask_BT[..., None].to(u_BTD.dtype)
        K = self.taps[1]
        past_BTD = u_BTD.new_zeros(u_BTD.shape[0], K - 1, u_BTD.shape[2])
        if state is not None:
            past_BTD = state["window"].transpose(1, 2)
        seen_BTNH = torch.cat([past_BTD, u_BTD], dim=1).unflatten(-1, self.heads)
        if state is not None:
            state["window"].copy_(seen_BTNH[:, seen_BTNH.shape[1] - (K - 1) :].flatten(-2).transpose(1, 2))
        mixed_BTNH = (_by_product if using_reference() else _by_shifts)(seen_BTNH, taps_BTNK, x_BTD.shape[1])
        return self.out_proj(mixed_BTNH.flatten(-2))


def _by_product(seen_BTNH: Tensor, taps_BTNK: Tensor, tokens: int) -> Tensor:
    windows_BTNHK = seen_BTNH.unfold(1, taps_BTNK.shape[-1], 1)
    return (windows_BTNHK @ taps_BTNK.expand(-1, tokens, -1, -1)[..., None]).squeeze(-1)


def _by_shifts(seen_BTNH: Tensor, taps_BTNK: Tensor, tokens: int) -> Tensor:
    y_BTNH = seen_BTNH[:, :tokens] * taps_BTNK[..., :1]
    for k in range(1, taps_BTNK.shape[-1]):
        y_BTNH = torch.addcmul(y_BTNH, seen_BTNH[:, k : k + tokens], taps_BTNK[..., k : k + 1])
    return y_BTNH
