"""`lfm-arch explain`: a code, an operator, or a word of the language."""

import json
import textwrap
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from lfm_arch.core.errors import Code, Diagnostic, UsageError

if TYPE_CHECKING:
    from lfm_arch.spec.explanation import Explanation
    from lfm_arch.spec.words import Word

EPILOG = """\b
Examples:
  lfm-arch explain E203
  lfm-arch explain attention
  lfm-arch explain selectors
  lfm-arch explain            lists everything there is
"""
_WIDTH = 100


@click.command(epilog=EPILOG)
@click.argument("topic", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def explain(topic: str | None, *, as_json: bool) -> None:
    """Explain TOPIC: an error code, an operator, featurizer, head or norm, or a word of the language."""
    if topic is None:
        _list(as_json=as_json)
        return
    from lfm_arch.cli.codes import all_codes
    from lfm_arch.spec.explanation import explain_part
    from lfm_arch.spec.words import find_word

    code = all_codes().get(topic.upper())
    if code is not None:
        _print(_code(code), asdict(code), as_json=as_json)
        return
    part, word = explain_part(topic), find_word(topic)
    if part is None and word is None:
        raise _unknown(topic)
    texts = ([] if part is None else [_part(part)]) + ([] if word is None else [_word(word)])
    data = {"part": None if part is None else asdict(part), "word": None if word is None else asdict(word)}
    _print("\n\n".join(texts), data, as_json=as_json)


def _print(text: str, data: dict[str, Any], *, as_json: bool) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False) if as_json else text)


def _unknown(topic: str) -> UsageError:
    from lfm_arch.cli.codes import all_codes
    from lfm_arch.spec.explanation import part_names
    from lfm_arch.spec.words import WORDS

    parts = [name for names in part_names().values() for name in names]
    known = [*all_codes(), *parts, *(name for word in WORDS for name in (word.name, *word.aliases))]
    # codes are near each other by spelling and far by meaning, so a range says more than a neighbour
    close = get_close_matches(topic, known, n=3) or get_close_matches(topic.upper(), list(all_codes()), n=3)
    return UsageError(
        Diagnostic(
            "E132",
            f"nothing is called `{topic[:60]}`",
            help=f"did you mean {' or '.join(f'`{each}`' for each in close)}?"
            if close
            else "`lfm-arch explain` lists everything there is",
        )
    )


def _heading(text: str) -> str:
    return click.style(text, bold=True)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")


def _code(code: Code) -> str:
    lines = [_heading(f"{code.code}: {code.title}"), "", _wrapped(code.explanation)]
    for word, text, color in (("wrong", code.wrong, "red"), ("right", code.right, "green")):
        if text:
            lines += ["", click.style(word, fg=color), _indented(text)]
    return "\n".join(lines)


def _word(word: "Word") -> str:
    # a text may hold a table, which wrapping would break
    text = word.text if "\n" in word.text else _wrapped(word.text)
    lines = [_heading(word.name), "", text, "", click.style("example", fg="green"), _indented(word.example)]
    if word.see:
        lines += ["", f"see also: {', '.join(word.see)}"]
    return "\n".join(lines)


def _part(part: "Explanation") -> str:
    lines = [_heading(f"{part.name}, {part.what}"), "", part.text, "", click.style("fields", fg="cyan")]
    for field in part.fields:
        default = f"default {field.default}" if field.default else "needed"
        lines.append(f"  {field.name}: {field.kind}; {default}")
        if field.text:
            lines.append(_wrapped(field.text, "      "))
    return "\n".join([*lines, "", click.style("example", fg="green"), _indented(part.example)])


def _list(*, as_json: bool) -> None:
    from lfm_arch.cli.codes import all_codes
    from lfm_arch.spec.explanation import part_names
    from lfm_arch.spec.words import WORDS

    parts, codes = part_names(), all_codes()
    if as_json:
        data = {
            "words": [word.name for word in WORDS],
            **{f"{kind}s": list(names) for kind, names in parts.items()},
            "codes": {code: each.title for code, each in codes.items()},
        }
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    click.echo(_heading("words of the language"))
    click.echo(_wrapped(", ".join(word.name for word in WORDS), "  "))
    for kind, names in parts.items():
        click.echo(_heading(f"\n{kind}s"))
        click.echo(_wrapped(", ".join(names), "  "))
    click.echo(_heading("\ncodes"))
    for code, each in codes.items():
        click.echo(f"  {code}  {each.title}")
