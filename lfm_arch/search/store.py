"""The directory of a study: what has finished is on the disk before it counts.

    records.jsonl   one line for each finished trial, appended and synced; never changed
    study.json      everything else, replaced as a whole
    lock            held while a search runs here; the system lets go of it even after kill -9

A process that dies in the middle of a line leaves a torn tail, which the next one cuts off. A line that cannot be
written, because the disk is full, is taken back. In both cases only the trial under way is lost, and it is repeated.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import ValidationError

from lfm_arch.core.errors import Diagnostic, SearchError
from lfm_arch.core.files import write_atomically
from lfm_arch.search.record import Record
from lfm_arch.search.summary import StudySummary

try:
    import fcntl
except ImportError:  # not on this system: the lock is left out
    fcntl = None

RECORDS, SUMMARY, LOCK = "records.jsonl", "study.json", "lock"


class Store:
    """An open study directory; use it in a `with` block."""

    def __init__(self, directory: Path) -> None:
        """Lock and read a directory, made when it is missing.

        Raises:
            SearchError: E951, another search runs here; E953, it cannot be written; E954, it cannot be read.
        """
        self.directory = directory
        self._lock = self._locked()
        self._size = 0
        try:
            self.records: list[Record] = self._read()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.close()

    @property
    def summary(self) -> StudySummary | None:
        """What a search left here; None where none has been."""
        path = self.directory / SUMMARY
        if not path.exists():
            return None
        try:
            return StudySummary.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise _damaged(path, str(error).splitlines()[0]) from error

    def append(self, record: Record) -> None:
        """Keep a finished trial; when this returns, it is on the disk.

        Raises:
            SearchError: E953, it could not be written; the file is as it was before.
        """
        path = self.directory / RECORDS
        line = record.model_dump_json().encode() + b"\n"
        try:
            with path.open("ab", buffering=0) as file:
                try:
                    _write_all(file, line)
                    os.fsync(file.fileno())
                except BaseException:
                    # half a line would be taken for a record, or hide the next one
                    with contextlib.suppress(OSError):
                        file.truncate(self._size)
                    raise
        except OSError as error:
            raise _unwritable(path, error) from error
        self._size += len(line)
        self.records.append(record)

    def write_summary(self, summary: StudySummary) -> None:
        """Replace `study.json`.

        Raises:
            SearchError: E953, it could not be written; the old one is still there.
        """
        self.write(SUMMARY, summary.model_dump_json(indent=1).encode())

    def write(self, name: str, content: bytes) -> Path:
        """Write a file below the directory, whole or not at all."""
        path = self.directory / name
        try:
            write_atomically(path, content)
        except OSError as error:
            raise _unwritable(path, error) from error
        return path

    def _locked(self) -> IO[bytes]:
        path = self.directory / LOCK
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b")
        except OSError as error:
            raise _unwritable(path, error) from error
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read(20).decode(errors="replace").strip()
                file.close()
                raise SearchError(
                    Diagnostic(
                        "E951",
                        f"another search is running in {self.directory}{f' (process {holder})' if holder else ''}",
                        because="two searches in one directory would evaluate the same candidates",
                        help="wait for it, end it, or choose another --output",
                    )
                ) from error
        with contextlib.suppress(OSError):
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
        return file

    def _read(self) -> list[Record]:
        path = self.directory / RECORDS
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                os.truncate(path, len(whole))
            # no trial yet is a file without lines, not a missing one
            path.touch()
        except OSError as error:
            raise _unwritable(path, error) from error
        self._size = len(whole)
        records: list[Record] = []
        for number, line in enumerate(whole.splitlines()):
            try:
                record = Record.model_validate_json(line)
            except ValidationError as error:
                raise _damaged(path, f"line {number + 1}: {error.errors()[0]['msg']}") from error
            if record.number != number:
                raise _damaged(path, f"line {number + 1} is trial {record.number}")
            records.append(record)
        return records


def set_aside(directory: Path) -> Path | None:
    """Move a study's directory out of the way, to the first free `<name>.old-1`, ...; None when there is none."""
    if not directory.exists():
        return None
    number = 1
    while (target := directory.with_name(f"{directory.name}.old-{number}")).exists():
        number += 1
    try:
        directory.rename(target)
    except OSError as error:
        raise _unwritable(directory, error) from error
    return target


def complete(records: Sequence[Record]) -> list[Record]:
    """Return the records of candidates that were trained, or fully evaluated where nothing is trained."""
    return [record for record in records if record.outcome == "complete"]


def _write_all(file: IO[bytes], content: bytes) -> None:
    # a nearly full disk takes a part of it without an error
    done = 0
    while done < len(content):
        done += file.write(content[done:])


def _unwritable(path: Path, error: OSError) -> SearchError:
    return SearchError(
        Diagnostic(
            "E953",
            f"cannot write {path}: {error.strerror or error}",
            because="every finished trial is kept on the disk before the next one starts",
            help="make room or choose another --output, then run the same command again: it goes on where it stopped",
        )
    )


def _damaged(path: Path, what: str) -> SearchError:
    return SearchError(
        Diagnostic(
            "E954",
            f"{path} is damaged: {what}",
            because="a study goes on from its records, and these are not what a search writes",
            help="restore the file, or start again with --fresh, which keeps the old directory beside the new one",
        )
    )
