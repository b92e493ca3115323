"""Written quantities and their readable forms; decimal and binary prefixes are kept apart (GB is 1e9, GiB is 2**30)."""

import re
from fractions import Fraction
from typing import Literal

Dimension = Literal["count", "bytes", "s", "bytes/s", "flop/s", "W", "J"]

_COUNT: dict[str, int] = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{prefix}i": 2 ** (10 * power) for power, prefix in enumerate("KMGT", start=1)
}
_BYTES: dict[str, int] = {"B": 1} | {f"{prefix}B": factor for prefix, factor in _COUNT.items()}
_SCALED: dict[str, tuple[Fraction, Dimension]] = (
    {unit: (Fraction(factor), "count") for unit, factor in _COUNT.items()}
    | {unit: (Fraction(factor), "bytes") for unit, factor in _BYTES.items()}
    | {f"{unit}/s": (Fraction(factor), "bytes/s") for unit, factor in _BYTES.items()}
    | {
        f"{prefix}FLOP/s": (Fraction(factor), "flop/s")
        for prefix, factor in {"": 1, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}.items()
    }
    | {
        "s": (Fraction(1), "s"),
        "ms": (Fraction(1, 10**3), "s"),
        "us": (Fraction(1, 10**6), "s"),
        "W": (Fraction(1), "W"),
        "J": (Fraction(1), "J"),
        "mJ": (Fraction(1, 10**3), "J"),
        "PB/s": (Fraction(10**15), "bytes/s"),
    }
)
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
