"""Diagnostics as JSON and SARIF."""

import json
from typing import Any

import jsonschema

from lfm_arch.cli.sarif import json_text, sarif_text
from lfm_arch.core.errors import Code, Diagnostic, Place

DIAGNOSTICS = (
    Diagnostic(
        "E230",
        "num_kv_heads=3 does not divide num_heads=8",
        Place("specs/bad spec.yaml", 8, 19, 20, "    num_kv_heads: 3"),
        "operators.attn.num_kv_heads",
        because="each key/value head serves a whole number of query heads",
        help="use one of 1, 2, 4, 8",
        notes=("inherited from base.yaml:14:7",),
    ),
    Diagnostic("W101", "017 is 17", Place("/tmp/ä.yaml", 1, 1, 2), severity="warning"),
    Diagnostic("E501", "params differ"),
)
CODES = {"E230": Code("E230", "heads that do not divide", "Grouped heads.", "num_kv_heads: 3", "num_kv_heads: 2")}

# the parts of the SARIF 2.1.0 schema that this log uses
RESULT: dict[str, Any] = {
    "type": "object",
    "required": ["message", "ruleId", "ruleIndex", "level"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "locations": {
            "type": "array",
            "items": {
                "properties": {
                    "physicalLocation": {
                        "properties": {
                            "artifactLocation": {"properties": {"uri": {"type": "string", "pattern": "^[!-~]+$"}}},
                            "region": {
                                "properties": {
                                    "startLine": {"type": "integer", "minimum": 1},
                                    "startColumn": {"type": "integer", "minimum": 1},
                                    "endColumn": {"type": "integer", "minimum": 1},
                                }
                            },
                        }
                    }
                }
            },
        },
    },
}


def test_json_has_every_field() -> None:
    rows = json.loads(json_text(DIAGNOSTICS))
    assert rows[0] == {
        "code": "E230",
        "severity": "error",
        "message": "num_kv_heads=3 does not divide num_heads=8",
        "file": "specs/bad spec.yaml",
        "line": 8,
        "column": 19,
        "end_column": 20,
        "path": "operators.attn.num_kv_heads",
        "because": "each key/value head serves a whole number of query heads",
        "help": "use one of 1, 2, 4, 8",
        "notes": ["inherited from base.yaml:14:7"],
    }
    assert rows[2]["file"] is None
    assert json.loads(json_text([])) == []


def test_sarif_has_rules_results_and_places() -> None:
    log = json.loads(sarif_text(DIAGNOSTICS, CODES))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["E230", "E501", "W101"]
    assert rules[0]["shortDescription"]["text"] == "heads that do not divide"
    for result in run["results"]:
        jsonschema.validate(result, RESULT)
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    first, second, third = run["results"]
    physical = first["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "specs/bad%20spec.yaml"
    assert physical["region"]["startLine"] == 8
    assert physical["region"]["startColumn"] == 19
    assert "help: use one of 1, 2, 4, 8" in first["message"]["text"]
    assert "note: inherited from base.yaml:14:7" in first["message"]["text"]
    assert second["level"] == "warning"
    assert second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("file:///")
    assert "locations" not in third
