"""Foreign names: what is not named, or does not fit, is said in full."""

import pytest
import torch

from lfm_arch.core.errors import BuildError
from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.names import foreign_names, load_foreign, own_tensors, to_foreign
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.condition import TokenCondition
from lfm_arch.spec.arch import DepthGroup
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

GRAPH = compile_graph(spec(layer(), layer(ATTENTION)))


def test_names_of_every_kind_of_part() -> None:
    names = foreign_names(GRAPH, lower(GRAPH, device="meta"), "lfm2")
    assert names["model.embed_tokens.weight"] == "text.weight"
    assert names["lm_head.weight"] == "text.weight"
    assert names["model.embedding_norm.weight"] == "final_norm.weight"
    assert names["model.layers.0.conv.in_proj.weight"] == "layers.0.mixer.in_proj.weight"
    assert names["model.layers.1.self_attn.q_layernorm.weight"] == "layers.1.mixer.q_norm.weight"
    assert names["model.layers.1.operator_norm.weight"] == "layers.1.mixer_norm.weight"
    assert names["model.layers.1.feed_forward.w2.weight"] == "layers.1.channel.down_proj.weight"


def test_a_tied_head_need_not_be_in_the_checkpoint() -> None:
    model, other = lower(GRAPH), lower(GRAPH, seed=1)
    tensors = to_foreign(GRAPH, model, "lfm2")
    del tensors["lm_head.weight"]
    load_foreign(GRAPH, other, "lfm2", tensors)
    assert all(torch.equal(mine, other.state_dict()[name]) for name, mine in model.state_dict().items())


def test_a_shared_layer_stands_at_every_place_that_calls_it() -> None:
    shared = compile_graph(
        spec(layer(), layer(), groups=(DepthGroup(name="trunk", start=0, stop=2, repeat=2, share="weights"),))
    )
    names = foreign_names(shared, lower(shared, device="meta"), "lfm2")
    assert names["model.layers.0.conv.conv.weight"] == names["model.layers.1.conv.conv.weight"]


def test_parts_that_a_family_does_not_have() -> None:
    adaptive = compile_graph(spec(layer(CONV, AdaptiveLinear(rank=4, condition=TokenCondition(size=5)))))
    with pytest.raises(BuildError, match="E805") as raised:
        foreign_names(adaptive, lower(adaptive, device="meta"), "lfm2")
    assert len(raised.value.diagnostics) == len(
        list(lower(adaptive).blocks["layers.0"].get_submodule("channel").parameters())
    )
    with pytest.raises(BuildError, match="E805"):
        foreign_names(GRAPH, lower(GRAPH, device="meta"), "gpt2")


def test_a_checkpoint_of_another_architecture() -> None:
    model = lower(GRAPH)
    tensors = to_foreign(GRAPH, model, "lfm2")
    tensors["model.layers.0.conv.conv.weight"] = torch.zeros(32, 1, 5)
    tensors["model.layers.7.ffn_norm.weight"] = torch.zeros(32)
    del tensors["model.layers.1.ffn_norm.weight"]
    before = {name: tensor.clone() for name, tensor in own_tensors(model).items()}
    with pytest.raises(BuildError, match="E806") as raised:
        load_foreign(GRAPH, model, "lfm2", tensors)
    messages = "\n".join(each.message for each in raised.value.diagnostics)
    assert len(raised.value.diagnostics) == 3
    for words in (
        "[32, 1, 5], ours [32, 1, 3]",
        "layers.7.ffn_norm.weight is not",
        "layers.1.ffn_norm.weight is missing",
    ):
        assert words in messages
    assert all(torch.equal(before[name], tensor) for name, tensor in own_tensors(model).items())


def test_swiglu_is_named_by_what_it_does() -> None:
    assert SWIGLU.weight_names["lfm2"]["gate_proj"] == "feed_forward.w1"
