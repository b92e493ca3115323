"""Letters of mixers, those of plug-ins included."""

from typing import Any

import pytest

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.layout import layout
from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.base import Operator
from lfm_arch.operators.condition import TokenCondition
from lfm_arch.operators.short_conv.declaration import ShortConv
from tests.graph.example import ATTENTION, SWIGLU, layer, spec


class GatedDeltaNet(Operator):
    """Only declares what a letter depends on."""

    type: Any = "gated_delta_net"
    roles = ("mixer",)

    def cost(self, width: int, work: Workload) -> Cost:
        return Cost(mixing_flops=width * work.positions)

    def state(self, width: int) -> tuple[StateSlot, ...]:
        return (StateSlot("memory", ("batch", width, width), precision="float32"),)

    def build(self, width: int) -> Any:
        raise AssertionError("counting builds nothing")


CASES: dict[str, tuple[Operator | None, str]] = {
    "short convolution": (ShortConv(kernel_size=3), "c"),
    "adaptive convolution": (
        AdaptiveConv(kernel_size=3, num_heads=2, head_dim=8, condition=TokenCondition(size=4)), "c"
    ),
    "attention": (ATTENTION, "A"),
    "windowed attention": (ATTENTION.model_copy(update={"window_size": 16}), "S"),
    "bidirectional attention": (ATTENTION.model_copy(update={"direction": "bidirectional"}), "A"),
    "linear recurrence of a plug-in": (GatedDeltaNet(), "n"),
    "no mixer": (None, "-"),
}  # fmt: skip


@pytest.mark.parametrize(("mixer", "letter"), CASES.values(), ids=CASES.keys())
def test_a_letter_says_what_is_remembered(mixer: Operator | None, letter: str) -> None:
    plain = layer(ATTENTION, SWIGLU, placement="pre").model_copy(update={"mixer": mixer})
    made = compile_graph(spec(heads={}).model_copy(update={"layers": (plain,)}))
    assert layout(made) == letter


def test_heads_and_sizes_do_not_matter() -> None:
    small, large = (Attention(num_heads=n, num_kv_heads=1, head_dim=2) for n in (1, 8))
    assert layout(compile_graph(spec(layer(small), layer(large)))) == "AA"
