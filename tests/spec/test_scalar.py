"""The core schema, where readers of YAML 1.1 differ from it."""

import pytest

from lfm_arch.spec.scalar import BadNumber, leading_zero, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5), ("1e6", 1e6), ("1.0e+6", 1e6), (".5", 0.5), ("3.", 3.0), ("-2", -2), ("+7", 7),
        ("1_170_340_608", 1_170_340_608), ("1_000.5", 1000.5), ("0o17", 15), ("0x1F", 31), ("017", 17),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("on", "on"), ("no", "no"), ("12:30:45", "12:30:45"), ("1__0", "1__0"), ("_1", "_1"), ("2..", "2.."),
        ("none", "none"), ("12 KiB", "12 KiB"), ("1e", "1e"), ("-", "-"), (".", "."),
    ],
)  # fmt: skip
def test_resolves(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", ".inf", "-.INF", "1e999", "9" * 81, "0x" + "f" * 90])
def test_refuses_what_no_size_can_be(text: str) -> None:
    assert isinstance(resolve(text), BadNumber)


def test_finds_octal_lookalikes() -> None:
    assert [text for text in ("017", "-08", "0", "0.5", "10", "0o17") if leading_zero(text)] == ["017", "-08"]
