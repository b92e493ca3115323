"""Every branch of every decision is checked when a space is read."""

from pathlib import Path

import pytest

from tests.spec.sample import mistakes, pointed_at, space, write


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [
        ("operators: {conv: {kernel_size: {$choice: [3, five]}}}", "E203", "five"),
        ("operators: {conv: {kernel_size: {$choice: [3, 1], scope: layer}}}", "E204", "1"),
        ("operators: {conv: {kernel_size: {$int: {low: 1, high: 5}, prior: 3}}}", "E204", "1"),
        ("operators: {attn: {rope: {$choice: [null, {thetta: 3.0}]}}}", "E201", "thetta"),
        ("blocks: {conv: {mixer: {$choice: [conv, cnov]}}}", "E350", "cnov"),
        ("blocks: {conv: {mixer: {$choice: [conv, {type: short_cnov}]}}}", "E206", "short_cnov"),
        ("depth_groups: [{name: a, stack: {$choice: [conv, 2*cnov]}}]", "E321", "cnov"),
        ("depth_groups: [{name: a, stack: conv, share: {$choice: [none, all]}}]", "E205", "all"),
        ("dims: {x: {$choice: [1, '${y}']}}", "E305", "y"),
        ("sharing: [{weights: mixer, among: {$choice: [none, cnov]}}]", "E333", "cnov"),
        ("moe: [{layers: {$choice: [none, '9..']}, num_experts: 4, experts_per_token: 2}]", "E332", "9.."),
        ("overrides: {'0': {mixer.kernel_size: {$choice: [3, 0]}}}", "E204", "0"),
        ("dims: {a: {$switch: {on: num_heads, cases: {4: 1, 8: {$choice: [1, '${z}']}}}}}", "E305", "z"),
        ("operators: {spare: {type: {$choice: [mlp, mlpp]}, intermediate_size: 8, activation: gelu}}", "E206", "mlpp"),
    ],
)
def test_branches_that_are_not_drawn_are_checked(text: str, code: str, shown: str, tmp_path: Path) -> None:
    found = mistakes(write(tmp_path, text, kind="space"))
    assert [each.code for each in found] == [code]
    assert pointed_at(found[0]).strip("'") == shown


def test_all_branches_at_once(tmp_path: Path) -> None:
    text = "operators: {conv: {kernel_size: {$choice: [1, 3, x]}}, attn: {qk_norm: {$choice: [null, rmss]}}}"
    assert sorted(each.code for each in mistakes(write(tmp_path, text, kind="space"))) == ["E203", "E204", "E205"]


def test_a_combination_that_never_fits_is_a_warning(tmp_path: Path) -> None:
    found = space(tmp_path, "operators: {attn: {num_kv_heads: {$choice: [2, 3]}}}")
    [each] = [each for each in found.warnings if each.code == "W601"]
    assert pointed_at(each) == "3"
    assert "E230" in each.message


def test_open_decisions_of_a_model_are_all_listed(tmp_path: Path) -> None:
    text = "dims: {a: {$choice: [1, 2]}}\noperators: {conv: {kernel_size: {$int: {low: 3, high: 5}}}}"
    found = mistakes(write(tmp_path, text))
    assert [(each.code, each.path) for each in found] == [
        ("E601", "dims.a"),
        ("E601", "operators.conv.kernel_size"),
    ]
