"""The command line called in this process."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from lfm_arch.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run(*words: object) -> Done:
    """Call `lfm-arch` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as raised:
        main([str(word) for word in words])
    assert isinstance(raised.value.code, int)
    return Done(raised.value.code, out.getvalue(), err.getvalue())
