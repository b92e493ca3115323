"""A configuration is read by its family's table: defaults as transformers has them, and nothing passed over unsaid."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from lfm_arch.core.errors import BuildError
from lfm_arch.export.configuration import Imported, import_config
from lfm_arch.export.families import FAMILIES
from lfm_arch.export.family import FIXED, IGNORED
from lfm_arch.graph.compile import check_expect, compile_graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.spec.model import load_spec

SPECS = Path(__file__).parents[2] / "specs"
HUB: dict[str, Any] = json.loads((Path(__file__).parent / "lfm2.json").read_text())
"""A configuration in the spelling of 2025."""


def imported(tmp_path: Path, **config: Any) -> Imported:
    (tmp_path / "config.json").write_text(json.dumps(config, indent=1))
    return import_config(tmp_path)


def refused(tmp_path: Path, **config: Any) -> list[tuple[str, str]]:
    with pytest.raises(BuildError) as caught:
        imported(tmp_path, **config)
    return [(each.code, each.path) for each in caught.value.diagnostics]


@pytest.mark.parametrize("name", FAMILIES)
def test_defaults_are_those_of_transformers(name: str) -> None:
    auto = pytest.importorskip("transformers.models.auto.configuration_auto")
    theirs = auto.CONFIG_MAPPING[name]
    declared = {each.name: each.default for each in dataclasses.fields(theirs)}
    family = FAMILIES[name]
    checked = 0
    for key in family.keys:
        if key.name not in declared or key.name == "rope_parameters":
            continue
        if key.name == "layer_types" and declared[key.name] is dataclasses.MISSING:
            continue
        assert key.default == declared[key.name], key.name
        checked += 1
    assert checked >= 10


@pytest.mark.parametrize("name", FAMILIES)
def test_every_key_of_transformers_is_read_fixed_or_ignored(name: str) -> None:
    auto = pytest.importorskip("transformers.models.auto.configuration_auto")
    family = FAMILIES[name]
    known = {key.name for key in family.keys} | family.ignored | IGNORED | {*family.fixed} | {*FIXED}
    known |= {*family.same} | {*family.renamed}
    assert {key for key in auto.CONFIG_MAPPING[name]().to_dict() if key not in known} == set()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (HUB, "lfm2-1.2b"),
        ({**HUB, "full_attn_idxs": None, "layer_types": [
            "full_attention" if n in (2, 5, 8, 10, 12, 14) else "conv" for n in range(16)]}, "lfm2-1.2b"),
        ({**HUB, "hidden_size": 1024, "block_dim": 1024, "conv_dim": 1024, "block_ff_dim": 6656,
          "num_attention_heads": 16, "num_heads": 16}, "lfm2-350m"),
        ({"model_type": "lfm2", "hidden_size": 2048, "num_hidden_layers": 30, "intermediate_size": 10752,
          "block_auto_adjust_ff_dim": False, "full_attn_idxs": [2, 5, 9, 13, 17, 21, 24, 27]}, "lfm2-2.6b"),
        ({"model_type": "lfm2_moe", "num_hidden_layers": 24, "layer_types": [
            "full_attention" if n in (2, 6, 10, 14, 18, 21) else "conv" for n in range(24)]}, "lfm2-8b-a1b"),
        ({"model_type": "lfm3"}, "lfm3-1.7b"),
    ],
    ids=["lfm2-1.2b", "layer_types", "lfm2-350m", "lfm2-2.6b", "lfm2-8b-a1b", "lfm3"],
)  # fmt: skip
def test_published_configurations_are_the_shipped_specs(config: dict[str, Any], name: str, tmp_path: Path) -> None:
    made = imported(tmp_path, **config)
    shipped = load_spec(SPECS / f"{name}.yaml")
    assert architecture_id(compile_graph(made.spec)) == architecture_id(compile_graph(shipped))
    assert made.spec.expect is not None
    assert shipped.expect is not None
    assert made.spec.expect.params == shipped.expect.params
    (tmp_path / "m.yaml").write_text(made.text)
    again = load_spec(tmp_path / "m.yaml")
    assert again == made.spec
    check_expect(compile_graph(again), again)


def test_the_spec_reads_like_one_that_was_written(tmp_path: Path) -> None:
    text = imported(tmp_path, **HUB).text
    assert "stack: 3*(2*conv attn) 3*(conv attn) conv}" in text
    assert '    num_heads: "${num_heads}"' in text
    assert text.startswith("# Imported from config.json: Lfm2ForCausalLM of Hugging Face transformers.\n")
    assert "# intermediate_size 12288 of the file is 8192 by its block_auto_adjust_ff_dim rule." in text


@pytest.mark.parametrize(
    ("rule", "width"),
    [
        ({"block_auto_adjust_ff_dim": False}, 1000),
        ({"block_auto_adjust_ff_dim": True, "block_multiple_of": 256}, 768),
        ({"block_auto_adjust_ff_dim": True, "block_multiple_of": 100}, 700),
        ({"block_auto_adjust_ff_dim": True, "block_ffn_dim_multiplier": 1.3, "block_multiple_of": 10}, 870),
        ({"block_auto_adjust_ff_dim": True, "block_ffn_dim_multiplier": None}, 666),
    ],
    ids=["exact", "up to 256", "up to 100", "multiplied", "two thirds"],
)
def test_feed_forward_width(rule: dict[str, Any], width: int, tmp_path: Path) -> None:
    config = {"model_type": "lfm2", "hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 1000}
    made = imported(tmp_path, **config, num_attention_heads=4, num_key_value_heads=4, **rule)
    assert made.spec.dims["intermediate_size"] == width
    modeling = pytest.importorskip("transformers.models.lfm2.modeling_lfm2")
    theirs = {key: value for key, value in rule.items() if value is not None}
    their_config = modeling.Lfm2Config(hidden_size=64, intermediate_size=1000, **theirs)
    if "block_ffn_dim_multiplier" in rule and rule["block_ffn_dim_multiplier"] is None:
        their_config.__dict__["block_ffn_dim_multiplier"] = None
    assert modeling.Lfm2MLP(their_config).w1.out_features == width


def test_without_a_layer_list_all_lfm2_layers_are_attention(tmp_path: Path) -> None:
    made = imported(tmp_path, model_type="lfm2", num_hidden_layers=3, hidden_size=2048)
    assert made.spec.expect is not None
    assert made.spec.expect.layout == "AAA"


def test_ignored_keys_are_listed(tmp_path: Path) -> None:
    made = imported(tmp_path, **HUB)
    assert made.ignored == (
        "architectures", "block_mlp_init_scale", "eos_token_id", "max_position_embeddings", "model_type", "torch_dtype",
    )  # fmt: skip


LLAMA = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({**LLAMA, "attention_temperature": 0.5}, [("E842", "attention_temperature")]),
        ({**LLAMA, "auto_map": {"AutoModel": "code.py"}}, [("E842", "auto_map")]),
        ({**LLAMA, "quantization_config": {"bits": 4}}, [("E844", "quantization_config")]),
        ({**LLAMA, "hidden_act": "gelu"}, [("E844", "hidden_act")]),
        ({**LLAMA, "attention_dropout": 0.1}, [("E844", "attention_dropout")]),
        ({**LLAMA, "hidden_size": "wide"}, [("E841", "hidden_size")]),
        ({**LLAMA, "num_hidden_layers": True}, [("E841", "num_hidden_layers")]),
        ({**LLAMA, "num_hidden_layers": 0}, [("E844", "num_hidden_layers")]),
        ({**LLAMA, "num_key_value_heads": 3}, [("E844", "num_key_value_heads")]),
        ({**LLAMA, "rope_scaling": {"rope_type": "unheard_of", "factor": 8.0}}, [("E844", "rope_scaling")]),
        ({**LLAMA, "rope_parameters": {"rope_theta": "big"}}, [("E841", "rope_parameters")]),
        ({**LLAMA, "rope_parameters": {"spin": 2}}, [("E842", "rope_parameters")]),
        ({**LLAMA, "rope_parameters": {"partial_rotary_factor": 0.5}}, [("E844", "rope_parameters")]),
        ({**LLAMA, "foo": 1, "hidden_act": "relu", "vocab_size": 0},
         [("E844", "hidden_act"), ("E842", "foo"), ("E844", "vocab_size")]),
        ({**HUB, "block_dim": 99}, [("E844", "block_dim")]),
        ({**HUB, "theta": 1e4}, [("E844", "theta")]),
        ({**HUB, "block_use_swiglu": False}, [("E844", "block_use_swiglu")]),
        ({**HUB, "layer_types": ["conv"]}, [("E844", "layer_types")]),
        ({**HUB, "layer_types": ["mamba"] * 16}, [("E844", "layer_types")]),
        ({**HUB, "num_attention_heads": 31, "num_heads": 31, "num_key_value_heads": 31},
         [("E844", "num_attention_heads")]),
        ({"model_type": "lfm2_moe"}, [("E844", "layer_types")]),
        ({"model_type": "lfm3", "sliding_window": None}, [("E844", "sliding_window")]),
        ({"model_type": "lfm3", "rope_parameters": {"rope_theta": 1e4}},
         [("E844", "rope_parameters"), ("E844", "rope_parameters")]),
        ({"model_type": "qwen3", "layer_types": ["sliding_attention"], "num_hidden_layers": 1},
         [("E844", "sliding_window")]),
        ({"model_type": "qwen3_moe", "decoder_sparse_step": 0}, [("E844", "decoder_sparse_step")]),
        ({"model_type": "mixtral", "router_jitter_noise": 0.1}, [("E844", "router_jitter_noise")]),
        ({**HUB, "block_ffn_dim_multiplier": float("nan")}, [("E841", "block_ffn_dim_multiplier")]),
        ({**LLAMA, "rope_theta": 10**400}, [("E841", "rope_theta")]),
        ({**LLAMA, "vocab_size": 10**30}, [("E841", "vocab_size")]),
        ({**LLAMA, "num_hidden_layers": 10**8}, [("E844", "num_hidden_layers")]),
        ({"model_type": "t5"}, [("E843", "model_type")]),
        ({"hidden_size": 64}, [("E841", "model_type")]),
    ],
    ids=lambda case: ",".join(f"{code}-{path}" for code, path in case) if isinstance(case, list) else "",
)  # fmt: skip
def test_what_cannot_be_held_is_refused_by_name(
    config: dict[str, Any], problems: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert sorted(refused(tmp_path, **config)) == sorted(problems)


def test_a_problem_is_shown_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        imported(tmp_path, **LLAMA, foo=3)
    place = caught.value.diagnostics[0].place
    assert place is not None
    assert (place.line, place.column, place.excerpt) == (6, 2, ' "foo": 3')


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000], ids=["empty", "list", "open", "deep"])
def test_what_is_no_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BuildError, match="E841"):
        import_config(tmp_path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="E841"):
        import_config(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("where", "given", "name"),
    [
        ("LFM2-1.2B", {}, "lfm2-1.2b"),
        ("x", {"_name_or_path": "LiquidAI/LFM2 350M"}, "lfm2-350m"),
        ("...", {}, "imported"),
    ],
    ids=["directory", "repository", "none"],
)
def test_name(where: str, given: dict[str, str], name: str, tmp_path: Path) -> None:
    (tmp_path / where).mkdir()
    assert imported(tmp_path / where, **LLAMA, **given).spec.name == name
