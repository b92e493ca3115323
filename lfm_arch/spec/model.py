"""Models: files in which everything is decided."""

from collections.abc import Sequence
from pathlib import Path

from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.document import open_document
from lfm_arch.spec.open_check import check_space
from lfm_arch.spec.space import Space


def load_spec(path: str | Path, sets: Sequence[str] = ()) -> ArchSpec:
    """Return the architecture of a model file.

    Args:
        path: a file of `kind: model`.
        sets: edits, as `--set` takes them: `dims.hidden_size=1024`.

    Raises:
        SpecError: every mistake of the file; E601 for each decision that is left open.
    """
    space = Space(open_document(path, sets, ("model",)))
    spec = check_space(space)
    space.plan.problems.raise_errors()
    assert spec is not None, f"{path}: no architecture and no mistake"
    return spec
