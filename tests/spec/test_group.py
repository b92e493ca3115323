"""Depth groups: stacks, repeats, and what is refused about them."""

from pathlib import Path

import pytest

from lfm_arch.spec.arch import DepthGroup
from lfm_arch.spec.group import mentions
from lfm_arch.spec.stack import parse_stack
from tests.spec.sample import model, model_mistakes, pointed_at


def blocks(folder: Path, text: str) -> str:
    return "".join(layer.block[0] for layer in model(folder, f"depth_groups: {text}").layers)


@pytest.mark.parametrize(
    ("groups", "layers"),
    [
        ("[{name: a, stack: 3*(2*conv attn) conv}]", "ccaccaccac"),
        ("[{name: a, stack: [conv, {repeat: 2, of: [conv, attn]}]}]", "ccaca"),
        ("[{name: a, stack: conv attn, repeat: 2}, {name: b, stack: conv}]", "cacac"),
        ("[{name: a, stack: conv, repeat: '${num_heads}'}]", "cccc"),
    ],
)
def test_expands(groups: str, layers: str, tmp_path: Path) -> None:
    assert blocks(tmp_path, groups) == layers


def test_groups_know_their_layers(tmp_path: Path) -> None:
    text = "depth_groups: [{name: a, stack: conv attn, repeat: 2, share: mixer}, {name: b, stack: conv}]"
    spec = model(tmp_path, text)
    assert spec.groups == (
        DepthGroup(name="a", start=0, stop=4, repeat=2, share="mixer"),
        DepthGroup(name="b", start=4, stop=5),
    )
    assert [layer.group for layer in spec.layers] == list("aaaab")


def test_mentions_are_counted_as_written() -> None:
    assert mentions(parse_stack("2*conv attn 2*(conv attn)")) == (
        ("conv", 0), ("conv", 0), ("attn", 1), ("conv", 2), ("attn", 3), ("conv", 2), ("attn", 3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "codes", "shown"),
    [
        ("[{name: a, stack: 2*(conv atn) cnov}]", ["E321", "E321"], "atn"),
        ("[{name: a, stack: 2*(conv attn}]", ["E320"], "("),
        ("[{name: a, stack: conv, repeat: 1000000000}]", ["E322"], "{name: a, stack: conv, repeat: 1000000000}"),
        ("[{name: a, stack: 9999*(9999*conv)}]", ["E322"], "9999*(9999*conv)"),
        ("[{name: a, stack: conv, repeat: 0}]", ["E204"], "0"),
        ("[{name: a, stack: conv, share: all}]", ["E205"], "all"),
        ("[{name: a, stack: conv}, {name: a, stack: conv}]", ["E208"], "{name: a, stack: conv}"),
        ("[{name: a b, stack: conv}]", ["E208"], "{name: a b, stack: conv}"),
        ("[{name: a, stack: []}]", ["E320"], "[]"),
        ("[{name: a, stack: [conv, {repeat: 2, off: [conv]}]}]", ["E324"], "[conv]"),
        ("[{name: a}]", ["E202"], "{name: a}"),
        ("{name: a, stack: conv}", ["E203"], "{name: a, stack: conv}"),
        ("[]", ["E202"], "lfm_arch"),
    ],
)
def test_refuses(groups: str, codes: list[str], shown: str, tmp_path: Path) -> None:
    found = model_mistakes(tmp_path, f"depth_groups: {groups}")
    assert [each.code for each in found] == codes
    assert pointed_at(found[0]) == shown


def test_a_deep_model_is_refused_quickly(tmp_path: Path) -> None:
    groups = ", ".join(f"{{name: g{i}, stack: 4000*conv}}" for i in range(50))
    found = model_mistakes(tmp_path, f"depth_groups: [{groups}]")
    assert {each.code for each in found} == {"E322"}
