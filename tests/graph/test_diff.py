"""Layers are aligned, and every difference is told once."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.diff import Change, Difference, diff
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.condition import FeaturizerCondition
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.spec.arch import ArchSpec, ExpertPlacement, SharedFeatures, SharedWeights
from tests.graph.example import ATTENTION, CONV, layer, spec

KINDS = {"c": CONV, "A": ATTENTION}


def stack(letters: str, **fields: Any) -> ArchSpec:
    return spec(*(layer(KINDS[letter]) for letter in letters), **fields)


def between(before: ArchSpec, after: ArchSpec) -> Difference:
    return diff(compile_graph(before), compile_graph(after))


def changes(before: ArchSpec, after: ArchSpec) -> tuple[Change, ...]:
    found = between(before, after)
    assert not found.equal
    return found.changes


def test_equal_architectures_do_not_differ_whatever_they_are_called() -> None:
    found = between(stack("cA"), stack("cA", name="other", featurizers={"words": TokenEmbedding(vocab_size=64)},
                                       heads={"next": LMHead(tied_to="words")}))  # fmt: skip
    assert found.equal
    assert found.changes == ()


def test_layers_are_inserted() -> None:
    assert changes(stack("ccA"), stack("ccAccA")) == (
        Change("added", "layers", "", "3..4", ("short_conv: short_conv kernel 3 + swiglu 96 wide",)),
        Change("added", "layers", "", "5", ("attention: attention 4 heads, 2 kv, of 8 + swiglu 96 wide",)),
    )


def test_layers_are_removed_from_the_middle() -> None:
    (removed,) = changes(stack("cAAAc"), stack("cAc"))
    assert (removed.kind, removed.before, removed.after) == ("removed", "2..3", "") or removed.before == "1..2"


def test_a_field_changes_in_all_its_layers() -> None:
    wide = CONV.model_copy(update={"kernel_size": 5})
    after = spec(layer(wide), layer(ATTENTION), layer(wide))
    assert changes(stack("cAc"), after) == (Change("changed", "layers", "0, 2", "0, 2", ("mixer.kernel_size 3 -> 5",)),)


def test_a_nested_field_is_named() -> None:
    assert ATTENTION.rope is not None
    slow = ATTENTION.model_copy(update={"rope": ATTENTION.rope.model_copy(update={"theta": 1e4})})
    (change,) = changes(stack("A"), spec(layer(slow)))
    assert change.details == ("mixer.rope.theta 1e+06 -> 10000",)


def test_a_mixer_of_another_type() -> None:
    (change,) = changes(stack("ccc"), stack("cAc"))
    assert change == Change(
        "changed", "layers", "1", "1", ("mixer short_conv kernel 3 -> attention 4 heads, 2 kv, of 8",)
    )


def test_norms_and_their_placement() -> None:
    after = spec(layer(placement="sandwich"), final_norm=RMSNorm(eps=1e-6))
    assert changes(stack("c"), after) == (
        Change("changed", "layers", "0", "0", ("placement pre -> sandwich",)),
        Change("changed", "final_norm", details=("eps 1e-05 -> 1e-06",)),
    )


def test_experts() -> None:
    placed = (ExpertPlacement(layers=(1, 2), experts={"num_experts": 4, "experts_per_token": 2}),)
    (change,) = changes(stack("cAc"), stack("cAc", moe=placed))
    assert change.before == change.after == "1..2"
    assert change.details == ("channel swiglu 96 wide -> moe 4 experts, 2 chosen, 96 wide",)


def test_sharing() -> None:
    before = stack("AcA", shared_features=(SharedFeatures(feature="kv", layers=(0, 2)),))
    after = stack("AcA", shared_weights=(SharedWeights(what=("channel",), layers=(0, 1)),))
    found = changes(before, after)
    assert Change("removed", "sharing", "kv of layers 0, 2") in found
    assert Change("added", "sharing", after="channel weights of layers 0..1") in found


def test_sharing_that_moved_with_its_layers_is_the_same() -> None:
    before = stack("AA", shared_features=(SharedFeatures(feature="kv", layers=(0, 1)),))
    after = stack("cAA", shared_features=(SharedFeatures(feature="kv", layers=(1, 2)),))
    (change,) = changes(before, after)
    assert (change.kind, change.after) == ("added", "0")


def test_width_vocabulary_featurizers_and_heads() -> None:
    conditioned = AdaptiveLinear(rank=4, condition=FeaturizerCondition(name="user", size=8))
    after = spec(
        layer(CONV, conditioned),
        hidden_size=64,
        featurizers={"text": TokenEmbedding(vocab_size=128), "user": Features(size=8)},
        heads={"lm": LMHead(vocab_size=128)},
    )
    found = {change.what: change for change in changes(stack("c"), after)}
    assert (found["hidden_size"].before, found["hidden_size"].after) == ("32", "64")
    assert found["featurizers.text"].details == ("vocab_size 64 -> 128",)
    assert (found["featurizers.user"].kind, found["featurizers.user"].after) == ("added", "features size 8")
    assert found["heads.lm"].details == ("tied_to text -> null", "vocab_size null -> 128")


def test_counts_stand_side_by_side() -> None:
    counts = between(stack("c"), stack("cA")).as_json()["counts"]
    assert counts["layout"] == {"before": "c", "after": "cA"}
    assert counts["kv_bytes_per_token"] == {"before": 0, "after": 64}


@given(st.text("cA", min_size=1, max_size=8), st.text("cA", min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_something_is_said_exactly_when_something_differs(mine: str, theirs: str) -> None:
    found = between(stack(mine), stack(theirs))
    assert found.equal == (mine == theirs) == (not found.changes)
    added = sum(_length(change.after) for change in found.changes if change.kind == "added")
    removed = sum(_length(change.before) for change in found.changes if change.kind == "removed")
    assert len(theirs) - len(mine) == added - removed
    json.dumps(found.as_json())


def _length(spelled: str) -> int:
    ends = [run.split("..") for run in spelled.split(", ")]
    return sum(int(run[-1]) - int(run[0]) + 1 for run in ends)


@pytest.mark.parametrize("swapped", [False, True], ids=["forth", "back"])
def test_a_changed_layer_is_nearer_than_another_one(swapped: bool) -> None:
    wide = spec(layer(CONV.model_copy(update={"kernel_size": 5})), layer(ATTENTION))
    pair = (wide, stack("cA")) if swapped else (stack("cA"), wide)
    assert [change.kind for change in changes(*pair)] == ["changed"]
