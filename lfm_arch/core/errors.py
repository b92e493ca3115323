"""What a user is told when a file, a profile or a command is wrong.

    LfmArchError            carries diagnostics; the command line prints them and exits with `exit_code`
    |- SpecError            a model, space or study file breaks a rule
    |- GraphError           the architecture itself breaks a rule (shapes, sharing, expectations)
    |- ProfileError         a hardware profile cannot answer
    |- BuildError           a directory or checkpoint cannot be written, read or matched
    |- QualityError         a candidate's quality cannot be measured
    |- SearchError          a study cannot start, go on or be read
    |- InputError           raw input does not fit the model that it is given to
    |- ReportError          a page cannot be written
    `- UsageError           the command was called wrongly, exit code 2

A user's mistake raises one of these, with every mistake of the pass at once. A broken invariant of ours is an
`assert` that prints both sides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic_core import PydanticCustomError

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Place:
    """A span in a file; lines and columns count from 1, `end_column` is exclusive and on the same line."""

    file: str
    line: int
    column: int
    end_column: int
    excerpt: str = ""
    """The whole source line, so that showing an error reads no file again."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: where, which rule, which value, and the way out."""

    code: str
    """Stable, as `E203`; `lfm-arch explain E203` says more."""
    message: str
    place: Place | None = None
    path: str = ""
    """Dotted path in the document, as `blocks.conv.mixer.kernel_size`."""
    because: str = ""
    help: str = ""
    notes: tuple[str, ...] = ()
    """Where an inherited value came from, which command line edit touched it."""
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Code:
    """A rule that users can break, as `lfm-arch explain CODE` tells it."""

    code: str
    title: str
    explanation: str
    wrong: str = ""
    """A short YAML text or command that breaks the rule."""
    right: str = ""


class LfmArchError(Exception):
    """One or more mistakes of the user, each with its place and its way out."""

    exit_code: ClassVar[int] = 1

    def __init__(self, diagnostics: Iterable[Diagnostic] | Diagnostic) -> None:
        if isinstance(diagnostics, Diagnostic):
            diagnostics = (diagnostics,)
        self.diagnostics = tuple(diagnostics)
        assert self.diagnostics, "an error without a diagnostic tells nobody anything"
        super().__init__("\n".join(self._line(each) for each in self.diagnostics))

    @staticmethod
    def _line(each: Diagnostic) -> str:
        where = " ".join(str(part) for part in (each.place, each.path) if part)
        tail = f" ({each.help})" if each.help else ""
        return f"{each.severity}[{each.code}] {where}{': ' if where else ''}{each.message}{tail}"


class SpecError(LfmArchError):
    """A model, space or study file breaks a rule of the language."""


class GraphError(LfmArchError):
    """The architecture breaks a rule: shapes, sharing, expectations."""


class ProfileError(LfmArchError):
    """A hardware profile is wrong or cannot answer the question."""


class BuildError(LfmArchError):
    """A build directory or checkpoint cannot be written, read or matched."""


class QualityError(LfmArchError):
    """A candidate's quality cannot be measured: no data, no replica, a diverging training."""


class SearchError(LfmArchError):
    """A study cannot start, go on or be read."""


class InputError(LfmArchError):
    """Raw input (pixels, samples, ids) does not fit the model that it is given to."""


class ReportError(LfmArchError):
    """A page cannot be written."""


class UsageError(LfmArchError):
    """The command itself was called wrongly."""

    exit_code: ClassVar[int] = 2


def refuse(code: str, field: str, message: str, *, because: str = "", help: str = "") -> PydanticCustomError:
    """Make the error that a pydantic validator of a declared part raises: `raise refuse("E230", ...)`.

    Pydantic collects it with its siblings, and the spec room turns it into a `Diagnostic` at the place where
    `field` was written.

    Args:
        code: the rule broken.
        field: name of the field to point at, relative to the model that validates; empty for the whole part.
        message: what is wrong, with the numbers.
        because: the rule in words.
        help: what to write instead.
    """
    # pydantic formats templates with str.format-like braces, so values travel in the context
    return PydanticCustomError(
        "lfm_arch",
        "{message}",
        {"code": code, "field": field, "message": message, "because": because, "help": help},
    )
