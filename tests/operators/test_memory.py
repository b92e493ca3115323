"""A memory of fixed size is what real tokens make of it: padding neither writes into it nor lets it fade."""

import pytest
import torch

from lfm_arch.parts.context import Context
from tests.operators.test_contract import EXAMPLES, Example

WIDTH, BATCH, TOKENS = 32, 2, 5
WITH_MEMORY = [
    example
    for example in EXAMPLES
    if any(slot.name == "memory" and not slot.grows for slot in example.operator.state(WIDTH))
]


def test_some_have_one() -> None:
    words = {str(getattr(example.operator, "type", "")) for example in WITH_MEMORY}
    assert words >= {"gated_linear_attention", "mamba", "mamba2", "gated_delta_net", "kimi_delta_attention"}


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, TOKENS], ids="T{}".format)
@pytest.mark.parametrize("example", WITH_MEMORY, ids=str)
def test_padding_leaves_it_alone(example: Example, tokens: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = example.operator.build(WIDTH)
        state = {
            slot.name: torch.zeros(slot.sized(batch=BATCH, context=2 * TOKENS))
            for slot in example.operator.state(WIDTH)
        }
        module(torch.randn(BATCH, TOKENS, WIDTH), Context.begin(TOKENS), state)
        before = state["memory"].clone()
        mask_BS = torch.ones(BATCH, TOKENS + tokens, dtype=torch.bool)
        mask_BS[0, TOKENS:] = False
        module(torch.randn(BATCH, tokens, WIDTH), Context.begin(tokens, past=TOKENS, mask_BS=mask_BS), state)
    torch.testing.assert_close(state["memory"][0], before[0], rtol=0, atol=1e-6)
    assert not torch.allclose(state["memory"][1], before[1], rtol=0, atol=1e-6), "real tokens write"
