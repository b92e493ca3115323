"""Sharing and expert placement."""

from pathlib import Path

import pytest

from tests.spec.sample import model, model_mistakes, pointed_at


@pytest.mark.parametrize(
    ("entry", "made"),
    [
        ("{weights: mixer, among: conv}", [(("mixer",), (0, 1, 3, 5))]),
        ("{weights: [mixer, channel], among: '0..1'}", [(("mixer", "channel"), (0, 1))]),
        ("{weights: layer, among: conv, group: 2}", [(("layer",), (0, 1)), (("layer",), (3, 5))]),
        ("{weights: norm, among: conv, group: 3}", [(("norm",), (0, 1, 3))]),
        ("{weights: layer, among: conv, group: 1}", []),
        ("{weights: layer, among: none}", []),
    ],
)
def test_shared_weights(entry: str, made: list[object], tmp_path: Path) -> None:
    spec = model(tmp_path, f"sharing: [{entry}]")
    assert [(each.what, each.layers) for each in spec.shared_weights] == made
    assert all(each.path == "sharing[0]" for each in spec.shared_weights)


def test_shared_features(tmp_path: Path) -> None:
    text = "depth_groups: [{name: trunk, stack: 5*attn}]\nsharing: [{features: kv, among: attn, group: 2}]"
    spec = model(tmp_path, text)
    # the first of each two computes, the other reads; the fifth is alone
    assert [(each.feature, each.layers) for each in spec.shared_features] == [("kv", (0, 1)), ("kv", (2, 3))]


def test_shared_featurizers(tmp_path: Path) -> None:
    text = (
        "featurizers: {more: {type: token_embedding, vocab_size: 256}}\n"
        "sharing: [{featurizers: [text, more]}, {features: kv, among: attn}]"
    )
    spec = model(tmp_path, text)
    assert [each.featurizers for each in spec.shared_featurizers] == [("text", "more")]
    assert len(spec.shared_features) == 1


def test_experts(tmp_path: Path) -> None:
    text = (
        "moe:\n"
        "  - {layers: '2..', num_experts: 4, experts_per_token: 2}\n"
        "  - {layers: none, num_experts: 4, experts_per_token: 2}\n"
        "  - {layers: 'conv[0], 1', num_experts: 8, experts_per_token: 1, intermediate_size: '${hidden_size}'}\n"
    )
    first, second = model(tmp_path, text).moe
    assert (first.layers, first.experts) == ((2, 3, 4, 5), {"num_experts": 4, "experts_per_token": 2})
    assert (second.layers, second.experts["intermediate_size"], second.path) == ((0, 1), 64, "moe[2]")


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [
        ("sharing: [{weights: [mixr], among: conv}]", "E205", "mixr"),
        (
            "sharing: [{weights: mixer, features: kv, among: conv}]",
            "E210",
            "{weights: mixer, features: kv, among: conv}",
        ),
        ("sharing: [{among: conv}]", "E210", "{among: conv}"),
        ("sharing: [{weights: mixer}]", "E210", "{weights: mixer}"),
        ("sharing: [{featurizers: [text], group: 2}]", "E210", "2"),
        ("sharing: [{weights: mixer, among: cnov}]", "E333", "cnov"),
        ("sharing: [{weights: mixer, among: conv, group: 0}]", "E204", "0"),
        ("sharing: [{weights: mixer, amongst: conv, among: conv}]", "E201", "amongst"),
        ("sharing: {weights: mixer, among: conv}", "E203", "{weights: mixer, among: conv}"),
        ("moe: [{num_experts: 4, experts_per_token: 2}]", "E202", "{num_experts: 4, experts_per_token: 2}"),
        ("moe: [{layers: '9..', num_experts: 4, experts_per_token: 2}]", "E332", "9.."),
        ("moe: [{layers: [1, 2], num_experts: 4, experts_per_token: 2}]", "E203", "[1, 2]"),
        ("moe: [{layers: all, num_expert: 4}]", "E201", "num_expert"),
        ("moe: [{layers: all, num_experts: four}]", "E203", "four"),
        ("moe: [all]", "E203", "all"),
    ],
)
def test_refuses(text: str, code: str, shown: str, tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, text)
    assert each.code == code
    assert pointed_at(each).strip("'") == shown
