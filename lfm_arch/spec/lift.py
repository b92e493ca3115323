"""JSON Schemas of declared models, in Draft-07, widened mechanically for files that may compute or decide any value.

The models say plain types; the widening is the same everywhere:

    T  ->  T | null (takes an inherited value away) | "${...}" | a decision over T (in spaces)

and every mapping takes notes under `x-` keys and, because it may inherit, leaves nothing required.
"""

from typing import Any, Literal

from pydantic import BaseModel

from lfm_arch.core.docs import describe

Json = dict[str, Any]
Openness = Literal["closed", "computed", "decided"]
"""Whether values are plain, may be expressions, or may be decisions too."""

_ANNOTATIONS = ("description", "default", "examples")
_KEPT = (
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern",
    "minLength", "maxLength", "enumDescriptions", "minItems", "maxItems", "uniqueItems", "format", "minProperties",
    "propertyNames",
)  # fmt: skip
NOTES: Json = {"^x-": {}}

EXPRESSION: Json = {
    "description": "A computed value: the whole scalar, which keeps its type.",
    "type": "string",
    "pattern": r"^\s*\$\{[^}]*\}\s*$",
}
NUMBER_TEXT: Json = {
    "description": "A number as it may be written: 1_170_340_608, or with a unit, as 1.3 G or 128 Ki.",
    "type": "string",
    "pattern": r"^[-+]?[0-9][0-9_]*(\.[0-9]+)?([eE][-+]?[0-9]+)?( ?([kMGT]|[KMGT]i))?$",
}
DECISION: Json = {
    "description": "A decision: exactly one $key, and modifiers.",
    "type": "object",
    "oneOf": [{"required": [key]} for key in ("$choice", "$int", "$float", "$subset", "$perm", "$switch", "$place")],
    "properties": {
        "$choice": {"type": "array", "minItems": 1},
        "$int": {
            "type": "object",
            "required": ["low", "high"],
            "properties": {
                "low": {},
                "high": {},
                "step": {"type": "integer", "minimum": 1},
                "log": {"type": "boolean"},
            },
            "additionalProperties": False,
        },
        "$float": {
            "type": "object",
            "required": ["low", "high"],
            "properties": {"low": {}, "high": {}, "log": {"type": "boolean"}},
            "additionalProperties": False,
        },
        "$subset": {
            "type": "object",
            "required": ["of"],
            "properties": {
                "of": {"type": "array", "minItems": 1},
                "min": {"type": "integer", "minimum": 0},
                "max": {"type": "integer", "minimum": 0},
            },
            "additionalProperties": False,
        },
        "$perm": {"type": "array", "minItems": 1},
        "$switch": {
            "type": "object",
            "required": ["on", "cases"],
            "properties": {"on": {"type": "string"}, "cases": {"type": "object", "minProperties": 1}},
            "additionalProperties": False,
        },
        "$place": {
            "type": "object",
            "required": ["fill", "length", "put"],
            "properties": {name: {} for name in ("fill", "length", "put", "min_gap", "max_gap", "head", "tail")},
            "additionalProperties": False,
        },
        "prior": {},
        "when": {"type": ["string", "boolean"]},
        "scope": {
            "anyOf": [{"enum": ["spec", "layer", "use"]}, {"type": "string", "pattern": r"^group\(\s*[0-9]+\s*\)$"}]
        },
        "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"},
    },
    "patternProperties": NOTES,
    "additionalProperties": False,
}
_LIST_EDIT: Json = {
    "description": "An edit of an inherited list.",
    "type": "object",
    "minProperties": 1,
    "properties": {key: {"type": "array"} for key in ("$append", "$prepend", "$remove")},
    "additionalProperties": False,
}


def ref(name: str) -> Json:
    """Point to a definition of the same file."""
    return {"$ref": f"#/definitions/{name}"}


