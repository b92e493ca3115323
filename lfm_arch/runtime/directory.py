"""The directory of a build, as a place on disk: it appears whole or not at all. No torch.

Everything goes into a directory beside the target first, which takes the target's name in one step at the end.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.core.units import size

SPEC = "spec.yaml"
CARD = "card.json"
README = "README.md"


@contextmanager
def taking_place_of(directory: Path, needed_bytes: int, *, force: bool) -> Generator[Path]:
    """Give an empty directory that becomes `directory` when all went well, and vanishes otherwise.

    Raises:
        BuildError: E810, as `refuse_in_use`; E811, there is no room, or the system refuses to write.
    """
    directory = directory.absolute()
    refuse_in_use(directory, force=force)
    partial = directory.with_name(f".{directory.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        free = shutil.disk_usage(partial).free
        if free < needed_bytes:
            raise _unwritable(directory, f"the weights take {size(needed_bytes)}, {size(free)} are free")
        yield partial
        _replace(partial, directory)
    except OSError as error:
        raise _unwritable(directory, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_in_use(directory: Path, *, force: bool) -> None:
    """Refuse a target that holds something; with `force`, one that holds something else than an earlier build."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    ours = directory.is_dir() and (directory / CARD).is_file() and (directory / SPEC).is_file()
    if ours and force:
        return
    raise BuildError(
        Diagnostic(
            "E810",
            f"{directory} holds an earlier build" if ours else f"{directory} holds something that is no build",
            because="a build never writes over anything" if ours else "only builds are ever replaced",
            help="choose another -o, or replace it with --force" if ours else "choose another -o",
        )
    )


def _replace(partial: Path, directory: Path) -> None:
    if not directory.exists() or not any(directory.iterdir()):
        partial.replace(directory)
        return
    old = directory.with_name(f".{directory.name}.{os.getpid()}.old")
    directory.replace(old)
    partial.replace(directory)
    shutil.rmtree(old, ignore_errors=True)


def _unwritable(directory: Path, why: str) -> BuildError:
    return BuildError(
        Diagnostic(
            "E811",
            f"{directory} cannot be written: {why}",
            because="a build is written whole or not at all; what was begun is removed",
            help="choose a place with room, a smaller --dtype, or --meta for the counts alone",
        )
    )
