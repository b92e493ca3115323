"""What fields mean, in their authors' words: the text below a field in the source of its class.

Pydantic reads it too (`use_attribute_docstrings`), for every class at its definition, which takes longer than all the
rest of reading a spec. So it is read here, when an explanation or a schema is asked for.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from textwrap import dedent
from typing import Any, get_args

from pydantic import BaseModel


@cache
def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Return what stands below each field of a model, inherited fields included; fields without a text are left out."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found |= _own_docs(owner)
    return {name: text for name, text in found.items() if name in model.model_fields}


@cache
def _own_docs(owner: type[BaseModel]) -> dict[str, str]:
    try:
        source = inspect.getsource(owner)
    except (OSError, TypeError):
        # made by a function, or run from somewhere without sources
        return {}
    body = ast.parse(dedent(source)).body[0]
    assert isinstance(body, ast.ClassDef), f"the source of {owner} is no class"
    found: dict[str, str] = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        named = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if named and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            assert isinstance(statement, ast.AnnAssign), "just checked"
            assert isinstance(statement.target, ast.Name), "just checked"
            if isinstance(following.value.value, str):
                found[statement.target.id] = inspect.cleandoc(following.value.value)
    return found


@cache
def describe(model: type[BaseModel]) -> None:
    """Give the fields of a model, and of models inside it, their texts as descriptions, for JSON Schemas."""
    docs = field_docs(model)
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            describe(inner)
        if field.description is None and name in docs:
            field.description = docs[name]
    model.model_rebuild(force=True)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
