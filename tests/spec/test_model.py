"""Models: what each section of a file makes of an architecture."""

from pathlib import Path

import pytest

from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.norm import LayerNorm, RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.model import load_spec
from tests.spec.sample import model, model_mistakes, pointed_at

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
LANGUAGE = """\
lfm_arch: 1
kind: model
name: lfm2-1.2b
doc: ten gated short convolutions and six grouped-query attention layers

dims:
  hidden_size: 2048
  num_heads: 32
  head_dim: ${div(hidden_size, num_heads)}        # exact: a remainder is an error, never a floor
  intermediate_size: ${ceil_to(12288 * 2 // 3, 256)}

featurizers:
  text: {type: token_embedding, vocab_size: 65536}

operators:
  conv:   {type: short_conv, kernel_size: 3}
  attn:   {type: attention, num_heads: "${num_heads}", num_kv_heads: 8, head_dim: "${head_dim}", qk_norm: rms, rope: {theta: 1.0e+6}}
  swiglu: {type: swiglu, intermediate_size: "${intermediate_size}"}

blocks:                                            # names never share weights; only `sharing` does
  conv: {mixer: conv, channel: swiglu}
  attn: {mixer: attn, channel: swiglu}
norm: {type: rms_norm, eps: 1.0e-5, placement: pre}

depth_groups:
  - {name: trunk, stack: 3*(2*conv attn) 3*(conv attn) conv}     # depth is counted, never written

heads:
  lm: {type: lm_head, tied_to: text}

expect:
  layout: ccAccAccAcAcAcAc
  params: 1_170_340_608
  kv_bytes_per_token: 12 KiB

overrides:
  "0..1":   {mixer.kernel_size: 5}                 # dotted keys merge below the layer
  attn[-1]: {mixer.window_size: null}
sharing:
  - {weights: [channel], among: "conv[3..6]"}      # these layers own one channel mixer together
"""  # noqa: E501 - as the language is described


def test_the_language_as_described(tmp_path: Path) -> None:
    path = tmp_path / "lfm2.yaml"
    path.write_text(LANGUAGE)
    spec = load_spec(path)
    assert spec.hidden_size == 2048
    assert spec.dims == {"hidden_size": 2048, "num_heads": 32, "head_dim": 64, "intermediate_size": 8192}
    assert "".join(layer.block[0] for layer in spec.layers) == "ccaccaccacacacac"
    conv, attn = spec.layers[2 - 2], spec.layers[2]
    assert conv.mixer == ShortConv(kernel_size=5)
    assert spec.layers[3].mixer == ShortConv(kernel_size=3)
    assert isinstance(attn.mixer, Attention)
    assert attn.mixer.rope is not None
    assert (attn.mixer.head_dim, attn.mixer.rope.theta) == (64, 1e6)
    assert conv.channel is attn.channel
    assert conv.channel == SwiGLU(intermediate_size=8192)
    assert (conv.norm, conv.placement) == (RMSNorm(eps=1e-5), "pre")
    assert spec.final_norm == RMSNorm(eps=1e-5)
    assert spec.expect is not None
    assert (spec.expect.params, spec.expect.kv_bytes_per_token) == (1_170_340_608, 12 * 1024)
    [shared] = spec.shared_weights
    # the fourth to the seventh convolution
    assert (shared.what, shared.layers) == (("channel",), (4, 6, 7, 9))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_load(path: Path) -> None:
    spec = load_spec(path)
    assert spec.layers
    assert spec.expect is not None


def test_places_are_found_by_path(tmp_path: Path) -> None:
    text = (
        "moe: [{layers: 0, num_experts: 4, experts_per_token: 2}]\n"
        "overrides: {'attn[-1]': {mixer.window_size: 8}, '0': {mixer: {kernel_size: 5}}}\n"
        "expect: {params: 12}\n"
    )
    spec = model(tmp_path, text)
    for path, line in (
        ("moe[0].num_experts", 5), ("moe[0]", 5), ("overrides.attn[-1].mixer.window_size", 6),
        ("overrides.0.mixer.kernel_size", 6), ("expect.params", 7), ("operators.attn.num_kv_heads", 8),
        ("operators.attn.scale", 8), ("depth_groups[0].stack", 14), ("blocks.conv", 12), ("norm", 10),
    ):  # fmt: skip
        place = spec.place(path)
        assert place is not None, path
        assert place.line == line, path
    assert spec.place("nothing.here") is None


