"""First values are a function of (seed, parameter name) and of nothing else."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower import initial
from lfm_arch.lower.compile import lower
from lfm_arch.lower.initial import Initialiser, construct
from lfm_arch.lower.model import Model
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec
from tests.graph.example import ATTENTION, CONV, layer, spec

LAYERS = (layer(), layer(ATTENTION), layer())
SMALL = spec(*LAYERS)


def values(architecture: ArchSpec = SMALL, **options: Any) -> dict[str, torch.Tensor]:
    return lower(compile_graph(architecture), **options).state_dict()


def test_the_same_seed_gives_the_same_values_and_another_seed_others() -> None:
    first, again, other = values(seed=1), values(seed=1), values(seed=2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    changed = {name for name in first if not torch.equal(first[name], other[name])}
    assert changed == {name for name in first if first[name].ndim > 1}


def test_no_global_random_number_is_used_or_spent() -> None:
    torch.manual_seed(0)
    first, after = values(), torch.rand(1)
    torch.manual_seed(0)
    torch.testing.assert_close(torch.rand(1), after)
    torch.manual_seed(123)
    again = values()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_parameter_does_not_depend_on_its_neighbours() -> None:
    """Removing a layer, or the number of experts beside it, changes no other parameter of the same name."""
    whole, part = values(), values(spec(*LAYERS[:2]))
    same = [name for name in part if "out_proj" not in name and "down_proj" not in name]
    assert len(same) > 10
    assert all(torch.equal(whole[name], part[name]) for name in same)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_narrower_format_is_the_same_values_rounded(dtype: torch.dtype) -> None:
    wide, narrow = values(), values(dtype=dtype)
    assert all(torch.equal(wide[name].to(dtype), narrow[name]) for name in wide)


def test_threads_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every chunk has a generator of its own, so who draws it does not matter."""
    monkeypatch.setattr(initial, "CHUNK", 64)
    one = values()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    many = values()
    assert all(torch.equal(one[name], many[name]) for name in one)
    row = one["text.weight"].view(-1)
    assert not torch.equal(row[:64], row[64:128])


def test_how_wide_the_values_are() -> None:
    """0.02; matrices that write to the stream less, by depth; depthwise filters like torch's convolutions."""
    architecture = spec(
        *(layer(ShortConv(kernel_size=3), SwiGLU(intermediate_size=256)) for _ in range(8)),
        hidden_size=128,
        featurizers={"text": TokenEmbedding(vocab_size=512)},
    )
    found = values(architecture)
    wide = {name: float(tensor.std()) for name, tensor in found.items() if tensor.ndim > 1}
    assert wide["text.weight"] == pytest.approx(0.02, rel=0.03)
    assert wide["layers.3.mixer.in_proj.weight"] == pytest.approx(0.02, rel=0.03)
    assert wide["layers.3.mixer.out_proj.weight"] == pytest.approx(0.02 / math.sqrt(16), rel=0.03)
    assert wide["layers.3.channel.down_proj.weight"] == pytest.approx(0.02 / math.sqrt(16), rel=0.03)
    assert wide["layers.3.mixer.conv.weight"] == pytest.approx(1 / 3, rel=0.1)
    assert all(abs(float(tensor.mean())) < 0.002 for tensor in found.values() if tensor.ndim == 2)
    assert torch.equal(found["final_norm.weight"], torch.ones(128))


def test_vectors_that_are_filled_at_random_are_biases_and_start_at_zero() -> None:
    found = values(spec(layer(ShortConv(kernel_size=3, bias=True))))
    assert torch.equal(found["layers.0.mixer.in_proj.bias"], torch.zeros(96))
    assert torch.equal(found["layers.0.mixer.conv.bias"], torch.zeros(32))


class Special(nn.Module):
    """What modules do in their constructors."""

    def __init__(self) -> None:
        super().__init__()
        self.rates = nn.Parameter(torch.arange(12.0).view(3, 4).log1p())
        self.filled = nn.Parameter(torch.empty(3, 4))
        nn.init.constant_(self.filled, 0.5)
        self.eye = nn.Parameter(torch.empty(4, 4))
        with torch.no_grad():
            self.eye.copy_(torch.eye(4))
        self.written = nn.Parameter(torch.empty(2, 2))
        with torch.no_grad():
            self.written[:] = 2.0
        self.drawn = nn.Parameter(torch.empty(3, 4))
        nn.init.xavier_uniform_(self.drawn)
        self.left = nn.Parameter(torch.empty(3, 4))
        self.own = nn.Parameter(torch.rand(5))
        self.table = nn.Buffer(torch.arange(3.0))


def test_what_a_module_sets_it_keeps_and_what_it_draws_is_drawn_anew() -> None:
    torch.manual_seed(0)
    part = construct("special", Special, seed=0)
    assert part.raw == {"drawn", "left"}
    with Initialiser.of(0, branches=1) as initialiser:
        initialiser.apply(part, dtype=torch.bfloat16, device=torch.device("cpu"))
    made: Any = part.module
    torch.testing.assert_close(made.rates.float(), torch.arange(12.0).view(3, 4).log1p(), rtol=1e-2, atol=1e-2)
    assert (made.filled == 0.5).all()
    assert torch.equal(made.eye.float(), torch.eye(4))
    assert (made.written == 2).all()
    assert 0 < made.drawn.abs().max() < 0.1
    assert 0 < made.left.abs().max() < 0.1
    assert made.drawn.dtype == made.rates.dtype == torch.bfloat16
    assert made.table.dtype == torch.float32
    # even what it draws as a vector is a function of seed and name
    torch.manual_seed(99)
    again: Any = construct("special", Special, seed=0).module
    torch.testing.assert_close(made.own, again.own.to(torch.bfloat16))


def test_memory_that_is_reused_is_not_taken_for_empty() -> None:
    """A temporary of the constructor must not lend its address to a parameter that was set."""

    class Reusing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for _ in range(50):
                torch.empty(1000, 1000)
            self.ones = nn.Parameter(torch.ones(1000, 1000))

    assert construct("reusing", Reusing, seed=0).raw == frozenset()


def test_meta_allocates_nothing() -> None:
    model: Model = lower(compile_graph(SMALL), device="meta", dtype=torch.bfloat16)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model(torch.zeros(2, 5, dtype=torch.long, device="meta")).shape == (2, 5, 64)


def test_left_unset_keeps_what_is_special() -> None:
    model = lower(compile_graph(spec(layer(CONV))), dtype=torch.float16, initialise=False)
    assert torch.equal(model.state_dict()["final_norm.weight"], torch.ones(32, dtype=torch.float16))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}
