"""What pydantic says against a value, said of the file: code, place, path, rule and way out."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from lfm_arch.core.units import UNITS
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.scalar import resolve
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import List, Map, Node, Scalar, join

Head = Callable[[Node], Node | None]
"""Follows a decision or expression to what it came out as; None when nothing is there."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "none_required": "null",
}
_LIMITS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}
_LIST_LIMITS = {
    "too_short": ("min_length", "at least"),
    "too_long": ("max_length", "at most"),
    "string_too_short": ("min_length", "at least"),
    "string_too_long": ("max_length", "at most"),
}


def follow(node: Node, loc: Sequence[str | int], head: Head) -> tuple[Node, list[str]]:
    """Walk a pydantic location; return the deepest node on it and the steps that are not there.

    Steps that name no key are the tags of unions, and are skipped unless they are the last.
    """
    missing: list[str] = []
    for step in loc:
        here = head(node) or node
        if isinstance(here, Map) and isinstance(step, str) and step in here.entries:
            node, missing = here.entries[step], []
        elif isinstance(here, List) and isinstance(step, int) and step < len(here.items):
            node, missing = here.items[step], []
        else:
            missing.append(str(step))
    return node, missing


def explain(
    errors: Sequence[ErrorDetails], root: Node, model: type[BaseModel], problems: Problems, head: Head, label: str = ""
) -> None:
    """Note every error of one validation.

    Args:
        errors: as pydantic lists them.
        root: the map that was validated.
        model: what it was validated as.
        problems: where they go.
        head: follows decisions and expressions.
        label: what the map is, as "short_conv"; for messages.
    """
    wrong_types: dict[str, tuple[Node, list[str], ErrorDetails]] = {}
    paths = [follow(root, error["loc"], head)[0].path for error in errors]
    for error, path in zip(errors, paths, strict=True):
        kind, loc = error["type"], error["loc"]
        inside = (f"{path}.", f"{path}[")
        if (kind in _EXPECTED or kind == "literal_error") and any(each.startswith(inside) for each in paths):
            # one member of a union found nothing, another one got further and says more
            continue
        if kind == "lfm_arch":
            _explain_refusal(error, root, problems, head)
        elif kind == "extra_forbidden":
            _explain_unknown(loc, root, model, problems, head, label)
        elif kind == "missing":
            _explain_missing(loc, root, problems, head, label)
        elif kind in _EXPECTED:
            node, _ = follow(root, loc, head)
            # the members of a union complain one by one
            wrong_types.setdefault(node.path, (node, [], error))[1].append(_EXPECTED[kind])
        else:
            node, _ = follow(root, loc, head)
            _explain_value(error, node, problems, head)
    for node, expected, error in wrong_types.values():
        wanted = " or ".join(dict.fromkeys(expected))
        spot = _spot(node, head)
        problems.add(
            "E203",
            f"{shown(error['input'])}, where {wanted} is needed{_came_from(node)}",
            spot if isinstance(spot, Scalar) else spot.where,
            node.path,
            help=_type_help(error["input"], wanted),
            notes=() if isinstance(spot, Scalar) else spot.notes(),
        )


def _explain_refusal(error: ErrorDetails, root: Node, problems: Problems, head: Head) -> None:
    context = error.get("ctx", {})
    field = str(context.get("field", ""))
    inside = (int(step) if step.isdigit() else step for step in field.split(".") if step)
    steps = (*error["loc"], *inside)
    node, missing = follow(root, steps, head)
    message = str(context.get("message", error["msg"])) + _came_from(node)
    before = len(problems.errors)
    # a whole part is pointed at by its key
    spot = _spot(node, head)
    at = spot if isinstance(spot, Scalar) else spot.where
    path = join(node.path, missing[-1]) if missing and field.endswith(missing[-1]) else node.path
    problems.add(
        str(context.get("code", "E203")),
        message,
        at,
        path,
        because=str(context.get("because", "")),
        help=str(context.get("help", "")),
        notes=() if isinstance(spot, Scalar) else spot.notes(),
    )
    if not error["loc"] and len(problems.errors) > before:
        problems.combined.add(problems.errors[-1])


