"""Parts in words: every example is right, every field is told."""

import pytest

from lfm_arch.core.docs import field_docs
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.registry import operators
from lfm_arch.spec.explanation import example_of, explain_part, part_names
from lfm_arch.spec.written import FEATURIZER, HEAD, NORM

NAMES = [(kind, name) for kind, names in part_names().items() for name in names]


@pytest.mark.parametrize(("kind", "name"), NAMES, ids=lambda each: each)
def test_explains(kind: str, name: str) -> None:
    shapes = {shape.what: shape.words for shape in (FEATURIZER, HEAD, NORM)}
    words = shapes.get(kind) or operators
    model = words()[name]
    model.model_validate(example_of(model))
    explained = explain_part(name)
    assert explained is not None
    assert len(explained.text) > 40
    assert f"type: {name}" in explained.example
    told = {field.name for field in explained.fields}
    assert told >= {field.alias or key for key, field in model.model_fields.items() if key != "type"}
    assert all(field.kind != "a value" for field in explained.fields), explained.fields


def test_nothing_is_explained_that_is_not_there() -> None:
    assert explain_part("atention") is None


def test_field_texts_come_from_the_source() -> None:
    docs = field_docs(Attention)
    assert docs["num_kv_heads"].startswith("Key/value heads")
    # its own and those it inherits, but nothing that is no field
    assert set(docs) <= set(Attention.model_fields)
