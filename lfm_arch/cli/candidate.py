"""The one architecture that a command about an architecture means: a model, or what a space is at its priors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfm_arch.spec.arch import ArchSpec


@dataclass(frozen=True)
class Chosen:
    """An architecture and how it was settled."""

    spec: ArchSpec
    kind: str
    """`model` or `space`."""
    genome: dict[str, Any]
    """Decision -> answer; empty for a model."""


def choose(path: Path, sets: Sequence[str] = ()) -> Chosen:
    """Read a model, or a space with every decision at its prior.

    Raises:
        SpecError: every mistake of the file.
    """
    from lfm_arch.spec.document import open_document

    if open_document(path, sets, ("model", "space")).kind == "model":
        from lfm_arch.spec.model import load_spec

        return Chosen(load_spec(path, sets), "model", {})
    from lfm_arch.spec.space import load_space

    candidate = load_space(path, sets).default()
    return Chosen(candidate.spec, "space", dict(candidate.genome))
