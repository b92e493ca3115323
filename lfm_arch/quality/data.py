"""Real bytes to train and validate on.

By default the Python standard library's own sources, which every machine that runs this has; or the user's files.
Whole files go either to training or to validation, by a hash of their name, so that the split depends neither on their
number nor on their order. The bytes differ between Python releases, therefore their hash is part of every result.
"""

import hashlib
import platform
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfm_arch.core.errors import Diagnostic, QualityError

Bytes = NDArray[np.uint8]

LARGEST = 64 * 2**20
"""Bytes taken at most; a short training sees a few of them."""
SMALLEST = 64 * 2**10
"""Less than this says nothing about a model."""
VALIDATION_SHARE = 10
"""One file in so many is for validation."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Training and validation bytes; files are joined by a zero byte."""

    name: str
    train: Bytes
    validation: Bytes
    sha256: str
    """Of both parts: equal hashes mean equal data and an equal split."""
    files: int

    def describe(self) -> dict[str, str | int]:
        """Return what a record keeps of it."""
        return {
            "data": self.name,
            "data_sha256": self.sha256,
            "data_files": self.files,
            "train_bytes": len(self.train),
            "validation_bytes": len(self.validation),
        }


def standard_library() -> Corpus:
    """Read the top-level modules of this Python's standard library, about 4.7 MB."""
    root = Path(sysconfig.get_path("stdlib"))
    return _corpus(f"Python {platform.python_version()} standard library sources", _named(root, root.glob("*.py")))


def from_path(path: Path) -> Corpus:
    """Read one file, or every file below a folder, hidden ones left out.

    A single file is split in two: its last tenth validates.

    Raises:
        QualityError: E901 when nothing is there to read, E902 when it is too little.
    """
    if not path.exists():
        raise QualityError(
            Diagnostic("E901", f"no file or folder {path}", help="--data takes a file or a folder of text")
        )
    try:
        if path.is_file():
            with path.open("rb") as file:
                whole = file.read(LARGEST)
            cut = len(whole) - len(whole) // VALIDATION_SHARE
            return _checked(path.name, [whole[:cut]], [whole[cut:]], 1)
        below = (
            each for each in path.rglob("*") if not any(part.startswith(".") for part in each.relative_to(path).parts)
        )
        return _corpus(path.name or str(path), _named(path, below))
    except OSError as error:
        raise QualityError(Diagnostic("E901", f"cannot read {error.filename or path}: {error.strerror}")) from error


def _named(root: Path, paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Pair each regular file with its name below `root`; sorted, since a folder's own order is arbitrary."""
    return sorted((path.relative_to(root).as_posix(), path) for path in paths if path.is_file())


def _corpus(name: str, files: list[tuple[str, Path]]) -> Corpus:
    train: list[bytes] = []
    validation: list[bytes] = []
    taken = 0
    for relative, path in files:
        # the size is asked first: a folder may hold a file that does not fit into memory
        taken += path.stat().st_size
        if taken > LARGEST:
            break
        content = path.read_bytes()
        mark = int.from_bytes(hashlib.sha256(relative.encode()).digest()[:4], "big")
        (validation if mark % VALIDATION_SHARE == 0 else train).append(content)
    return _checked(name, train, validation, len(train) + len(validation))


def _checked(name: str, train: list[bytes], validation: list[bytes], files: int) -> Corpus:
    parts = (b"\0".join(train), b"\0".join(validation))
    if len(parts[0]) < SMALLEST or len(parts[1]) < SMALLEST // VALIDATION_SHARE:
        raise QualityError(
            Diagnostic(
                "E902",
                f"{name} gives {len(parts[0])} bytes to train on and {len(parts[1])} to validate on",
                because=f"at least {SMALLEST} and {SMALLEST // VALIDATION_SHARE} are needed, "
                f"and about one file in {VALIDATION_SHARE}, chosen by its name, validates",
                help="give a larger text, more files, or one file with everything in it",
            )
        )
    digest = hashlib.sha256(b"%d\n" % len(parts[0]) + parts[0] + parts[1]).hexdigest()
    arrays = (np.frombuffer(part, dtype=np.uint8) for part in parts)
    return Corpus(name, *arrays, sha256=digest, files=files)
