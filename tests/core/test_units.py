"""Quantities as files write them, and as tables show them."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lfm_arch.core import units
from lfm_arch.core.units import UNITS, Bytes, BytesPerS, Count, FlopPerS, Joules, Seconds, Watts, parse_quantity
from lfm_arch.operators.base import Part


class Card(Part):
    """One field of each kind."""

    layers: Count = 0
    size: Bytes = 0
    load: Seconds = 0.0
    bandwidth: BytesPerS | None = None
    peak: FlopPerS = 0.0
    power: Watts = 0.0
    energy: Joules = 0.0


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("12 KiB", 12288, "bytes"),
        ("12KiB", 12288, "bytes"),
        ("12 kB", 12000, "bytes"),
        ("8 GiB", 8 * 2**30, "bytes"),
        ("1.3 G", 1_300_000_000, "count"),
        ("4 Ki", 4096, "count"),
        ("25 GB/s", 25 * 10**9, "bytes/s"),
        ("1.5 PB/s", 15 * 10**14, "bytes/s"),
        ("0.4 TFLOP/s", 4 * 10**11, "flop/s"),
        ("900 ms", 0.9, "s"),
        ("2 s", 2, "s"),
        ("11.9 W", 11.9, "W"),
        ("3 mJ", 0.003, "J"),
        ("1e3 k", 10**6, "count"),
    ],
)
def test_reads(text: str, value: float, dimension: str) -> None:
    parsed = parse_quantity(text)
    assert parsed is not None
    assert parsed == (value, dimension)
    assert type(parsed[0]) is type(value)


@pytest.mark.parametrize(
    "text", ["12 K", "12 KB", "12 kb", "GB", "1 2 GB", "12 GB / s", "", "1.3", "0x10 B", "1e999 B"]
)
def test_is_no_quantity(text: str) -> None:
    assert parse_quantity(text) is None


@given(st.integers(0, 10**15), st.sampled_from(UNITS))
def test_whole_numbers_stay_exact(number: int, unit: str) -> None:
    parsed = parse_quantity(f"{number} {unit}")
    assert parsed is not None
    assert isinstance(parsed[0], int) or unit in ("ms", "us", "mJ")


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("layers", "1.3 G", 1_300_000_000),
        ("layers", 7, 7),
        ("layers", 1e9, 1_000_000_000),
        ("size", "8 GiB", 2**33),
        ("load", "75 us", 75e-6),
        ("load", 2, 2.0),
        ("bandwidth", "25 GB/s", 25e9),
        ("bandwidth", None, None),
        ("peak", "0.4 TFLOP/s", 4e11),
        ("power", "11.9 W", 11.9),
        ("energy", "3 mJ", 0.003),
    ],
)
def test_fields_take_numbers_and_units(field: str, written: object, value: object) -> None:
    card = Card.model_validate({field: written})
    assert getattr(card, field) == value
    assert type(getattr(card, field)) is type(value)
    assert Card.model_validate(card.model_dump()) == card
    jsonschema.validate({field: written}, Card.model_json_schema())


@pytest.mark.parametrize(
    ("field", "written", "code"),
    [
        ("size", "much", "E315"),
        ("size", "12 KB", "E315"),
        ("size", True, "E315"),
        ("size", [1], "E315"),
        ("size", None, "E315"),
        ("size", "25 GB/s", "E316"),
        ("layers", "12 KiB", "E316"),
        ("bandwidth", "25 GB", "E316"),
        ("size", "0.3 B", "E317"),
        ("size", -1, "E317"),
        ("layers", 1.5, "E317"),
        ("load", "-3 s", "E317"),
        ("power", float("inf"), "E317"),
        ("power", float("nan"), "E317"),
    ],
    ids=str,
)
def test_fields_refuse(field: str, written: Any, code: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Card.model_validate({field: written})
    (error,) = raised.value.errors()
    assert error["ctx"]["code"] == code  # pyright: ignore[reportTypedDictNotRequiredAccess]
    assert error["loc"] == (field,)
    assert error["msg"]


@pytest.mark.parametrize(
    ("kind", "written"),
    [(Count, "12 K"), (Bytes, "25 GB/s"), (Bytes, -1), (Seconds, "3"), (Watts, [])],
    ids=["bare K", "a rate", "negative", "no unit", "a list"],
)
def test_the_schema_refuses_what_the_field_refuses(kind: Any, written: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, TypeAdapter(kind).json_schema())


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (units.count(354_483_968), "354.5 M"),
        (units.count(999), "999"),
        (units.count(0.5), "0.5"),
        (units.size(12288), "12 KiB"),
        (units.size(5), "5 B"),
        (units.seconds(0.0123), "12.3 ms"),
        (units.seconds(2.5), "2.5 s"),
        (units.seconds(3e-9), "3 ns"),
    ],
)
def test_shows(shown: str, text: str) -> None:
    assert shown == text
