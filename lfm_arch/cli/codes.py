"""The rules of all rooms, for `explain` and for formats that list them."""

import importlib
from functools import cache

from lfm_arch.core.errors import Code

ROOMS = (
    *("spec", "operators", "featurizers", "graph", "hardware"),
    *("lower", "runtime", "export", "quality", "search", "report"),
)
"""Rooms that may have a `codes` module; all of these are free of torch."""


@cache
def all_codes() -> dict[str, Code]:
    """Return every rule by its code."""
    found: dict[str, Code] = {}
    for room in ROOMS:
        for each in _codes_of(room):
            assert each.code not in found, f"{each.code} is explained twice, the second time in {room}"
            found[each.code] = each
    return dict(sorted(found.items()))


def _codes_of(room: str) -> tuple[Code, ...]:
    name = f"lfm_arch.{room}.codes"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return ()
    return module.CODES
