"""Diagnostics for other programs: plain JSON, and SARIF 2.1.0 for code hosts and editors."""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lfm_arch.core.errors import Code, Diagnostic, Place

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def json_text(diagnostics: Iterable[Diagnostic]) -> str:
    """Return a list of mistakes with stable keys; lines and columns count from 1, what is unknown is null."""
    return json.dumps([_row(each) for each in diagnostics], indent=2, ensure_ascii=False)


def _row(each: Diagnostic) -> dict[str, Any]:
    place = each.place
    return {
        "code": each.code,
        "severity": each.severity,
        "message": each.message,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "end_column": place.end_column if place else None,
        "path": each.path,
        "because": each.because,
        "help": each.help,
        "notes": list(each.notes),
    }


def sarif_text(diagnostics: Iterable[Diagnostic], codes: Mapping[str, Code]) -> str:
    """Return a SARIF log of one run.

    Args:
        diagnostics: what was found.
        codes: explanations of the rules; a rule without one is listed by its id alone.
    """
    diagnostics = tuple(diagnostics)
    used = sorted({each.code for each in diagnostics})
    index = {code: number for number, code in enumerate(used)}
    driver = {
        "name": "lfm-arch",
        "version": _version(),
        "rules": [_rule(code, codes.get(code)) for code in used],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, index[each.code]) for each in diagnostics],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _version() -> str:
    try:
        return version("lfm-arch")
    except PackageNotFoundError:
        return "0"


def _rule(code: str, explained: Code | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code}
    if explained is not None:
        rule["shortDescription"] = {"text": explained.title}
        rule["fullDescription"] = {"text": explained.explanation}
        rule["help"] = {"text": f"{explained.explanation}\n\nwrong:\n{explained.wrong}\n\nright:\n{explained.right}"}
    return rule


def _result(each: Diagnostic, rule_index: int) -> dict[str, Any]:
    # a code host shows the message alone, so the rule and the way out go into it
    parts = (each.message, f"rule: {each.because}" * bool(each.because), f"help: {each.help}" * bool(each.help))
    text = "\n".join(part for part in (*parts, *(f"note: {note}" for note in each.notes)) if part)
    result: dict[str, Any] = {
        "ruleId": each.code,
        "ruleIndex": rule_index,
        "level": each.severity,
        "message": {"text": text},
    }
    location: dict[str, Any] = {}
    if each.place is not None:
        location["physicalLocation"] = _physical(each.place)
    if each.path:
        location["logicalLocations"] = [{"fullyQualifiedName": each.path}]
    if location:
        result["locations"] = [location]
    return result


def _physical(place: Place) -> dict[str, Any]:
    path = Path(place.file)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    region: dict[str, Any] = {"startLine": place.line, "startColumn": place.column, "endColumn": place.end_column}
    if place.excerpt:
        region["snippet"] = {"text": place.excerpt}
    return {"artifactLocation": {"uri": uri}, "region": region}
