"""Every operator can be exported with any number of tokens, and compiled whole, forward, backward and decoding."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfm_arch.operators.base import Operator
from lfm_arch.parts.context import Context, OperatorModule
from tests.operators.test_contract import EXAMPLES, Example

WIDTH, BATCH = 32, 2
FIRST = {type(example.operator): example for example in reversed(EXAMPLES)}
WINDOWED = [example for example in EXAMPLES if getattr(example.operator, "window_size", None) == 3]
GROUPED = [example for example in EXAMPLES if getattr(example.operator, "num_groups", 1) > 1]
CASES = [*FIRST.values(), *WINDOWED, *GROUPED]
"""One example of each operator, and those whose graphs differ from it."""


class Layer(nn.Module):
    """An operator, and the layer whose features it takes, as a model would call them."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self.mixer = built(example.operator)
        self.owner = None if example.owner is None else built(example.owner)

    def forward(self, x_BTD: Tensor, ports: dict[str, Tensor], state: Any = None, past: int = 0) -> Tensor:
        context = Context.begin(x_BTD.shape[1], past=past)
        shared = {} if self.owner is None else self.owner.share(x_BTD, context)
        return self.mixer(x_BTD, context, state, **ports, **shared)


def built(operator: Operator) -> OperatorModule:
    module = operator.build(WIDTH)
    assert isinstance(module, OperatorModule)
    return module


def ports(operator: Operator) -> dict[str, Tensor]:
    return {
        name: torch.randn([BATCH if size == "batch" else int(size) for size in wanted.axes])
        for name, wanted in operator.ports(WIDTH).items()
    }


@pytest.fixture(autouse=True)
def _seeded() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("example", CASES, ids=str)
def test_exports_for_any_number_of_tokens(example: Example) -> None:
    layer, given = Layer(example).eval(), ports(example.operator)
    tokens = torch.export.Dim("tokens", min=2, max=64)
    shapes = ({1: tokens}, {name: {} for name in given})
    exported = torch.export.export(layer, (torch.randn(BATCH, 9, WIDTH), given), dynamic_shapes=shapes).module()
    for count in (2, 33):
        x_BTD = torch.randn(BATCH, count, WIDTH)
        torch.testing.assert_close(exported(x_BTD, given), layer(x_BTD, given), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("example", CASES, ids=str)
def test_compiles_in_one_graph(example: Example) -> None:
    torch.compiler.reset()
    layer, given = Layer(example), ports(example.operator)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x_BTD = torch.randn(BATCH, 9, WIDTH)
    mine, expected = compiled(x_BTD, given), layer(x_BTD, given)
    torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)
    weights = list(layer.mixer.parameters())
    grads = [torch.autograd.grad(y.square().sum(), weights, allow_unused=True) for y in (mine, expected)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4)
    if example.operator.causal and example.owner is None:
        states = [
            {slot.name: torch.zeros(slot.sized(batch=BATCH, context=9)) for slot in example.operator.state(WIDTH)}
            for _ in range(2)
        ]
        with torch.no_grad():
            for past in range(4):
                x_BTD = torch.randn(BATCH, 1, WIDTH)
                steps = [run(x_BTD, given, state, past) for run, state in zip((compiled, layer), states, strict=True)]
                torch.testing.assert_close(steps[0], steps[1], rtol=1e-5, atol=1e-5)
