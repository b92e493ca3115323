"""What fields mean, read from the sources of their classes."""

from pydantic import BaseModel

from lfm_arch.core.docs import describe, field_docs


class Inner(BaseModel):
    size: int
    """How large
    it is."""


class Base(BaseModel):
    first: int
    """Of the base."""
    second: int = 0


class Outer(Base):
    inner: list[Inner | None] = []
    """What is inside."""
    second: int = 1
    """Told anew."""
    third: int = 0


def test_reads_own_and_inherited_texts() -> None:
    assert field_docs(Outer) == {"first": "Of the base.", "inner": "What is inside.", "second": "Told anew."}
    assert field_docs(Inner) == {"size": "How large\nit is."}


def test_classes_without_a_source() -> None:
    made = type("Made", (Base,), {"__module__": "nowhere"})
    assert field_docs(made)["first"] == "Of the base."


def test_schemas_get_descriptions_inside_too() -> None:
    describe(Outer)
    schema = Outer.model_json_schema()
    assert schema["properties"]["first"]["description"] == "Of the base."
    assert schema["$defs"]["Inner"]["properties"]["size"]["description"].startswith("How large")
