"""Warnings."""

from pathlib import Path

import pytest

from lfm_arch.spec.space import load_space
from tests.spec.sample import pointed_at, write


def warned(folder: Path, text: str, kind: str = "model") -> list[tuple[str, str]]:
    return [(each.code, each.path) for each in load_space(write(folder, text, kind=kind)).warnings]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("operators: {spare: {type: short_conv, kernel_size: 3}}", "operators.spare"),
        ("blocks: {spare: {mixer: conv}}", "blocks.spare"),
        ("dims: {spare: 3}", "dims.spare"),
        ("vars: {spare: 3}", "vars.spare"),
    ],
)
def test_what_nothing_uses(text: str, path: str, tmp_path: Path) -> None:
    assert warned(tmp_path, text) == [("W201", path)]


@pytest.mark.parametrize(
    "text",
    [
        "operators: {used: {type: short_conv, kernel_size: 3}}\noverrides: {'0': {mixer: used}}",
        "operators: {used: {type: short_conv, kernel_size: 3}}\ndims: {k: '${operators.used.kernel_size}'}\n"
        "constraints: [{check: k < 5}]",
        "blocks: {used: {mixer: conv}}\ndepth_groups: [{name: a, stack: [conv, {repeat: 2, of: [used]}]}]",
        "dims: {used: 3}\nconstraints: [{check: used < 5}]",
        "vars: {used: 3}\ndims: {hidden_size: '${vars.used * 64}'}",
        "vars: {used: 3}\ndims: {hidden_size: '${vars[\"used\"] * 64}'}",
        # what is inherited is not this file's to tidy
        "depth_groups: [{name: a, stack: conv}]",
    ],
)
def test_what_is_used(text: str, tmp_path: Path) -> None:
    assert warned(tmp_path, text) == []


def test_blocks_that_only_some_layouts_use(tmp_path: Path) -> None:
    text = (
        "blocks: {a: {mixer: conv}, b: {mixer: conv}}\n"
        "depth_groups: [{name: g, stack: {$place: {fill: a, length: 4, put: {b: {$int: {low: 0, high: 2}}}}}}]\n"
    )
    assert warned(tmp_path, text, kind="space") == []


def test_sharing_that_shares_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path, "depth_groups: [{name: a, stack: 2*conv, share: mixer}]\nsharing: [{weights: mixer, among: 0}]"
    )
    first, second = load_space(path).warnings
    assert (first.code, pointed_at(first)) == ("W202", "mixer")
    assert (second.code, second.path) == ("W202", "sharing[0]")


@pytest.mark.parametrize(
    "text",
    [
        "depth_groups: [{name: a, stack: conv, repeat: 2, share: mixer}]",
        "depth_groups: [{name: a, stack: conv, share: none}]",
        "sharing: [{weights: mixer, among: none}]",
        "sharing: [{weights: mixer, among: conv}]",
    ],
)
def test_sharing_that_shares(text: str, tmp_path: Path) -> None:
    assert warned(tmp_path, text) == []