def _explain_unknown(
    loc: Sequence[str | int], root: Node, model: type[BaseModel], problems: Problems, head: Head, label: str
) -> None:
    key = str(loc[-1])
    owner, _ = follow(root, loc[:-1], head)
    here = head(owner) or owner
    names = fields_of(model, loc[:-1])
    mark = here.keys.get(key, here.mark) if isinstance(here, Map) else here.mark
    of = f" of {label}" if label and len(loc) == 1 else ""
    problems.add(
        "E201",
        f"unknown key `{key}`{of}",
        mark,
        join(owner.path, key),
        because="nothing would read it; notes of your own start with x-",
        help=did_you_mean(key, names),
        notes=owner.notes() if mark.source is not owner.mark.source else (),
    )


def _explain_missing(loc: Sequence[str | int], root: Node, problems: Problems, head: Head, label: str) -> None:
    key = str(loc[-1])
    owner, _ = follow(root, loc[:-1], head)
    what = f"{label} needs `{key}`" if label and len(loc) == 1 else f"`{key}` is missing"
    problems.add("E202", what, owner.where, join(owner.path, key), help=f"write {key}: ...", notes=owner.notes())


def _explain_value(error: ErrorDetails, node: Node, problems: Problems, head: Head) -> None:
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    spot = _spot(node, head)
    at = spot if isinstance(spot, Scalar) else spot.where
    came_from = _came_from(node)
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        problems.add(
            "E204", f"{shown(value)} is not {words} {context.get(key)}{came_from}", at, node.path,
            help=f"write a number {words} {context.get(key)}",
        )  # fmt: skip
    elif kind in _LIST_LIMITS:
        key, words = _LIST_LIMITS[kind]
        problems.add("E204", f"its length is not {words} {context.get(key)}{came_from}", at, node.path)
    elif kind in ("literal_error", "enum"):
        allowed = re.findall(r"'([^']*)'|(null|None|\d+)", str(context.get("expected", "")))
        words = [quoted or bare for quoted, bare in allowed]
        problems.add(
            "E205", f"{shown(value)} is none of {', '.join(words)}{came_from}", at, node.path,
            help=did_you_mean(str(value), words) if isinstance(value, str) else f"write one of {', '.join(words)}",
        )  # fmt: skip
    elif kind == "union_tag_invalid":
        known = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
        here = head(node) or node
        tag = here.entries.get("type", here) if isinstance(here, Map) else here
        problems.add(
            "E206", f"unknown type `{context.get('tag')}`", tag, tag.path,
            help=did_you_mean(str(context.get("tag")), known),
        )  # fmt: skip
    elif kind == "union_tag_not_found":
        problems.add("E207", "`type` is missing", at, join(node.path, "type"), help="write type: ...")
    else:
        problems.add("E203", f"{error['msg']}{came_from}", at, node.path)


def fields_of(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the keys that a mapping below a model may have, as well as the annotations tell."""
    models = [model]
    for step in loc:
        named = [(field.alias or name, field) for each in models for name, field in each.model_fields.items()]
        fields = [field for name, field in named if name == step]
        if fields:
            models = [inner for field in fields for inner in _models_in(field.annotation)]
    return list(dict.fromkeys(field.alias or name for each in models for name, field in each.model_fields.items()))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _spot(node: Node, head: Head) -> Node:
    """Return the outcome of a decision in place of the decision."""
    return head(node) or node


def _came_from(node: Node) -> str:
    """Show the expression that gave a value."""
    text = getattr(node.plan, "text", None)
    return f" (from {text[:80]})" if isinstance(text, str) else ""


def shown(value: object) -> str:
    """Show a value in the words of the file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text `{value[:60]}`"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else str(value)[:60]


def _type_help(value: object, wanted: str) -> str:
    if wanted == "a whole number" and isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"write {int(value)}"
    if isinstance(value, float) and "whole" in wanted:
        return "// floors, div(a, b) is exact, ceil_to(x, 1) rounds up"
    if "true or false" in wanted and isinstance(value, str) and value.lower() in ("on", "off", "yes", "no", "y", "n"):
        return f"write {'true' if value.lower() in ('on', 'yes', 'y') else 'false'}: on and yes are text in YAML 1.2"
    if isinstance(value, str) and "number" in wanted:
        if isinstance(resolve(value), int | float):
            return f"write {value}, without quotes"
        if re.match(r"[-+]?[\d_.]+", value):
            return f"units are {', '.join(UNITS[:8])}, ..."
        return "names are read in expressions: ${" + value[:40] + "}" if value.isidentifier() else ""
    return "write a mapping, {...}" if wanted == "a mapping" else ""
