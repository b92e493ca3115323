"""Text to token ids and back: a tokenizer.json if the directory has one, else bytes."""

from pathlib import Path
from typing import Any, Protocol

from lfm_arch.core.errors import BuildError, Diagnostic

FILE = "tokenizer.json"
BYTES = 256


class Vocabulary(Protocol):
    """What turns text into ids and ids into text."""

    name: str

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: list[int]) -> str: ...


class ByteVocabulary:
    """Every byte of UTF-8 is a token; ids beyond are shown as numbers."""

    name = "bytes"

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: list[int]) -> str:
        pieces: list[str] = []
        run = bytearray()
        for token in [*ids, BYTES]:
            if token < BYTES:
                run.append(token)
                continue
            pieces.append(run.decode(errors="replace"))
            run.clear()
            pieces.append(f"<{token}>")
        return "".join(pieces[:-1])


class FileVocabulary:
    """A Hugging Face tokenizer file."""

    name = FILE

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise BuildError(
                Diagnostic(
                    "E822",
                    f"{path} needs the package tokenizers, which is not installed",
                    because="text goes in by the tokenizer that belongs to the model",
                    help="pip install tokenizers, or pass --tokens",
                )
            ) from error
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as error:
            # the package raises bare exceptions for whatever is wrong with a file
            raise BuildError(
                Diagnostic("E822", f"{path} cannot be read: {error}", help="replace the file, or pass --tokens")
            ) from error

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text).ids

    def decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids)


def vocabulary(directory: Path, vocab_size: int | None) -> Vocabulary:
    """Find what a build directory's text is made of.

    Raises:
        BuildError: E822, it has no tokenizer and too few ids for bytes.
    """
    path = directory / FILE
    if path.is_file():
        return FileVocabulary(path)
    if vocab_size is None or vocab_size < BYTES:
        raise BuildError(
            Diagnostic(
                "E822",
                f"{directory} has no {FILE}, and a vocabulary of {vocab_size} cannot hold bytes",
                because="without a tokenizer text goes in as its bytes, one of 256 ids each",
                help="pass --tokens 1,2,3",
            )
        )
    return ByteVocabulary()