# norms


def test_a_block_changes_the_norm_of_the_file(tmp_path: Path) -> None:
    text = "blocks: {attn: {norm: {placement: sandwich}}, conv: {norm: {type: layer_norm, eps: 1.0e-6}}}"
    spec = model(tmp_path, text)
    assert (spec.layers[0].norm, spec.layers[0].placement) == (LayerNorm(eps=1e-6), "pre")
    assert (spec.layers[2].norm, spec.layers[2].placement) == (RMSNorm(eps=1e-5), "sandwich")
    assert spec.final_norm == RMSNorm(eps=1e-5)


@pytest.mark.parametrize(
    ("text", "norm"),
    [
        ("norm: {placement: post}", RMSNorm(eps=1e-5)),
        ("final_norm: {eps: 1.0e-6}", RMSNorm(eps=1e-6)),
        ("final_norm: {type: layer_norm, eps: 1.0e-6, bias: false}", LayerNorm(eps=1e-6, bias=False)),
        ("final_norm: null", None),
    ],
)
def test_the_final_norm(text: str, norm: object, tmp_path: Path) -> None:
    assert model(tmp_path, text).final_norm == norm


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [
        ("norm: {placement: before}", "E205", "before"),
        ("final_norm: {placement: pre}", "E201", "placement"),
        ("blocks: {conv: {norm: null}}", "E203", "null"),
        ("norm: {epsilon: 1.0e-5}", "E201", "epsilon"),
    ],
)
def test_wrong_norms(text: str, code: str, shown: str, tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, text)
    assert (each.code, pointed_at(each)) == (code, shown)


def test_a_layer_without_a_norm(tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, "norm: null")
    assert (each.code, each.path, pointed_at(each)) == ("E202", "norm", "norm")


# blocks and operators


def test_operators_may_be_spelled_in_place(tmp_path: Path) -> None:
    spec = model(tmp_path, "blocks: {conv: {mixer: {type: short_conv, kernel_size: 4}, channel: null}}")
    assert spec.layers[0].mixer == ShortConv(kernel_size=4)
    assert spec.layers[0].channel is None
    assert spec.layers[0].mixer_path == "blocks.conv.mixer"
    assert spec.layers[2].mixer_path == "operators.attn"


def test_notes_may_stand_anywhere(tmp_path: Path) -> None:
    text = (
        "x-top: {any: [thing, '${not read}']}\n"
        "dims: {x-why: because}\noperators: {conv: {x-tuned: yes}, x-old: {type: gone}}\n"
        "blocks: {conv: {x-note: 1}, x-was: 2}\noverrides: {x-old: {y: 1}, '0': {x-note: 1}}\nheads: {lm: {x-a: 1}}\n"
    )
    assert model(tmp_path, text) == model(tmp_path, "")


def test_null_takes_away_what_was_inherited(tmp_path: Path) -> None:
    assert model(tmp_path, "heads: {lm: null}").heads == {}
    base = "operators: {attn: {window_size: 8, qkv_bias: true}}"
    (tmp_path / "middle.yaml").write_text(f"lfm_arch: 1\nkind: model\nname: middle\nextends: tiny.yaml\n{base}\n")
    text = (
        "lfm_arch: 1\nkind: model\nname: child\nextends: middle.yaml\n"
        "operators: {attn: {window_size: null, qkv_bias: null}}\n"
    )
    mixer = model(tmp_path, text).layers[2].mixer
    assert isinstance(mixer, Attention)
    assert (mixer.window_size, mixer.qkv_bias) == (None, False)
    # nothing was inherited here, so there is nothing to take away
    assert [each.code for each in model_mistakes(tmp_path, "operators: {attn: {out_bias: null}}")] == ["E203"]


