"""The original open-source example runs, and does what its formula says."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lfm_arch import LFModel
from lfm_arch.core.errors import InputError
from lfm_arch.core.tensor import TensorType
from lfm_arch.graph.compile import check_expect, compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.lower.compile import lower
from lfm_arch.spec.model import load_spec


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def counted(token: int, channel: int, expert: int, adapt: int, experts: int) -> int:
    """The sum in the class's docstring, summand by summand."""
    featurizer = (token + 1) * adapt
    token_mixer = token * channel * (1 + adapt) + channel
    channel_mixer = channel * expert * (1 + adapt) + expert
    each_expert = expert * expert * (1 + adapt) + expert + adapt + 1
    return featurizer + token_mixer + channel_mixer + experts * each_expert + (expert + 1) * token


def test_the_original_example() -> None:
    model = LFModel(token_dim=512, channel_dim=512, expert_dim=512, adapt_dim=128, num_experts=4)
    x_BTD = torch.randn(32, 128, 512)
    with torch.no_grad():
        y_BTD = model(x_BTD)
        assert y_BTD.shape == (32, 128, 512)
        for row in (0, 17):
            torch.testing.assert_close(model(x_BTD[row : row + 1]), y_BTD[row : row + 1], rtol=1e-4, atol=1e-5)
    held = sum(parameter.numel() for parameter in model.parameters())
    assert held == counted(512, 512, 512, 128, 4) == 203_231_364
    assert LFModel.__doc__ is not None
    assert f"{held:,}" in LFModel.__doc__


@pytest.mark.parametrize("sizes", [(6, 6, 6, 3, 2), (5, 7, 4, 3, 3)], ids=["equal", "different"])
def test_counts_its_parameters(sizes: tuple[int, int, int, int, int]) -> None:
    assert sum(parameter.numel() for parameter in LFModel(*sizes).parameters()) == counted(*sizes)


def by_hand(model: LFModel, x_TD: Tensor) -> Tensor:
    """One sequence, one matrix and one expert after another."""
    c_C = model.featurizer.proj(x_TD.mean(0))
    for layer in (model.token_mixer, model.channel_mixer):
        weight = layer.base.weight + (layer.generator.weight @ c_C).view_as(layer.base.weight)
        x_TD = x_TD @ weight.t() + layer.base.bias
    experts, answer_TD = model.experts, torch.zeros(len(x_TD), model.experts.shape[0])
    gates = torch.softmax(experts.gate.weight @ c_C + experts.gate.bias, dim=0)
    assert experts.bias is not None
    for number, gate in enumerate(gates):
        generator = experts.generator.unflatten(0, (len(gates), -1))[number]
        weight = (experts.base[number] + c_C @ generator).view(experts.shape)
        answer_TD = answer_TD + gate * (x_TD @ weight.t() + experts.bias[number])
    return model.output(answer_TD)


@pytest.mark.parametrize("sizes", [(6, 6, 6, 3, 2), (5, 7, 4, 3, 3)], ids=["equal", "different"])
def test_equals_the_formula_for_each_sequence(sizes: tuple[int, int, int, int, int]) -> None:
    model = LFModel(*sizes)
    torch.nn.init.normal_(model.get_parameter("experts.bias"))
    x_BTD = torch.randn(3, 5, sizes[0])
    torch.testing.assert_close(model(x_BTD), torch.stack([by_hand(model, x_TD) for x_TD in x_BTD]))


def test_the_weights_follow_the_sequence() -> None:
    """The same token is mapped differently in another company."""
    model = LFModel(6, 6, 6, 3, 2)
    x_BTD = torch.randn(1, 4, 6)
    other = x_BTD.clone()
    other[:, 3] += 2
    assert (model(x_BTD)[:, 0] - model(other)[:, 0]).abs().max() > 1e-4


def test_all_parameters_learn() -> None:
    model = LFModel(6, 6, 6, 3, 2)
    model(torch.randn(3, 5, 6)).square().sum().backward()
    assert [name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()] == []


def test_tokens_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"E223.*expected .batch, tokens, 6"):
        LFModel(6, 6, 6, 3, 2)(torch.randn(2, 5, 7))


SPEC = Path(__file__).parents[2] / "specs" / "original-lfm.yaml"


def test_the_spec_has_the_sizes_of_the_example() -> None:
    spec = load_spec(SPEC)
    graph = compile_graph(spec)
    check_expect(graph, spec)
    assert spec.expect is not None
    assert totals(graph).params == spec.expect.params
    assert [type_ for type_ in (graph["sequence"].type, graph["answer"].type) if type_ is not None] == [
        TensorType(("batch", "sequence_tokens", 512)),
        TensorType(("batch", "tokens", 512)),
    ]


def test_the_spec_mixes_tokens_where_the_example_does_not() -> None:
    """Swapping two tokens leaves their mean, so what maps tokens one by one puts out the same, swapped."""
    small = ("dims.hidden_size=32", "dims.adapt_size=8", "expect=null")
    model = lower(compile_graph(load_spec(SPEC, small)))
    with torch.no_grad():
        # an untrained convolution hears the current token only
        model.get_parameter("layers.0.mixer.tap_proj.bias").normal_()
    x_BTD = torch.randn(2, 6, 512)
    swapped = x_BTD[:, [0, 1, 3, 2, 4, 5]]
    moved = (model(swapped)[:, 5] - model(x_BTD)[:, 5]).abs().max()
    assert moved > 1e-4

    original = LFModel(512, 16, 16, 8, 2)
    torch.testing.assert_close(original(swapped)[:, 5], original(x_BTD)[:, 5])
