"""A switch from fast paths to the simple forms that define them, for tests and for counting."""

from collections.abc import Generator
from contextlib import contextmanager

_active = False


def using_reference() -> bool:
    """Whether parts should run their plain form: explicit attention, library convolution, token-at-a-time scans."""
    return _active


@contextmanager
def reference() -> Generator[None]:
    """Run plain forms inside the block, so that torch's FLOP counter sees every multiplication."""
    global _active
    before, _active = _active, True
    try:
        yield
    finally:
        _active = before
