"""Written quantities and their readable forms; decimal and binary prefixes are kept apart (GB is 1e9, GiB is 2**30).

`Count`, `Bytes`, `Seconds`, `BytesPerS`, `FlopPerS`, `Watts` and `Joules` are types for fields of declared parts: a
file writes a number in base units or a text with a unit, the field holds the number.

    class Memory(Part):
        size: Bytes                      # 8 GiB, or 8589934592
        bandwidth: BytesPerS | None      # 25 GB/s
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from lfm_arch.core.errors import refuse

Dimension = Literal["count", "bytes", "s", "bytes/s", "flop/s", "W", "J"]

_COUNT: dict[str, int] = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{prefix}i": 2 ** (10 * power) for power, prefix in enumerate("KMGT", start=1)
}
_BYTES: dict[str, int] = {"B": 1} | {f"{prefix}B": factor for prefix, factor in _COUNT.items()}
_FLOP: dict[str, int] = {"": 1, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_FACTORS: Mapping[Dimension, Mapping[str, int | Fraction]] = {
    "count": _COUNT,
    "bytes": _BYTES,
    "bytes/s": {f"{unit}/s": factor for unit, factor in _BYTES.items()} | {"PB/s": 10**15},
    "flop/s": {f"{prefix}FLOP/s": factor for prefix, factor in _FLOP.items()},
    "s": {"s": 1, "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6)},
    "W": {"W": 1},
    "J": {"J": 1, "mJ": Fraction(1, 10**3)},
}
_SCALED: dict[str, tuple[Fraction, Dimension]] = {
    unit: (Fraction(factor), dimension) for dimension, units in _FACTORS.items() for unit, factor in units.items()
}
UNITS: tuple[str, ...] = tuple(_SCALED)
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)[ ]?([A-Za-z/]+)")


def parse_quantity(text: str) -> tuple[int | float, Dimension] | None:
    """Read `12 KiB`, `25 GB/s`, `1.3 G`, `900 ms`; None when `text` is no quantity.

    Returns:
        The value in base units (items, bytes, seconds, bytes/s, FLOP/s, W, J), an int whenever it is whole, and
        what it measures. A bare `K` is no unit: write `k` (1000) or `Ki` (1024).
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in _SCALED:
        return None
    factor, dimension = _SCALED[match[2]]
    value = Fraction(match[1]) * factor
    return (value.numerator if value.denominator == 1 else float(value)), dimension


_WORDS: dict[Dimension, tuple[str, str]] = {
    "count": ("a count", "1.3 G"),
    "bytes": ("bytes", "8 GiB"),
    "s": ("a time", "900 ms"),
    "bytes/s": ("bytes per second", "25 GB/s"),
    "flop/s": ("FLOP per second", "4.3 TFLOP/s"),
    "W": ("watts", "11.9 W"),
    "J": ("joules", "3 mJ"),
}
"""What a dimension is called, and how one is written."""


def read_quantity(value: object, dimension: Dimension) -> int | float:
    """Read a number in base units or a text with a unit; counts and bytes come out whole.

    Raises:
        PydanticCustomError: E315 no quantity, E316 another dimension, E317 negative, broken or endless.
    """
    what, example = _WORDS[dimension]
    whole = dimension in ("count", "bytes")
    if isinstance(value, str):
        parsed = parse_quantity(value)
        if parsed is None:
            raise _no_quantity(value, what, example, dimension)
        number, measured = parsed
        if measured != dimension:
            raise refuse(
                "E316",
                "",
                f"`{value}` is {_WORDS[measured][0]}, not {what}",
                because=f"the field is about {what}",
                help=f"write it as {example}",
            )
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    else:
        raise _no_quantity(value, what, example, dimension)
    if not math.isfinite(number) or number < 0 or (whole and number != int(number)):
        rule = "counts and bytes are whole, zero or more" if whole else "zero or more, and finite"
        raise refuse("E317", "", f"{value} is no possible number of {what}", because=rule)
    return int(number) if whole else float(number)


def _no_quantity(value: object, what: str, example: str, dimension: Dimension) -> PydanticCustomError:
    shown = f"`{value}`"[:60] if isinstance(value, str) else f"{type(value).__name__}"
    return refuse(
        "E315",
        "",
        f"{shown} is no number of {what}",
        because=f"a number in base units, or one with a unit: {', '.join(_FACTORS[dimension])}",
        help=f"write it as {example}",
    )


def _field(dimension: Dimension) -> tuple[BeforeValidator, WithJsonSchema]:
    def read(value: Any) -> int | float:
        return read_quantity(value, dimension)

    units = "|".join(map(re.escape, _FACTORS[dimension]))
    what, example = _WORDS[dimension]
    number = {"type": "integer" if dimension in ("count", "bytes") else "number", "minimum": 0}
    text = {
        "type": "string",
        "pattern": rf"^\s*\+?\d+(\.\d+)?([eE][+-]?\d{{1,2}})? ?({units})\s*$",
        "examples": [example],
    }
    return BeforeValidator(read), WithJsonSchema({"anyOf": [number, text], "title": what.capitalize()})


Count = Annotated[int, *_field("count")]
"""Items: `1.3 G`, `128 k`, `4 Ki`, or a whole number."""
Bytes = Annotated[int, *_field("bytes")]
"""`12 KiB`, `24 GB`, or a whole number of bytes."""
Seconds = Annotated[float, *_field("s")]
"""`900 ms`, `75 us`, or seconds."""
BytesPerS = Annotated[float, *_field("bytes/s")]
"""`25 GB/s`, or bytes per second."""
FlopPerS = Annotated[float, *_field("flop/s")]
"""`4.3 TFLOP/s`, or FLOP per second."""
Watts = Annotated[float, *_field("W")]
"""`11.9 W`, or watts."""
Joules = Annotated[float, *_field("J")]
"""`3 mJ`, or joules."""


def count(value: float) -> str:
    """Shorten a count for reading: 354483968 -> `354.48 M`."""
    for factor, suffix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.4g}{suffix}"
    return f"{value:g}" if isinstance(value, int) or float(value).is_integer() else f"{value:.3g}"


def size(value: float) -> str:
    """Shorten bytes, binary: 12288 -> `12 KiB`."""
    for power, suffix in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if abs(value) >= 2**power:
            return f"{value / 2**power:.4g} {suffix}"
    return f"{value:g} B"


def seconds(value: float) -> str:
    """Shorten a time: 0.0123 -> `12.3 ms`."""
    for factor, suffix in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {suffix}"
    return f"{value / 1e-9:.3g} ns"
