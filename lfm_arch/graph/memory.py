"""Remembering what was computed of declared parts, which are frozen and so can be keys."""

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_R = TypeVar("_R")


def remembered(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep the results of a pure function of parts, the 8192 that were last asked for.

    `functools.lru_cache` does it; type checkers do not see that pydantic gives frozen models a hash.
    """
    return cast("Callable[_P, _R]", lru_cache(maxsize=8192)(function))
