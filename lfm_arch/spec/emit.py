"""Plain values as YAML text: blocks at the top, flow style for what fits a line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from typing import Any

from lfm_arch.core.units import parse_quantity
from lfm_arch.spec.scalar import resolve

MAX_WIDTH = 110
# what needs no quotes anywhere, flow style included
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ ./*()+-]*")

# line breaks to YAML, or characters that it does not take
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def emit(value: Mapping[str, Any]) -> str:
    """Return YAML text that reads back as the same value."""
    return "\n".join(_block(value, 0)) + "\n"


def scalar(value: object) -> str:
    """Write a scalar, quoted where plain text would read as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= 10**6 else str(value)
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text == text.strip() and resolve(text) == text
    if plain and parse_quantity(text) is None:
        return text
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", dumps(text, ensure_ascii=False))


def flow(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def _block(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, each in value.items():
        start = f"{indent}{scalar(key)}:"
        nested = isinstance(each, Mapping | list | tuple) and len(each) > 0
        # sections stand open, what is in them is closed where it fits
        one_line = f"{start} {flow(each)}"
        if not nested or (depth > 0 and len(one_line) <= MAX_WIDTH):
            yield one_line
        elif isinstance(each, Mapping):
            yield start
            yield from _block(each, depth + 1)
        else:
            yield start
            for item in each:
                yield from _item(item, depth + 1)


def _item(item: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    one_line = f"{indent}- {flow(item)}"
    if len(one_line) <= MAX_WIDTH or not isinstance(item, Mapping) or not item:
        yield one_line
        return
    lines = list(_block(item, depth + 1))
    yield f"{indent}- {lines[0].lstrip()}"
    yield from lines[1:]
