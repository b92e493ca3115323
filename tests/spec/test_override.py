"""Overrides on selected layers."""

from pathlib import Path

import pytest

from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import GeGLU, SwiGLU
from lfm_arch.spec.arch import Layer
from tests.spec.sample import model, model_mistakes, pointed_at


def layers(folder: Path, overrides: str) -> tuple[Layer, ...]:
    # conv conv attn conv attn conv
    return model(folder, f"overrides:\n  {overrides}\n").layers


def kernels(folder: Path, overrides: str) -> list[int]:
    mixers = [layer.mixer for layer in layers(folder, overrides)]
    return [mixer.kernel_size for mixer in mixers if isinstance(mixer, ShortConv)]


@pytest.mark.parametrize(
    ("overrides", "sizes"),
    [
        ('"0..1": {mixer.kernel_size: 5}', [5, 5, 3, 3]),
        ("conv[-1]: {mixer: {kernel_size: 5}}", [3, 3, 3, 5]),
        ("conv: {mixer.kernel_size: 5}\n  conv[1..2]: {mixer.kernel_size: 7}", [5, 7, 7, 5]),
        ("0: {mixer.kernel_size: 5}", [5, 3, 3, 3]),
        ("trunk[0]: {mixer.kernel_size: 5}", [5, 3, 3, 3]),
        ("none: {mixer.kernel_size: 5}", [3, 3, 3, 3]),
        ("0: null", [3, 3, 3, 3]),
    ],
)
def test_merge_below_the_layer(overrides: str, sizes: list[int], tmp_path: Path) -> None:
    assert kernels(tmp_path, overrides) == sizes


def test_a_changed_type_drops_its_siblings(tmp_path: Path) -> None:
    made = layers(
        tmp_path, "attn[0]: {mixer: {type: short_conv, kernel_size: 9}, channel: {type: geglu, intermediate_size: 8}}"
    )
    assert (made[2].mixer, made[2].channel) == (ShortConv(kernel_size=9), GeGLU(intermediate_size=8))
    assert made[2].block == "attn"
    assert made[2].mixer_path == "overrides.attn[0].mixer"
    assert isinstance(made[4].mixer, Attention)


def test_nested_mappings_merge_too(tmp_path: Path) -> None:
    text = "attn: {mixer.rope: {theta: 100.0}}\n  attn[0]: {mixer.rope.fraction: 0.5}\n  attn[1]: {mixer.rope: null}"
    first, second = (each.mixer for each in layers(tmp_path, text) if isinstance(each.mixer, Attention))
    assert isinstance(first, Attention)
    assert isinstance(second, Attention)
    assert first.rope == Rope(theta=100.0, fraction=0.5)
    assert second.rope is None


def test_operators_by_name_and_nothing_at_all(tmp_path: Path) -> None:
    made = layers(tmp_path, "0: {mixer: attn, channel: null}\n  1: {mixer: null}")
    assert isinstance(made[0].mixer, Attention)
    assert made[0].channel is None
    assert made[1].mixer is None
    assert made[1].channel == SwiGLU(intermediate_size=128)


def test_norms(tmp_path: Path) -> None:
    made = layers(tmp_path, "0: {norm.eps: 1.0e-6, norm.placement: parallel}")
    assert (made[0].norm, made[0].placement) == (RMSNorm(eps=1e-6), "parallel")
    assert (made[1].norm, made[1].placement) == (RMSNorm(eps=1e-5), "pre")


def test_equal_layers_are_one_object(tmp_path: Path) -> None:
    made = layers(tmp_path, "0: {mixer.kernel_size: 5}\n  3: {mixer.kernel_size: 5}")
    assert made[0] is made[3]
    assert made[0] is not made[1]


@pytest.mark.parametrize(
    ("overrides", "code", "shown"),
    [
        ("atn: {mixer.window_size: 8}", "E333", "atn"),
        ("'7': {mixer.kernel_size: 5}", "E332", "7"),
        ("attn[: {mixer.kernel_size: 5}", "E330", "["),
        ("0: {mixr.kernel_size: 5}", "E201", "mixr.kernel_size"),
        ("0: {mixer.kernal_size: 5}", "E201", "mixer.kernal_size"),
        ("0: {mixer.kernel_size: 1}", "E204", "1"),
        ("0: {mixer.window_size: 8}", "E201", "mixer.window_size"),
        ("0: {mixer: atn}", "E350", "atn"),
        ("0: 5", "E203", "5"),
        ("attn[0]: {mixer: {type: atention}}", "E206", "atention"),
    ],
)
def test_mistakes_are_shown_in_the_override(overrides: str, code: str, shown: str, tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, f"overrides:\n  {overrides}\n")
    assert (each.code, pointed_at(each)) == (code, shown)


def test_a_mistake_made_by_an_override_names_what_it_replaced(tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, "overrides: {'attn[1]': {mixer.num_kv_heads: 3}}")
    assert (each.code, each.path) == ("E230", "overrides.attn[1].mixer.num_kv_heads")
    assert any("tiny.yaml:8" in note for note in each.notes)
