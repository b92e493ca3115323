"""The JSON Schemas of editors: current, right about shipped files and examples, and strict about mistakes."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lfm_arch.cli.schema import KINDS
from lfm_arch.operators.registry import OPERATORS
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.schema import model_schema, schema_text
from lfm_arch.spec.tree import Source, plain
from lfm_arch.spec.words import WORDS, Word

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("specs", "specs/spaces", "specs/zoo", "specs/examples", "search", "lfm_arch/hardware/profiles")
    for path in (ROOT / folder).glob("*.yaml")
)
SCHEMAS = {kind: json.loads((ROOT / "specs" / "schema" / f"{kind}.json").read_text()) for kind in KINDS}
DECIDES = re.compile(r"\$(choice|int|float|subset|perm|switch|place)\b")


def values(text: str) -> Any:
    problems = Problems()
    root = read(Source("test.yaml", text), problems, Budget())
    assert root is not None, problems.errors
    return plain(root)


def complaints(kind: str, content: Any) -> list[str]:
    validator = jsonschema.Draft7Validator(SCHEMAS[kind])
    return [f"{'.'.join(map(str, error.path))}: {error.message[:200]}" for error in validator.iter_errors(content)]


@pytest.mark.parametrize("kind", KINDS)
def test_is_current(kind: str) -> None:
    made = KINDS[kind]() if kind not in ("model", "space") else model_schema(kind, plug_ins=False)
    shipped = (ROOT / "specs" / "schema" / f"{kind}.json").read_text()
    assert schema_text(made) == shipped, "run `lfm-arch schema --output specs/schema`"


@pytest.mark.parametrize("kind", KINDS)
def test_is_draft_07(kind: str) -> None:
    schema = SCHEMAS[kind]
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    text = json.dumps(schema)
    assert "$defs" not in text
    for target in re.findall(r'"\$ref": "#/definitions/([^"]+)"', text):
        assert target in schema["definitions"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_accepts_what_ships(path: Path) -> None:
    content = values(path.read_text())
    assert not complaints(content["kind"], content)


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name != "profiles"], ids=lambda path: path.stem)
def test_shipped_specs_point_to_their_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    target = path.parent / first.partition("=")[2]
    assert target.stem == values(path.read_text())["kind"]
    assert target.exists()


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_accepts_every_example(word: Word) -> None:
    kind = "space" if DECIDES.search(word.example) else "model"
    header = {"lfm_arch": 1, "kind": kind, "name": "example", "extends": "base.yaml"}
    content = values(word.example)
    if word.name not in ("study", "hw"):
        content = header | content
    assert not complaints(content["kind"], content)


MODEL = """
lfm_arch: 1
kind: model
name: x
dims: {hidden_size: 64, big: "${2 ** 10}", many: 1_000}
operators:
  conv: {type: short_conv, kernel_size: 3}
  attn: {type: attention, num_heads: 4, num_kv_heads: 2, head_dim: 16, rope: {theta: 1.0e+4}}
norm: {type: rms_norm, eps: 1.0e-5, placement: pre}
blocks: {conv: {mixer: conv}, attn: {mixer: attn, channel: {type: swiglu, intermediate_size: 128}}}
depth_groups: [{name: trunk, stack: 2*(conv attn)}]
"""

WRONG = [
    ("kind: model", "kind: modle"),
    ("lfm_arch: 1", "lfm_arch: 2"),
    ("name: x", "name: 3"),
    ("dims:", "dinms:"),
    ("hidden_size: 64", "hidden_size: [64]"),
    ("type: short_conv", "type: short_cnov"),
    ("kernel_size: 3", "kernal_size: 3"),
    ("kernel_size: 3", "kernel_size: 1"),
    ("kernel_size: 3", "kernel_size: three"),
    ("kernel_size: 3", "kernel_size: {$choice: [3, 5]}"),
    ("rope: {theta: 1.0e+4}", "rope: {thta: 1.0e+4}"),
    ("placement: pre", "placement: before"),
    ("{mixer: conv}", "{miser: conv}"),
    ("intermediate_size: 128", "intermediate_size: -1"),
    ("stack: 2*(conv attn)", "stack: 3"),
    ("name: trunk, ", "name: trunk, share: wieghts, "),
]


@pytest.mark.parametrize(("right", "wrong"), WRONG, ids=[wrong for _, wrong in WRONG])
def test_complains(right: str, wrong: str) -> None:
    assert not complaints("model", values(MODEL))
    assert right in MODEL
    assert complaints("model", values(MODEL.replace(right, wrong, 1)))


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("{$choice: [3, 5, 7], prior: 3, scope: layer}", True),
        ("{$choice: [3, '${num_heads}']}", True),
        ("{$int: {low: 2, high: 9, step: 1}}", True),
        ("{$choice: [3], scope: group(4)}", True),
        ("${num_heads}", True),
        ("2_000", True),
        ("1.3 k", True),
        ("{$choice: [3, five]}", False),
        ("{$choice: [3], scope: layers}", False),
        ("{$choice: []}", False),
        ("{$chioce: [3]}", False),
        ("{$int: {low: 2}}", False),
        ("{$choice: [3], $int: {low: 1, high: 2}}", False),
        ("1.3 K", False),
        ("a ${b}", False),
    ],
)
def test_spaces_may_decide_any_value(value: str, right: bool) -> None:
    quoted = f'"{value}"' if value[0] not in "{0123456789" else value
    text = MODEL.replace("kind: model", "kind: space").replace("kernel_size: 3", f"kernel_size: {quoted}")
    assert bool(complaints("space", values(text))) != right


def test_whole_operators_and_blocks_may_be_decided() -> None:
    mixer = "{$choice: [conv, {type: short_conv, kernel_size: 5}]}"
    text = MODEL.replace("kind: model", "kind: space").replace("{mixer: conv}", f"{{mixer: {mixer}}}")
    assert not complaints("space", values(text))
    assert complaints("space", values(text.replace("kernel_size: 5", "kernal_size: 5")))


def test_tells_editors_what_things_mean() -> None:
    schema = SCHEMAS["model"]
    for key, section in schema["properties"].items():
        assert len(section["description"]) > 40, key
    words = schema["definitions"]["operator"]["properties"]["type"]["anyOf"][0]["enum"]
    assert set(words) >= {each.model_fields["type"].default for each in OPERATORS}
    kernel = schema["definitions"]["ShortConv"]["properties"]["kernel_size"]
    assert kernel["description"].startswith("Tokens the convolution sees")


def test_inherited_files_may_leave_things_out() -> None:
    header = {"lfm_arch": 1, "kind": "model", "name": "x"}
    assert complaints("model", header)
    assert not complaints("model", header | {"extends": "base.yaml", "operators": {"conv": {"kernel_size": 5}}})
    assert complaints("model", header | {"extends": "base.yaml", "operators": {"conv": {"kernal_size": 5}}})
    edit = {"depth_groups": {"$append": [{"name": "tail", "stack": "conv"}]}}
    assert not complaints("model", header | {"extends": "base.yaml"} | edit)
