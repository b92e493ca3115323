"""A mistake inside one text of a file: which characters, which rule, which way out.

The small languages (expressions, stacks, selectors, layouts) know their text and nothing of files. They raise a
`TextError` with character offsets; whoever knows where the text was written turns it into a `Diagnostic`:

    try:
        value = evaluate(parse_scalar(text), names)
    except TextError as error:
        diagnostics.append(error.diagnostic(place_of_the_scalar, path, text))
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice

from lfm_arch.core.errors import Diagnostic, Place

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What dims, vars, operators, blocks, groups, featurizers and heads may be called: what an expression can say."""


class TextError(Exception):
    """A text breaks a rule; `text[start:end]` is the part to point at."""

    def __init__(
        self,
        code: str,
        message: str,
        start: int = 0,
        end: int = 0,
        *,
        because: str = "",
        help: str = "",
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.start = start
        self.end = end
        self.because = because
        self.help = help
        self.field = field
        """Key below the value that is wrong, as `put.attn`; empty for the value itself."""

    def diagnostic(self, place: Place | None = None, path: str = "", text: str = "") -> Diagnostic:
        """Say it of a file: `place` is where the whole scalar stands, `text` the scalar's value."""
        return Diagnostic(
            code=self.code,
            message=self.message,
            place=narrow(place, text, self.start, self.end) if place is not None else None,
            path=path,
            because=self.because,
            help=self.help,
        )


def narrow(place: Place, text: str, start: int, end: int) -> Place:
    """Return the place of `text[start:end]` inside the scalar at `place`.

    The scalar may be quoted. One whose value is not spelled out in its first line (escapes, folded lines) keeps the
    whole place: pointing at a wrong column is worse than at a wide one.
    """
    found = place.excerpt.find(text, place.column - 1) if text else -1
    if found < 0 or found - (place.column - 1) > 1 or end <= start:
        return place
    column = found + 1 + start
    return replace(place, column=column, end_column=max(column + 1, found + 1 + end))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean `x`?" for the nearest known word, else a short list of the known ones, else nothing."""
    # bounded, because a broken file may offer a hundred thousand names
    names = [name for name in islice(known, 1000) if isinstance(name, str) and len(name) < 100]
    close = get_close_matches(word[:100], names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if not names:
        return ""
    shown = ", ".join(sorted(set(names))[:12])
    return f"known: {shown}{', ...' if len(set(names)) > 12 else ''}"
