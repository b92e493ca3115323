"""How diagnostics and tables look on a terminal."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from lfm_arch.core.errors import Diagnostic


def console(*, stderr: bool = False) -> Console:
    """Return a console for stdout or stderr; plain and wide when the stream is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 160
    return Console(file=stream, highlight=False, width=width, soft_wrap=not stream.isatty())


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Print every mistake to stderr with its source line, the rule and the way out."""
    out = console(stderr=True)
    for each in diagnostics:
        out.print(render(each), soft_wrap=True)


def render(each: Diagnostic) -> Text:
    """Lay out one mistake.

    error[E230] specs/bad.yaml:8:19 operators.attn.num_kv_heads
      8 |     num_kv_heads: 3
        |                   ^ num_kv_heads=3 does not divide num_heads=8
        = rule: each key/value head serves num_heads / num_kv_heads query heads, a whole number
        = help: use one of 1, 2, 4, 8
    """
    tone = "bold red" if each.severity == "error" else "bold yellow"
    where = " ".join(str(part) for part in (each.place, each.path) if part)
    text = Text.assemble((f"{each.severity}[{each.code}]", tone), f" {where}" if where else "")
    gutter = "   "
    if each.place is not None and each.place.excerpt:
        place = each.place
        number = str(place.line).rjust(5)
        gutter = " " * len(number) + " "
        carets = "^" * max(1, min(place.end_column, len(place.excerpt) + 1) - place.column)
        text.append(f"\n{number} | {place.excerpt}\n{gutter}| {' ' * (place.column - 1)}")
        text.append(f"{carets} {each.message}", tone)
    else:
        text.append(f"{': ' if where else ' '}{each.message}")
    for word, body in (("rule", each.because), ("help", each.help), *(("note", note) for note in each.notes)):
        if body:
            text.append(f"\n{gutter}= {word}: ", "bold cyan")
            text.append(body)
    return text
