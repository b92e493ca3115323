"""Every featurizer and head can be exported for batches of any size, and compiled whole."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfm_arch.featurizers.base import Featurizer, Head
from lfm_arch.featurizers.lm_head.declaration import LMHead
from tests.featurizers.test_contract import EXAMPLES, HEAD_EXAMPLES

WIDTH = 32
BATCH = torch.export.Dim("batch", min=1, max=64)
RAW = [(featurizer, raw) for featurizer, raw in EXAMPLES if isinstance(raw, Tensor)]
SEQUENCES = [(each, raw) for each, raw in RAW if (taken := each.takes("raw")) and isinstance(taken.axes[1], str)]
"""Whose second axis, of tokens, samples or frames, only a run knows."""


def name(value: Any) -> str:
    return repr(value)[:60] if isinstance(value, (Featurizer, Head)) else ""


@pytest.mark.parametrize(("featurizer", "raw"), RAW, ids=name)
def test_featurizers_export_for_any_batch(featurizer: Featurizer, raw: Tensor) -> None:
    module = featurizer.build(WIDTH).eval()
    exported = torch.export.export(module, (raw,), dynamic_shapes=({0: BATCH},)).module()
    for given in (raw[:1], torch.cat([raw, raw, raw])):
        torch.testing.assert_close(exported(given), module(given), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("featurizer", "raw"), SEQUENCES, ids=name)
def test_sequences_export_for_any_length(featurizer: Featurizer, raw: Tensor) -> None:
    module = featurizer.build(WIDTH).eval()
    exported = torch.export.export(module, (raw,), dynamic_shapes=({1: torch.export.Dim.AUTO},)).module()
    longer = torch.cat([raw, raw], dim=1)
    torch.testing.assert_close(exported(longer), module(longer), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head", HEAD_EXAMPLES, ids=repr)
def test_heads_export_for_any_number_of_tokens(head: Head) -> None:
    module: nn.Module = head.build(WIDTH).eval()
    weight = torch.randn(40, WIDTH) if isinstance(head, LMHead) and head.tied_to else None
    tokens = torch.export.Dim("tokens", min=2, max=64)
    exported = torch.export.export(
        module, (torch.randn(2, 9, WIDTH), weight), dynamic_shapes=({0: BATCH, 1: tokens}, None)
    ).module()
    for shape in ((1, 2), (3, 33)):
        x_BTD = torch.randn(*shape, WIDTH)
        torch.testing.assert_close(exported(x_BTD, weight), module(x_BTD, weight), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("featurizer", "raw"), RAW, ids=name)
def test_featurizers_compile_in_one_graph(featurizer: Featurizer, raw: Tensor) -> None:
    torch.compiler.reset()
    module = featurizer.build(WIDTH)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(raw), module(raw), rtol=1e-5, atol=1e-5)
