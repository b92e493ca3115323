"""Linear recurrence in which every channel has a small memory of its own, which decays at rates of its own.

    s_t = exp(step_t A) s_(t-1) + step_t u_t b_t          one number for every channel and every place of its memory
    y_t = s_t . c_t

All channels share `b` and `c`, so what is written is an outer product, but no two rows decay alike: inside a chunk
queries and keys cannot meet as in `scan`. Instead all chunks go token by token side by side, once to see what each
leaves behind from an empty memory, and once more from the memory that the chunks before it left.

Source: Gu and Dao, arXiv:2312.00752. All of it is float32.
Axes: B batch, T tokens, D channels, K places of a channel's memory, M chunks, C tokens of a chunk.
"""

import torch
from torch import Tensor

from lfm_arch.parts.carry import carry
from lfm_arch.parts.chunk import cut, joined
from lfm_arch.parts.reference import using_reference

CHUNK = 16


def selective_scan(
    u_BTD: Tensor, step_BTD: Tensor, A_DK: Tensor, b_BTK: Tensor, c_BTK: Tensor, memory_BDK: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the recurrence.

    Args:
        u_BTD: what is written.
        step_BTD: at least 0; a step of no size forgets nothing and writes nothing.
        A_DK: rates of forgetting, below 0.
        b_BTK: where it is written.
        c_BTK: where is read.
        memory_BDK: what is remembered from before, float32; None for nothing.

    Returns:
        What is read, `[B, T, D]` in float32, and the memory after the last token, float32.
    """
    u, step, A, b, c = (each.float() for each in (u_BTD, step_BTD, A_DK, b_BTK, c_BTK))
    if memory_BDK is None:
        memory_BDK = u.new_zeros(u.shape[0], *A.shape)
    written = u * step
    if using_reference() or u.shape[1] == 1:
        return _token_by_token(written, step, A, b, c, memory_BDK)
    written, step, b, c = (cut(each[:, None], CHUNK)[:, 0] for each in (written, step, b, c))
    if not torch.compiler.is_compiling() and step.shape[1] == 1:
        y_BMCD, after_BMDK = _side_by_side(written, step, A, b, c, memory_BDK[:, None])
        return joined(y_BMCD[:, None], u.shape[1])[:, 0], after_BMDK[:, 0]
    left_BMDK = _side_by_side(written, step, A, b, None, memory_BDK.new_zeros(1))[1]
    kept_BMDK = (step.sum(dim=2)[..., None] * A).exp()
    before_B1MDK, after_B1DK = carry(kept_BMDK[:, None], left_BMDK[:, None], memory_BDK[:, None])
    y_BMCD = _side_by_side(written, step, A, b, c, before_B1MDK[:, 0])[0]
    return joined(y_BMCD[:, None], u.shape[1])[:, 0], after_B1DK[:, 0]


def _token_by_token(
    written_BTD: Tensor, step_BTD: Tensor, A_DK: Tensor, b_BTK: Tensor, c_BTK: Tensor, memory_BDK: Tensor
) -> tuple[Tensor, Tensor]:
    read = []
    for t in range(step_BTD.shape[1]):
        decay_BDK = (step_BTD[:, t, :, None] * A_DK).exp()
        memory_BDK = torch.addcmul(written_BTD[:, t, :, None] @ b_BTK[:, t, None, :], decay_BDK, memory_BDK)
        read.append(memory_BDK @ c_BTK[:, t, :, None])
    return torch.cat(read, dim=2).transpose(1, 2), memory_BDK


def _side_by_side(
    written_BMCD: Tensor, step_BMCD: Tensor, A_DK: Tensor, b_BMCK: Tensor, c_BMCK: Tensor | None, memory_BMDK: Tensor
) -> tuple[Tensor, Tensor]:
    """Take every chunk from the memory before it to its end; without `c`, nothing is read on the way."""
    read = []
    for t in range(CHUNK):
        decay_BMDK = (step_BMCD[:, :, t, :, None] * A_DK).exp()
        new_BMDK = written_BMCD[:, :, t, :, None] * b_BMCK[:, :, t, None, :]
        memory_BMDK = torch.addcmul(new_BMDK, decay_BMDK, memory_BMDK)
        if c_BMCK is not None:
            read.append(memory_BMDK @ c_BMCK[:, :, t, :, None])
    return torch.cat(read, dim=-1).transpose(-1, -2) if read else written_BMCD, memory_BMDK
