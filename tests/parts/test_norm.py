"""The norm rounds where the released models round."""

import pytest
import torch

from lfm_arch.parts.norm import RMSNormModule

lfm2 = pytest.importorskip("transformers.models.lfm2.modeling_lfm2")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3], ids="size-{}".format)
def test_equals_hugging_face(dtype: torch.dtype, size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    theirs, ours = lfm2.Lfm2RMSNorm(64, eps=1e-5), RMSNormModule(64, 1e-5)
    weight = 1 + torch.randn(64, generator=generator)
    for module in (theirs, ours):
        module.weight.data.copy_(weight)
        module.to(dtype)
    x = (size * torch.randn(3, 5, 64, generator=generator)).to(dtype)
    # the two forms differ by one rounding of float32, which a half format can carry into its last digit
    rtol = 2e-6 if dtype == torch.float32 else torch.finfo(dtype).eps
    torch.testing.assert_close(ours(x), theirs(x), rtol=rtol, atol=0.0)
