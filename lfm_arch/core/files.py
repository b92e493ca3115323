"""Writing a file whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Replace a file in one step: a crash or a full disk leaves the old content or the new one.

    Missing folders are made, a link stays a link, and an older file's permissions stay.

    Raises:
        OSError: it could not be written; the older file is untouched and nothing is left beside it.
    """
    target = Path(path).resolve()
    written = content if isinstance(content, bytes) else content.encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(written)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            partial.chmod(target.stat().st_mode & 0o7777)
        partial.replace(target)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
