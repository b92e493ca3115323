"""Written architectures read back equal."""

import pickle
from pathlib import Path

import pytest

from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.norm import LayerNorm, RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.spec.arch import ArchSpec, DepthGroup, Layer, SharedFeatures, SharedWeights
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import load_space
from lfm_arch.spec.write import write_spec
from tests.spec.sample import model

ROOT = Path(__file__).parents[2] / "specs"
SHIPPED = [*sorted(ROOT.glob("*.yaml")), ROOT / "examples" / "tiny-shared.yaml"]


def back(spec: ArchSpec, folder: Path) -> ArchSpec:
    path = folder / "written.yaml"
    path.write_text(write_spec(spec))
    return load_spec(path)


@pytest.mark.parametrize(
    "path", [*sorted(ROOT.glob("*.yaml")), ROOT / "examples" / "tiny-shared.yaml"], ids=lambda path: path.stem
)
def test_shipped_specs(path: Path, tmp_path: Path) -> None:
    spec = load_spec(path)
    again = back(spec, tmp_path)
    assert again == spec
    assert write_spec(again) == write_spec(spec)


@pytest.mark.parametrize(
    "text",
    [
        "overrides: {'0..1': {mixer.kernel_size: 5}, 'attn[-1]': {mixer: {type: short_conv, kernel_size: 7}}}",
        "overrides: {'attn[-1]': {channel: null}, conv: {mixer: null}}",
        "overrides: {attn: {mixer.rope: {theta: 100.0}}, 'attn[0]': {mixer.rope: {type: proportional, fraction: 0.5}}}",
        "overrides: {'attn': {mixer.rope: {theta: 100.0}}, 'attn[1]': {mixer.rope: null}}",
        "overrides: {'3': {norm: {placement: sandwich}}}\nblocks: {attn: {norm: {type: layer_norm, eps: 1.0e-6}}}",
        "final_norm: null",
        "final_norm: {eps: 1.0e-6}",
        "norm: {type: layer_norm, eps: 1.0e-6, bias: false, placement: post}\nfinal_norm: {bias: true}",
        "depth_groups: [{name: a, stack: 2*conv attn, repeat: 3, share: weights}, {name: b, stack: conv}]",
        "sharing: [{weights: [mixer, norm], among: conv, group: 2}, {features: kv, among: attn}]",
        "moe: [{layers: '2..', num_experts: 4, experts_per_token: 2, scale: 1.5}]",
        "constraints: [{check: 'num_heads == 4 and true', why: 'it''s: so'}]\nexpect: {layers: 6, layout: ccAcAc}",
        "vars: {a: {b: [1, 2.5, null]}, t: '5 s'}\ndims: {word: 'on: off', yes: true, gone: null, unit: '12 KiB'}",
        "doc: 'quotes \" and # signs, \\\\ too'",
        "blocks: {conv: {mixer: {type: short_conv, kernel_size: 4}}, attn: {channel: null}}",
    ],
)
def test_every_section(text: str, tmp_path: Path) -> None:
    spec = model(tmp_path, text)
    assert back(spec, tmp_path) == spec


def test_one_that_was_made_in_python(tmp_path: Path) -> None:
    attn = Attention(num_heads=2, num_kv_heads=1, head_dim=4, rope=Rope(theta=10.0))
    norm = LayerNorm(eps=1e-5)
    layers = (
        Layer(block="a", group="g", mixer=ShortConv(kernel_size=3), norm=norm),
        Layer(block="b", group="g", mixer=attn, channel=None, norm=norm, placement="parallel"),
        Layer(block="b", group="g", mixer=attn.model_copy(update={"rope": None}), norm=RMSNorm(eps=1e-6)),
    )
    spec = ArchSpec(
        name="made",
        hidden_size=8,
        featurizers={"text": TokenEmbedding(vocab_size=4)},
        layers=layers,
        groups=(DepthGroup(name="g", start=0, stop=3),),
        shared_weights=(SharedWeights(what=("mixer",), layers=(0, 2)),),
        shared_features=(SharedFeatures(feature="kv", layers=(1, 2)),),
        final_norm=norm,
        dims={"hidden_size": 8},
    )
    assert back(spec, tmp_path) == spec


def test_places_are_no_part_of_equality(tmp_path: Path) -> None:
    one, other = model(tmp_path, ""), model(tmp_path, "# a comment above\nheads: {lm: {tied_to: text}}")
    assert one == other
    assert one != model(tmp_path, "operators: {conv: {kernel_size: 4}}")
    assert hash(one.layers[0]) == hash(other.layers[0])


def test_goes_to_other_processes(tmp_path: Path) -> None:
    spec = model(tmp_path, "")
    text = pickle.dumps(spec)
    # without the file and everything that was read of it
    assert len(text) < 10_000
    again = pickle.loads(text)
    assert again == spec
    assert again.place("norm") is None
    assert spec.place("norm") is not None


def test_is_pleasant_to_read(tmp_path: Path) -> None:
    text = write_spec(model(tmp_path, "overrides: {'conv[2..3]': {mixer.kernel_size: 5}}"))
    assert "stack: 2*conv 2*(attn conv)" in text
    assert '"3,5": {mixer.kernel_size: 5}' in text
    assert "conv: {type: short_conv, kernel_size: 3}" in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_space_writes_its_candidates() -> None:
    candidate = load_space(ROOT / "spaces" / "lfm-edge.yaml").default()
    assert candidate.text.startswith("lfm_arch: 1\nkind: model\nname: lfm-edge\n")
