"""Weights on disk: safetensors, written tensor by tensor so that memory stays bounded, never unpickled.

A file is eight bytes of header length, a JSON header that gives every tensor's format, shape and place, then the
tensors. Above 5 GB of weights there are several files and an index, named as Hugging Face names them.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lfm_arch.core.errors import BuildError, Diagnostic

SHARD_BYTES = 5 * 10**9
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_WORDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_FORMATS = {word: dtype for dtype, word in _WORDS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor to be written or found."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @staticmethod
    def of(name: str, tensor: Tensor) -> "Entry":
        return Entry(name, tensor.dtype, tuple(tensor.shape))

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file as the card lists it."""

    name: str
    size_bytes: int
    sha256: str


def shards(entries: Sequence[Entry], limit: int = SHARD_BYTES) -> dict[str, list[Entry]]:
    """Spread tensors over files of at most `limit` bytes, unless one tensor alone is larger; order is kept."""
    groups: list[list[Entry]] = [[]]
    filled = 0
    for entry in entries:
        if groups[-1] and filled + entry.size_bytes > limit:
            groups.append([])
            filled = 0
        groups[-1].append(entry)
        filled += entry.size_bytes
    if len(groups) == 1:
        return {SINGLE: groups[0]}
    return {
        f"model-{number:05d}-of-{len(groups):05d}.safetensors": group for number, group in enumerate(groups, start=1)
    }


def write_weights(
    directory: Path,
    entries: Sequence[Entry],
    tensors: Iterable[tuple[str, Tensor]],
    *,
    limit: int = SHARD_BYTES,
    progress: Callable[[int], None] = lambda _: None,
) -> list[WrittenFile]:
    """Write tensors as they come, in the order of `entries`.

    Args:
        directory: where to; it exists.
        entries: what will come, known beforehand.
        tensors: (name, values), made one after the other if they do not all fit into memory.
        limit: bytes of one file.
        progress: told the bytes of every tensor once it is written.
    """
    coming = iter(tensors)
    written: list[WrittenFile] = []
    files = shards(entries, limit)
    for file_name, group in files.items():
        with (directory / file_name).open("wb") as file:
            sink = _Sink(file)
            sink.write(_header(group))
            for entry in group:
                name, tensor = next(coming)
                assert Entry.of(name, tensor) == entry, f"{Entry.of(name, tensor)} came where {entry} was announced"
                sink.write(_bytes_of(tensor))
                progress(entry.size_bytes)
                del tensor
            written.append(sink.close(file_name))
    rest = next(coming, None)
    assert rest is None, f"{rest[0] if rest else ''} came without being announced"
    if len(files) > 1:
        place = {entry.name: file_name for file_name, group in files.items() for entry in group}
        index = {"metadata": {"total_size": sum(entry.size_bytes for entry in entries)}, "weight_map": place}
        written.append(write_text(directory / INDEX, json.dumps(index, indent=1) + "\n"))
    return written


def write_text(path: Path, text: str) -> WrittenFile:
    """Write a whole text file, and make sure that it is on disk."""
    with path.open("wb") as file:
        sink = _Sink(file)
        sink.write(text.encode())
        return sink.close(path.name)


class _Sink:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def close(self, name: str) -> WrittenFile:
        # a full disk may only show when the data leaves the page cache
        self._file.flush()
        os.fsync(self._file.fileno())
        return WrittenFile(name, self._size, self._hash.hexdigest())


def _bytes_of(tensor: Tensor) -> memoryview:
    flat: Any = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return memoryview(flat)


def _header(entries: Sequence[Entry]) -> bytes:
    described: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for entry in entries:
        stop = start + entry.size_bytes
        described[entry.name] = {
            "dtype": _WORDS[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [start, stop],
        }
        start = stop
    text = json.dumps(described, separators=(",", ":")).encode()
    # tensors start at a multiple of eight bytes, so that they can be mapped into memory
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a directory, opened for reading."""

    directory: Path
    place: dict[str, str]
    """Tensor name -> file name."""
    entries: dict[str, Entry]

    @staticmethod
    def open(directory: Path) -> "Weights":
        """Read the headers.

        Raises:
            BuildError: E812, there are no weights; E813, a file is damaged.
        """
        index = directory / INDEX
        if index.exists():
            names = _files_of(index)
        elif (directory / SINGLE).exists():
            names = [SINGLE]
        else:
            raise BuildError(Diagnostic("E812", f"{directory} holds no weights", help=f"expected {SINGLE} or {INDEX}"))
        place: dict[str, str] = {}
        entries: dict[str, Entry] = {}
        for file_name in names:
            for entry in _entries_of(directory / file_name):
                place[entry.name], entries[entry.name] = file_name, entry
        return Weights(directory, place, entries)

    def read(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every tensor, file by file; one is in memory at a time."""
        for file_name in dict.fromkeys(self.place.values()):
            with safe_open(self.directory / file_name, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    yield name, file.get_tensor(name)


def _files_of(index: Path) -> list[str]:
    try:
        names = list(dict.fromkeys(json.loads(index.read_text())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(index, f"it is no index of weights: {error!r}") from error
    outside = [name for name in names if not isinstance(name, str) or Path(name).name != name]
    if outside:
        raise damaged(index, f"it names {outside[0]!r}, which is no file beside it")
    return names


def _entries_of(path: Path) -> list[Entry]:
    try:
        with safe_open(path, framework="pt") as file:
            return [
                Entry(name, _FORMATS[piece.get_dtype()], tuple(piece.get_shape()))
                for name in file.keys()  # noqa: SIM118
                for piece in (file.get_slice(name),)
            ]
    except KeyError as error:
        raise damaged(path, f"it holds numbers of format {error}, which no model of ours has") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> BuildError:
    """Make the error of a file that is not what it should be."""
    return BuildError(
        Diagnostic(
            "E813",
            f"{path} cannot be read: {why}",
            because="weights are read as safetensors and nothing else; nothing is ever unpickled",
            help="build the directory again, or copy the file again",
        )
    )