def test_quantities_are_numbers(tmp_path: Path) -> None:
    spec = model(tmp_path, "dims: {hidden_size: 1 Ki, limit: 1.5 k}\noperators: {ffn: {intermediate_size: 2 Ki}}")
    assert spec.dims == {"hidden_size": 1024, "num_heads": 4, "limit": 1500}
    assert spec.layers[0].channel == SwiGLU(intermediate_size=2048)


def test_names_of_options_that_do_not_exist(tmp_path: Path) -> None:
    found = model_mistakes(tmp_path, "operators: {attn: null}")
    assert {each.code for each in found} == {"E350"}


# expressions


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [
        ("dims: {head: '${div(hidden_size, 7)}'}", "E308", "div(hidden_size, 7)"),
        ("dims: {head: '${hiden_size * 2}'}", "E305", "hiden_size"),
        ("operators: {conv: {kernel_size: '${hidden_size / 16}'}}", "E203", "'${hidden_size / 16}'"),
        ("operators: {conv: {kernel_size: 'k is ${hidden_size}'}}", "E312", "'k is ${hidden_size}'"),
        ("dims: {hidden_size: '${3.5 * 2}'}", "E203", "'${3.5 * 2}'"),
        ("dims: {hidden_size: 0}", "E203", "0"),
        ("dims: {list: [1, 2]}", "E203", "[1, 2]"),
    ],
)
def test_wrong_expressions_are_pointed_at(text: str, code: str, shown: str, tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, text)
    assert each.code == code
    if code != "E312":
        assert pointed_at(each) == shown


def test_expressions_look_into_sections(tmp_path: Path) -> None:
    text = (
        "vars: {sizes: {small: 3, large: 5}}\n"
        "dims: {kv: '${operators.attn.num_kv_heads * 2}', words: '${featurizers.text.vocab_size}'}\n"
        "operators: {conv: {kernel_size: '${vars.sizes.large}'}}\n"
    )
    spec = model(tmp_path, text)
    assert (spec.dims["kv"], spec.dims["words"]) == (4, 256)
    assert spec.layers[0].mixer == ShortConv(kernel_size=5)
    assert spec.vars == {"sizes": {"small": 3, "large": 5}}


def test_a_circle_shows_the_whole_chain(tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, "dims: {a: '${b}', b: '${c + 1}', c: '${a}', d: '${a}'}")
    assert each.code == "E351"
    assert "dims.a -> dims.b -> dims.c -> dims.a" in each.message


def test_what_depends_on_a_mistake_says_nothing_more(tmp_path: Path) -> None:
    text = "dims: {a: '${nothing}', b: '${a * 2}'}\noperators: {conv: {kernel_size: '${b}'}}"
    assert [each.code for each in model_mistakes(tmp_path, text)] == ["E305"]


def test_the_rest_of_a_part_is_still_read(tmp_path: Path) -> None:
    text = "operators: {attn: {head_dim: '${nothing}', qk_norm: rmss, rope: {thetta: 1}, num_kv_heads: 3}}"
    found = model_mistakes(tmp_path, text)
    # whether 3 divides the heads is not asked before all of it is known
    assert [each.code for each in found] == ["E305", "E205", "E201"]


# inherited places


def test_a_mistake_in_the_base_is_shown_there(tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, "dims: {num_heads: 3}")
    assert each.code == "E230"
    assert each.place is not None
    assert each.place.file.endswith("tiny.yaml")
    assert pointed_at(each) == "2"
    assert "inherited through `extends`" in each.notes[0]
    assert "child.yaml:4" in each.notes[0]


def test_an_overridden_value_tells_what_it_replaced(tmp_path: Path) -> None:
    [each] = model_mistakes(tmp_path, "operators: {conv: {kernel_size: 1}}")
    assert each.notes == (f"replaces the value at {tmp_path}/tiny.yaml:7:41",)


def test_many_mistakes_are_cut_short(tmp_path: Path) -> None:
    text = "operators: {" + ", ".join(f"o{i}: {{type: nothing{i}}}" for i in range(300)) + "}"
    found = model_mistakes(tmp_path, text)
    assert len(found) == 100
    assert "200 more mistakes" in found[-1].notes[-1]
