"""Graphs as text: one golden file for every shipped model, read in review."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lfm_arch.graph.compile import check_promises, compile_graph
from lfm_arch.graph.text import describe, dump
from lfm_arch.operators.attention.declaration import Rope
from lfm_arch.spec.arch import SharedFeatures, SharedWeights
from lfm_arch.spec.model import load_spec
from tests.graph.example import ATTENTION, CONV, layer, spec

MODELS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_shipped_model_is_what_it_was(path: Path, golden: Callable[[str, str], None]) -> None:
    made = load_spec(path)
    graph = compile_graph(made)
    check_promises(graph, made)
    golden(f"{path.stem}.graph.txt", dump(graph))


def test_a_text_is_the_same_every_time() -> None:
    made = spec(layer(), layer(ATTENTION))
    assert dump(compile_graph(made)) == dump(compile_graph(made))


def test_says_what_is_shared_by_whom() -> None:
    graph = compile_graph(
        spec(
            *(3 * [layer(ATTENTION)]),
            shared_features=(SharedFeatures(feature="kv", layers=(0, 2)),),
            shared_weights=(SharedWeights(what=("layer",), layers=(0, 1)),),
        )
    )
    lines = dump(graph).splitlines()
    assert "    one mixer and channel and norm for layers 0, 1" in lines
    assert "    kv computed once for layers 0, 2" in lines
    assert "layers.2  [mixer.kv=shared.kv.0, stream=layers.1] -> [batch, tokens, 32]" in lines


def test_describes_a_part_without_its_defaults() -> None:
    assert describe(CONV) == "short_conv(kernel_size=3)"
    assert describe(ATTENTION) == (
        "attention(num_heads=4, num_kv_heads=2, head_dim=8, qk_norm=rms, rope=(theta=1e+06))"
    )
    turned = ATTENTION.model_copy(update={"rope": Rope(type="proportional", theta=10.0, fraction=0.5)})
    assert describe(turned).endswith("rope=proportional(theta=10, fraction=0.5))")
