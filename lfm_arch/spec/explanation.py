"""Operators, featurizers, heads and norms in words: what they are, their fields, an example that is right."""

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lfm_arch.core.docs import field_docs
from lfm_arch.operators.registry import operators
from lfm_arch.spec.emit import flow
from lfm_arch.spec.written import FEATURIZER, HEAD, NORM

_SIZES: dict[str, int] = {
    "num_heads": 32, "num_kv_heads": 8, "head_dim": 64, "intermediate_size": 8192, "kernel_size": 3,
    "num_experts": 32, "experts_per_token": 4, "vocab_size": 65536, "patch_size": 16, "size": 128, "rank": 16,
    "state_size": 128, "num_classes": 10, "step_rank": 128, "frames_per_tubelet": 2, "sample_rate": 16000,
    "num_mel_bins": 80, "n_fft": 512, "hop_length": 160, "stride": 2,
}  # fmt: skip
"""Plausible values for examples."""
_NAMES = {"source": "text", "name": "text"}
_KINDS: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null",
    Any: "anything", dict: "a mapping", list: "a list", tuple: "a list",
}  # fmt: skip
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of"}


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field, for a table."""

    name: str
    """Dotted, for a field of a mapping inside."""
    kind: str
    default: str
    """As a file would write it; empty when it must be written."""
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A declared part in words."""

    name: str
    what: str
    """`an operator, a token mixer`."""
    text: str
    fields: tuple[FieldLine, ...]
    example: str


def part_names() -> dict[str, tuple[str, ...]]:
    """Return what `explain` knows of parts, by kind."""
    return {kind: tuple(models) for kind, models in _parts().items()}


def explain_part(word: str) -> Explanation | None:
    """Explain an operator, featurizer, head or norm; None when there is none of that name."""
    for kind, models in _parts().items():
        model = models.get(word)
        if model is not None:
            return Explanation(
                name=word,
                what=_what(kind, model),
                text=_text(model),
                fields=tuple(_fields(model, "")),
                example=f"{_section(kind)}: {flow(_example_entry(kind, word, model))}",
            )
    return None


def _parts() -> dict[str, dict[str, type[BaseModel]]]:
    found: dict[str, dict[str, type[BaseModel]]] = {"operator": dict(operators())}
    for shape in (FEATURIZER, HEAD, NORM):
        assert shape.words is not None, f"{shape.what} has types"
        found[shape.what] = dict(shape.words())
    return found


def _section(kind: str) -> str:
    return "norm" if kind == "norm" else f"{kind}s"


def _example_entry(kind: str, word: str, model: type[BaseModel]) -> Any:
    part = example_of(model)
    return part if kind == "norm" else {word: part}


def _what(kind: str, model: type[BaseModel]) -> str:
    roles = getattr(model, "roles", ())
    words = {"mixer": "a token mixer", "channel": "a channel mixer"}
    said = " or ".join(words[role] for role in roles)
    article = "an" if kind[0] in "aeiou" else "a"
    return f"{article} {kind}{f': {said}' if said else ''}"


def _text(model: type[BaseModel]) -> str:
    module = inspect.cleandoc(sys.modules[model.__module__].__doc__ or "")
    own = inspect.cleandoc(model.__doc__ or "")
    return "\n\n".join(dict.fromkeys(each for each in (module, own) if each))


# fields


def _fields(model: type[BaseModel], prefix: str) -> Iterator[FieldLine]:
    docs = field_docs(model)
    for name, field in model.model_fields.items():
        if name == "type" and not prefix:
            continue
        written = f"{prefix}{field.alias or name}"
        default = "" if field.is_required() else _shown_default(field)
        text = " ".join(docs.get(name, "").split())
        yield FieldLine(written, kind_words(field.annotation, field.metadata), default, text)
        inside = [each for each in _models_in(field.annotation) if not prefix]
        seen: set[str] = set()
        for inner in inside:
            for line in _fields(inner, f"{written}."):
                if line.name not in seen:
                    seen.add(line.name)
                    yield line


def _shown_default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return flow(value.model_dump()) if isinstance(value, BaseModel) else flow(value)


def kind_words(annotation: Any, metadata: Any = ()) -> str:
    """Say a type in the words of a file."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *rest = get_args(annotation)
        return kind_words(inner, (*rest, *metadata))
    if origin in (Union, UnionType):
        words = [kind_words(each) for each in get_args(annotation)]
        return " or ".join(dict.fromkeys(words)) + _bounds(metadata)
    if origin is Literal:
        return " | ".join("null" if each is None else str(each) for each in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping"
    return _KINDS.get(origin or annotation, "a value") + _bounds(metadata)


def _bounds(metadata: Any) -> str:
    flat = [inner for each in metadata for inner in (each.metadata if isinstance(each, FieldInfo) else (each,))]
    said = [
        f"{words} {getattr(each, key)}"
        for each in flat
        for key, words in _BOUNDS.items()
        if getattr(each, key, None) is not None
    ]
    return f", {', '.join(said)}" if said else ""


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


# examples


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the shortest mapping that declares a part: its type and what has no default."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name == "type":
            fields = {"type": field.default if not field.is_required() else get_args(field.annotation)[0], **fields}
        elif field.is_required():
            fields[field.alias or name] = _example_value(name, field.annotation, field.metadata)
    # a head that can borrow a table has no size of its own that it needs
    return fields | ({"tied_to": "text"} if getattr(model, "can_tie", False) else {})


def _example_value(name: str, annotation: Any, metadata: Any) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *rest = get_args(annotation)
        return _example_value(name, inner, (*rest, *metadata))
    if origin in (Union, UnionType):
        return _example_value(name, get_args(annotation)[0], metadata)
    if origin is Literal:
        return get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return example_of(annotation)
    if annotation is int:
        return _SIZES.get(name, 64)
    if annotation is float:
        return 1e-5 if name == "eps" else 1.0
    return _NAMES.get(name, name) if annotation is str else []
