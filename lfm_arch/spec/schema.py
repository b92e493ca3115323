"""The JSON Schemas that editors complete and check spec files with, generated from the models that read the files.

    model_schema("space")                      models and spaces: any value may be computed, in spaces decided
    file_schema(Profile, "hw")                 studies and hardware profiles: plain values

A file asks for its schema in its first line: `# yaml-language-server: $schema=schema/model.json`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel

from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.registry import operators
from lfm_arch.spec.arch import Fusion
from lfm_arch.spec.lift import NOTES, Json, Lifter, ref
from lfm_arch.spec.words import find_word
from lfm_arch.spec.written import (
    FEATURIZER,
    HEAD,
    NORM,
    OPERATOR,
    TOP,
    Shape,
    WrittenBlock,
    WrittenConstraint,
    WrittenExpect,
    WrittenGroup,
    WrittenSharing,
)

DRAFT = "http://json-schema.org/draft-07/schema#"
_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
_SELECTOR: Json = {"type": ["string", "integer"]}


def schema_text(schema: Json) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def file_schema(model: type[BaseModel], kind: str) -> Json:
    """Return the schema of a file that holds plain values of one model."""
    lifter = Lifter("closed")
    name = lifter.model(model)["$ref"].rsplit("/", 1)[-1]
    top = lifter.definitions.pop(name)
    required = list(dict.fromkeys((*_HEADER, *top.pop("required", ()))))
    own = {key: each for key, each in top.pop("properties").items() if key not in _header(kind)}
    return {
        "$schema": DRAFT,
        "title": f"lfm-arch {kind}",
        **top,
        "properties": _header(kind) | own,
        **_complete_unless_inherited(required),
        "definitions": lifter.definitions,
    }


def _complete_unless_inherited(required: Sequence[str]) -> Json:
    return {
        "required": list(_HEADER),
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": [key for key in required if key not in _HEADER]},
    }


def model_schema(kind: Literal["model", "space"], *, plug_ins: bool = True) -> Json:
    """Return the schema of model or space files.

    Args:
        kind: spaces may decide every value.
        plug_ins: whether operators of installed plug-in packages are listed.
    """
    lifter = Lifter("decided" if kind == "space" else "computed")
    words: Mapping[str, Any] = operators() if plug_ins else _words(OPERATOR)
    _define_typed(lifter, "operator", words)
    for name, shape in (("featurizer", FEATURIZER), ("head", HEAD), ("norm", NORM)):
        _define_typed(lifter, name, _words(shape))
    _define_layers(lifter)
    sections: dict[str, Json] = {
        "dims": _named(lifter, {"type": ["number", "string", "boolean"]}),
        "vars": _named(lifter, {}),
        "featurizers": _named(lifter, ref("featurizer")),
        "fusion": lifter.model(Fusion),
        "operators": _named(lifter, ref("operator")),
        "blocks": _named(lifter, ref("block")),
        "norm": ref("layer_norm"),
        "depth_groups": {"type": "array", "items": lifter.model(WrittenGroup)},
        "overrides": {
            "type": "object",
            "patternProperties": NOTES,
            "additionalProperties": lifter.value(ref("override")),
        },
        "sharing": {"type": "array", "items": lifter.model(WrittenSharing)},
        "moe": {"type": "array", "items": ref("experts")},
        "final_norm": ref("norm"),
        "heads": _named(lifter, ref("head")),
        "expect": lifter.model(WrittenExpect),
        "constraints": {"type": "array", "items": lifter.model(WrittenConstraint)},
    }
    properties = _header(kind)
    for key in TOP:
        if key not in properties:
            properties[key] = _section(lifter, key, sections[key])
    return {
        "$schema": DRAFT,
        "title": f"lfm-arch {kind}",
        "type": "object",
        "properties": properties,
        "patternProperties": NOTES,
        "additionalProperties": False,
        **_complete_unless_inherited(["dims", "depth_groups"]),
        "definitions": lifter.definitions,
    }


_HEADER = ("lfm_arch", "kind", "name")


def _header(kind: str) -> dict[str, Json]:
    return {
        "lfm_arch": {"const": 1, **_said("lfm_arch")},
        "kind": {"const": kind, **_said("kind")},
        "name": {"type": "string", **_said("name")},
        "doc": {"type": "string", **_said("doc")},
        "extends": {
            **_said("extends"),
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        },
    }


def _said(key: str) -> Json:
    word = find_word(key)
    assert word is not None, f"{key} is explained nowhere"
    return {"description": word.text}


def _section(lifter: Lifter, key: str, schema: Json) -> Json:
    return (
        _said(key) | lifter.value(schema)
        if "patternProperties" not in schema
        else _said(key) | _wrapped(lifter, schema)
    )


def _wrapped(lifter: Lifter, schema: Json) -> Json:
    """Widen a mapping whose values are widened already."""
    alternatives = [schema, {"type": "null"}, ref("expression")]
    return {"anyOf": [*alternatives, ref("decision")] if lifter.decisions else alternatives}


def _named(lifter: Lifter, schema: Json) -> Json:
    """A mapping of the file's own names."""
    return {
        "type": "object",
        "patternProperties": {_NAME: lifter.value(schema), **NOTES},
        "additionalProperties": False,
    }


def _words(shape: Shape) -> Mapping[str, type[BaseModel]]:
    assert shape.words is not None, f"{shape.what} has no types"
    return shape.words()


def _define_typed(lifter: Lifter, name: str, words: Mapping[str, type[BaseModel]]) -> None:
    lifter.definitions[name] = lifter.typed({word: lifter.model(model) for word, model in words.items()})


def _define_layers(lifter: Lifter) -> None:
    """Define what the models leave open: operators inside blocks, norms with their placement, experts."""
    lifter.model(WrittenBlock)
    block = lifter.definitions.pop(WrittenBlock.__name__)
    norm = lifter.definitions["norm"]
    placement = {"enum": ["pre", "post", "sandwich", "parallel"], **_said("placement")}
    lifter.definitions["layer_norm"] = _with_key(lifter, norm, "placement", placement)
    for key in ("mixer", "channel"):
        said = block["properties"][key].get("description", "")
        block["properties"][key] = lifter.value({"description": said, "anyOf": [{"type": "string"}, ref("operator")]})
    said = block["properties"]["norm"].get("description", "")
    block["properties"]["norm"] = lifter.value({"description": said, **ref("layer_norm")})
    lifter.definitions["block"] = block
    dotted = {r"^(mixer|channel|norm)\..": {}, **NOTES}
    lifter.definitions["override"] = {**block, "patternProperties": dotted}
    lifter.model(MoE)
    experts = lifter.definitions[MoE.__name__]
    fields = {key: each for key, each in experts["properties"].items() if key != "type"}
    layers = lifter.value({"description": "Which layers: a selector, or none.", **_SELECTOR})
    lifter.definitions["experts"] = {**experts, "properties": {"layers": layers, **fields}}


def _with_key(lifter: Lifter, typed: Json, key: str, schema: Json) -> Json:
    """Let every type of a typed mapping have one key more."""
    value = lifter.value(schema)
    cases: list[Json] = []
    for case in typed["allOf"]:
        target = case["then"]
        if "$ref" in target:
            target = lifter.definitions[target["$ref"].rsplit("/", 1)[-1]]
        cases.append({**case, "then": {**target, "properties": {**target["properties"], key: value}}})
    return {**typed, "allOf": cases}