class Lifter:
    """Collects the definitions of one schema file."""

    def __init__(self, openness: Openness) -> None:
        self.open = openness != "closed"
        self.decisions = openness == "decided"
        self.definitions: dict[str, Json] = {"number": NUMBER_TEXT}
        if self.open:
            self.definitions |= {"expression": EXPRESSION, "list_edit": _LIST_EDIT}
        if self.decisions:
            self.definitions["decision"] = DECISION

    def model(self, model: type[BaseModel]) -> Json:
        """Define a model and everything inside it; return the reference to it."""
        describe(model)
        schema = model.model_json_schema(ref_template="#/definitions/{model}")
        for name, inner in schema.pop("$defs", {}).items():
            self.define(name, inner)
        self.define(model.__name__, schema)
        return ref(model.__name__)

    def define(self, name: str, schema: Json) -> None:
        if name not in self.definitions:
            self.definitions[name] = self.node(schema)

    def value(self, schema: Json) -> Json:
        """Widen what a key holds."""
        said = {key: schema[key] for key in _ANNOTATIONS if key in schema}
        inner = self.node({key: value for key, value in schema.items() if key not in _ANNOTATIONS})
        if not self.open:
            # in Draft-07 nothing beside a $ref counts
            return {**said, "allOf": [inner]} if said and "$ref" in inner else {**said, **inner}
        alternatives = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
        if not inner:
            return said
        if inner.get("type") == "array":
            alternatives = [*alternatives, ref("list_edit")]
        plain = [*alternatives, *(each for each in ({"type": "null"}, ref("expression")) if each not in alternatives)]
        if not self.decisions:
            return {**said, "anyOf": plain}
        option: Json = {"items": {"anyOf": [*plain, ref("decision")]}}
        decision: Json = {"allOf": [ref("decision"), {"properties": {"$choice": option}}]}
        return {**said, "anyOf": [*plain, decision]}

    def node(self, schema: Json) -> Json:
        """Convert a schema to Draft-07 and widen what is inside it."""
        said = {key: schema[key] for key in ("description",) if key in schema}
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        if "discriminator" in schema:
            mapping: dict[str, str] = schema["discriminator"]["mapping"]
            return said | self.typed({word: {"$ref": target} for word, target in mapping.items()})
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                parts: list[Json] = []
                for each in schema[key]:
                    part = self.node(each)
                    parts.extend(part["anyOf"] if set(part) == {"anyOf"} else [part])
                return said | {"allOf" if key == "allOf" else "anyOf": parts}
        kept = {key: schema[key] for key in _KEPT if key in schema}
        if schema.get("type") == "object":
            return said | self.mapping(schema, kept)
        if schema.get("type") == "array":
            return said | self.array(schema, kept)
        if schema.get("type") in ("integer", "number"):
            return {"anyOf": [kept, ref("number")]}
        return said | kept

    def mapping(self, schema: Json, kept: Json) -> Json:
        if "properties" in schema:
            kept["properties"] = {name: self.value(each) for name, each in schema["properties"].items()}
            kept["patternProperties"] = NOTES
            kept["additionalProperties"] = schema.get("additionalProperties", False)
            if not self.open and "required" in schema:
                kept["required"] = schema["required"]
            return kept
        inner = schema.get("additionalProperties")
        if isinstance(inner, dict):
            kept["additionalProperties"] = self.value(inner)
            kept["patternProperties"] = NOTES
        return kept

    def array(self, schema: Json, kept: Json) -> Json:
        if "prefixItems" in schema:
            kept["items"] = [self.value(each) for each in schema["prefixItems"]]
            kept["additionalItems"] = False
        elif "items" in schema:
            kept["items"] = self.value(schema["items"])
        return kept

    def typed(self, models: dict[str, Json]) -> Json:
        """Say that `type` decides which keys there are.

        A mapping without `type` (it inherits one, or the type has a default) may use the keys of any of them; one whose
        type is computed or decided is not looked into.
        """
        words = {word: self.definitions.get(target["$ref"].rsplit("/", 1)[-1], {}) for word, target in models.items()}
        kind: Json = {
            "enum": list(models),
            "enumDescriptions": [each.get("description", "") for each in words.values()],
        }
        any_key: Json = {}
        for each in words.values():
            for name, field in each.get("properties", {}).items():
                any_key.setdefault(name, {"description": field["description"]} if "description" in field else {})
        untyped = {"properties": any_key, "patternProperties": NOTES, "additionalProperties": False}
        cases: list[Json] = [
            {"if": {"properties": {"type": {"const": word}}, "required": ["type"]}, "then": target}
            for word, target in models.items()
        ]
        cases.append({"if": {"not": {"required": ["type"]}}, "then": untyped})
        return {"type": "object", "properties": {"type": self.value(kind)}, "allOf": cases}
