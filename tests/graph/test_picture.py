"""What repeats is drawn once, and nothing else is folded away."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfm_arch.core.work import Workload
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import count, totals
from lfm_arch.graph.picture import FoldedRow, Numbers, fold, spell
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.condition import FeaturizerCondition
from lfm_arch.spec.arch import DepthGroup, SharedFeatures, SharedWeights
from tests.graph.example import ATTENTION, CONV, LFM2_12B, layer, lfm3, spec

WIDE = CONV.model_copy(update={"kernel_size": 7})
KINDS = {"c": CONV, "A": ATTENTION, "w": WIDE}


def stack(letters: str, **fields: Any) -> list[FoldedRow]:
    return fold(compile_graph(spec(*(layer(KINDS[letter]) for letter in letters), **fields)))


def drawn(rows: list[FoldedRow]) -> str:
    """Write rows as the stack language does."""
    words: list[str] = []
    for row in rows:
        children = row.get("children")
        inner = f"({drawn(children)})" if children else row.get("letter", "?")
        words.append(f"{row['repeat']}*{inner}" if row["repeat"] > 1 else inner)
    return " ".join(words)


FOLDED = {
    "c": "c",
    "cc": "2*c",
    "cA": "c A",
    "cAcA": "2*(c A)",
    "ccccc": "5*c",
    LFM2_12B: "3*(2*c A) 3*(c A) c",
    "ccAcAcAcAcAcAc": "2*c 6*(A c)",
    "ccAccAcccAcccAcccAcccAccAccAcc": "2*c A 2*c 4*(A 3*c) 3*(A 2*c)",
    "AwAwcAwAwc": "2*(2*(A c) c)",
    "cAw": "c A c",
}


@pytest.mark.parametrize(("letters", "expected"), FOLDED.items())
def test_folds(letters: str, expected: str) -> None:
    assert drawn(stack(letters)) == expected


def _children(row: FoldedRow) -> list[FoldedRow]:
    assert "children" in row
    return row["children"]


def _each(row: FoldedRow) -> Numbers:
    assert "each" in row
    return row["each"]


def unfolded(rows: list[FoldedRow]) -> str:
    return "".join(
        row["repeat"] * (unfolded(row["children"]) if "children" in row else row.get("letter", "?")) for row in rows
    )


def leaves(rows: list[FoldedRow]) -> list[FoldedRow]:
    return [leaf for row in rows for leaf in (leaves(row["children"]) if "children" in row else [row])]


@given(st.text("cAw", min_size=1, max_size=24))
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost(letters: str) -> None:
    rows = stack(letters)
    assert unfolded(rows) == letters.replace("w", "c")
    assert sorted(number for row in leaves(rows) for number in row["indices"]) == list(range(len(letters)))
    for row in leaves(rows):
        assert {letters[number] for number in row["indices"]} in ({"c"}, {"A"}, {"w"})


@given(st.text("cA", min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_numbers_are_sums_over_all_layers(letters: str) -> None:
    graph = compile_graph(spec(*(layer(KINDS[letter]) for letter in letters)))
    work = Workload(tokens=1, past=5)
    layers = [cost for name, cost in count(graph, work).items() if name.startswith("layers.")]
    rows = fold(graph, work)
    for name in ("params", "active_params", "flops"):
        assert sum(row[name] for row in rows) == sum(getattr(cost, name) for cost in layers)
        assert sum(row[name] for row in leaves(rows)) == sum(getattr(cost, name) for cost in layers)
    assert sum(row["kv_elements_per_token"] for row in rows) == totals(graph).kv_elements_per_token
    assert sum(row["fixed_state_elements"] for row in rows) == totals(graph).fixed_state_elements


def test_a_tile_says_what_it_is() -> None:
    (row,) = [row for row in leaves(fold(compile_graph(lfm3()))) if row.get("letter") == "S"]
    assert (row.get("mixer"), row.get("mixer_type"), row.get("windowed")) == (
        "attention 16 heads, 4 kv, of 128, window 256",
        "attention",
        True,
    )
    assert (row.get("channel"), row.get("norm"), row["layers"]) == (
        "swiglu 7680 wide",
        "rms_norm, sandwich",
        "4, 8, 12, 16, 20",
    )
    assert 5 * _each(row)["window_elements"] == row["window_elements"] == 5 * 2 * 4 * 128 * 255


def test_layers_that_share_alike_are_folded() -> None:
    pairs = tuple(SharedFeatures(feature="kv", layers=(n, n + 1)) for n in (0, 2, 4))
    (frame,) = stack("AAAAAA", shared_features=pairs)
    assert frame["repeat"] == 3
    assert [leaf["links"] for leaf in leaves([frame])] == [
        ["computes kv for the layer 1 below"],
        ["kv of the layer 1 above"],
    ]


def test_layers_that_share_differently_are_not() -> None:
    rows = stack("AAAA", shared_features=(SharedFeatures(feature="kv", layers=(1, 2)),))
    assert [row["repeat"] for row in rows] == [1, 1, 1, 1]
    assert [row["links"] for row in rows] == [[], ["computes kv for layer 2"], ["kv of layer 1"], []]


def test_readers_of_one_owner_are_folded() -> None:
    rows = stack("AAAA", shared_features=(SharedFeatures(feature="kv", layers=(0, 1, 2, 3)),))
    assert [(row["repeat"], row["links"]) for row in rows] == [
        (1, ["computes kv for layers 1..3"]),
        (3, ["kv of layer 0"]),
    ]


def test_one_copy_of_weights_in_one_tile() -> None:
    (row,) = stack("cc", shared_weights=(SharedWeights(what=("mixer", "channel"), layers=(0, 1)),))
    assert row["links"] == ["one copy of mixer and channel weights"]
    assert row["params"] == _each(row)["params"] + 2 * 32, "the second layer holds its norms only"


def test_a_group_that_shares_is_one_frame() -> None:
    groups = (DepthGroup(name="trunk", start=0, stop=6, repeat=3, share="weights"),)
    (frame,) = stack("cAcAcA", groups=groups)
    assert (frame["name"], frame["repeat"], frame["layers"]) == ("trunk", 3, "0..5")
    assert frame["links"] == ["3 passes, one copy of weights"]
    assert drawn(_children(frame)) == "c A"
    assert frame["params"] == sum(_each(child)["params"] for child in _children(frame))


def test_groups_are_frames_with_their_names() -> None:
    groups = (DepthGroup(name="stem", start=0, stop=2), DepthGroup(name="trunk", start=2, stop=6, repeat=2))
    rows = stack("cccAcA", groups=groups)
    assert [(row["name"], row["repeat"], drawn(_children(row))) for row in rows] == [
        ("stem", 1, "2*c"),
        ("trunk", 2, "c A"),
    ]


def test_a_group_with_an_overridden_layer_is_drawn_pass_by_pass() -> None:
    (row,) = stack("cAwA", groups=(DepthGroup(name="trunk", start=0, stop=4, repeat=2),))
    assert (row["repeat"], len(leaves([row]))) == (1, 4)


def test_unfolded_every_layer_has_its_own_numbers() -> None:
    shared = SharedWeights(what=("layer",), layers=(0, 2))
    graph = compile_graph(spec(*(layer(KINDS[letter]) for letter in "cAc"), shared_weights=(shared,)))
    rows = fold(graph, unfolded=True)
    assert [(row["layers"], row["repeat"]) for row in rows] == [("0", 1), ("1", 1), ("2", 1)]
    assert rows[0]["params"] > 0
    assert rows[2]["params"] == _each(rows[2])["params"] == 0
    assert rows[2]["links"] == ["weights of layer 0"]


def test_a_layer_says_which_featurizer_it_reads() -> None:
    conditioned = AdaptiveLinear(rank=4, condition=FeaturizerCondition(name="user", size=8))
    featurizers = {"text": TokenEmbedding(vocab_size=64), "user": Features(size=8)}
    (row,) = fold(compile_graph(spec(layer(CONV, conditioned), featurizers=featurizers)))
    assert row["links"] == ["reads user"]
    assert row.get("channel") == "adaptive_linear rank 4 (featurizer size 8)"


def test_rows_are_json() -> None:
    rows = stack("cAcA", shared_features=(SharedFeatures(feature="kv", layers=(1, 3)),))
    assert json.loads(json.dumps(rows)) == rows


def test_a_deep_stack_is_folded_in_time() -> None:
    assert drawn(stack("ccA" * 200)) == "200*(2*c A)"


@pytest.mark.parametrize(
    ("numbers", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 5, 7, 8), "0..2, 5, 7..8"), ((2, 1), "1..2")]
)
def test_spells_layer_numbers(numbers: tuple[int, ...], text: str) -> None:
    assert spell(numbers) == text
