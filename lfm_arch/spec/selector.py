"""Selectors: which layers an override, a sharing or an expert placement means.

    selector = part { "," part } | "none"
    part     = "all" | "odd" | "even" | range | NAME [ "[" ( "*" | range ) "]" ]
    range    = INT | INT ".." [ INT ]                 both ends included; a negative number counts from the end

    "2"          the third layer                 "attn"        every layer made of the block attn, as "attn[*]"
    "0..1"       the first two                   "attn[-1]"    the last of them
    "2.."        all but the first two           "conv[3..6]"  the fourth to the seventh conv
    "-1"         the last layer                  "odd"         layers 1, 3, 5, ...

A name may also be that of a depth group. A part that matches nothing, or reaches past the end, is an error: only
`none` selects nothing.

    parse_selector(text) -> Selector               SelectorError with offsets; a whole number is a selector too
    select(selector, blocks, groups) -> indices    ascending, each once
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lfm_arch.spec.text_error import TextError, did_you_mean

MAX_LENGTH = 2000
RESERVED = ("all", "none", "odd", "even")
"""Words that no block and no depth group may be called."""


class SelectorError(TextError):
    """A selector is written wrongly or matches nothing."""


@dataclass(frozen=True, slots=True)
class Range:
    """`first` to `last`, both included; `last` None is the end."""

    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """One element of a selector. `name` is a block, a group, or one of the words; empty for plain layer numbers."""

    kind: Literal["word", "layers", "named"]
    name: str
    range: Range | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector; empty `parts` is `none`."""

    text: str
    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Blocks and groups it speaks of."""
        return tuple(dict.fromkeys(part.name for part in self.parts if part.kind == "named"))


_PART = re.compile(
    r"\s*(?:(?P<range>-?\d+(?:\s*\.\.\s*(?:-?\d+)?)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\s*\[\s*(?P<index>\*|-?\d+(?:\s*\.\.\s*(?:-?\d+)?)?)\s*\])?)\s*"
)


def parse_selector(text: str | int) -> Selector:
    """Parse a selector, as `"0..1"`, `attn[-1]` or `2`.

    Raises:
        SelectorError: E330.
    """
    text = str(text)
    if len(text) > MAX_LENGTH:
        raise SelectorError(
            "E330", f"a selector of {len(text):,} characters", 0, MAX_LENGTH, because=f"at most {MAX_LENGTH:,}"
        )
    parts: list[Part] = []
    at = 0
    while True:
        match = _PART.match(text, at)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise _unreadable(text, at if match is None else match.end())
        parts.append(_part(match))
        at = match.end() + 1
        if match.end() >= len(text):
            break
    if any(part.name == "none" for part in parts):
        if len(parts) > 1:
            part = next(part for part in parts if part.name == "none")
            raise SelectorError(
                "E330", "`none` beside other layers", part.start, part.end, because="none means no layer"
            )
        parts = []
    return Selector(text, tuple(parts))


def _unreadable(text: str, at: int) -> SelectorError:
    at = min(at + len(text[at:]) - len(text[at:].lstrip()), max(0, len(text) - 1))
    what = f"unexpected `{text[at]}` in a selector" if text.strip() else "an empty selector"
    return SelectorError(
        "E330",
        what,
        at,
        at + 1,
        because="layer numbers, ranges and block names: 2, 0..1, 2.., attn, attn[-1], conv[3..6], odd, even, none",
    )


def _part(match: re.Match[str]) -> Part:
    group = "range" if match["range"] is not None else "name"
    start, end = match.start(group), match.end(group)
    if group == "range":
        return Part("layers", "", _range(match, "range"), start, end)
    name, index = match["name"], match["index"]
    if index is not None:
        end = match.end() - len(match[0]) + len(match[0].rstrip())
    if name in RESERVED:
        if index is not None:
            raise SelectorError("E330", f"`{name}` with an index", start, end, help=f"write {name}")
        return Part("word", name, None, start, end)
    return Part("named", name, None if index in (None, "*") else _range(match, "index"), start, end)


def _range(match: re.Match[str], group: str) -> Range:
    first, dots, last = match[group].partition("..")
    # a layer number has at most six digits; more is no range but an attempt to make a huge number
    numbers = [int(part) if len(part.strip()) <= 7 else None for part in (first, last) if part.strip()]
    if None in numbers:
        raise SelectorError("E330", "a layer number with too many digits", match.start(group), match.end(group))
    begin = numbers[0] or 0
    if not dots:
        return Range(begin, begin)
    stop = numbers[1] if len(numbers) > 1 else None
    if stop is not None and (begin < 0) == (stop < 0) and stop < begin:
        raise SelectorError(
            "E330",
            f"a range that runs backwards: {begin}..{stop}",
            match.start(group),
            match.end(group),
            help=f"write {stop}..{begin}",
        )
    return Range(begin, stop)


def select(
    selector: Selector | str | int, blocks: Sequence[str], groups: Sequence[str] = (), *, known: Sequence[str] = ()
) -> tuple[int, ...]:
    """Return the layers that a selector means, ascending.

    Args:
        selector: parsed or as text.
        blocks: the block of each layer, first to last.
        groups: the depth group of each layer, or nothing.
        known: further names that exist, though no layer may be made of them (a candidate of a space may lack a block).

    Raises:
        SelectorError: E330 syntax, E331 matches nothing, E332 past the end, E333 unknown name.
    """
    if not isinstance(selector, Selector):
        selector = parse_selector(selector)
    assert not groups or len(groups) == len(blocks), f"{len(groups)} groups for {len(blocks)} layers"
    chosen: set[int] = set()
    for part in selector.parts:
        chosen.update(_select(part, blocks, groups, known))
    return tuple(sorted(chosen))


def _select(part: Part, blocks: Sequence[str], groups: Sequence[str], known: Sequence[str]) -> Sequence[int]:
    layers = range(len(blocks))
    if part.kind == "word":
        found: Sequence[int] = {"all": layers, "even": layers[::2], "odd": layers[1::2]}[part.name]
        return _some(found, part, f"there are {len(blocks)} layers")
    if part.kind == "layers":
        assert part.range is not None
        return _slice(layers, part.range, part, "layers")
    candidates = [layer for layer in layers if blocks[layer] == part.name]
    what = f"layers of block {part.name}"
    if not candidates and part.name in groups:
        candidates = [layer for layer in layers if groups[layer] == part.name]
        what = f"layers in group {part.name}"
    if not candidates:
        names = sorted({*blocks, *groups, *known})
        if part.name not in known:
            raise SelectorError(
                "E333",
                f"unknown block `{part.name}`",
                part.start,
                part.end,
                because="a selector names blocks or depth groups of this file",
                help=did_you_mean(part.name, names),
            )
        raise _nothing(part, f"no layer is made of {part.name}")
    return candidates if part.range is None else _slice(candidates, part.range, part, what)


def _slice(layers: Sequence[int], wanted: Range, part: Part, what: str) -> Sequence[int]:
    size = len(layers)
    first = wanted.first + size if wanted.first < 0 else wanted.first
    last = size - 1 if wanted.last is None else wanted.last + size if wanted.last < 0 else wanted.last
    if wanted.last is None and first == size:
        raise _nothing(part, f"there are {size} {what}")
    if not 0 <= first < size or not 0 <= last < size:
        raise SelectorError(
            "E332",
            f"there are {size} {what}, the last is number {size - 1}" if size else f"there are no {what}",
            part.start,
            part.end,
            because="a selector reaches no further than the layers there are; the first is number 0",
            help="leave the end open, as in 2.., to take all that follow" if wanted.first != wanted.last else "",
        )
    return _some(layers[first : last + 1], part, f"there are {size} {what}")


def _some(found: Sequence[int], part: Part, why: str) -> Sequence[int]:
    if not found:
        raise _nothing(part, why)
    return found


def _nothing(part: Part, why: str) -> SelectorError:
    return SelectorError(
        "E331",
        f"matches no layer: {why}",
        part.start,
        part.end,
        because="a selector that matches nothing is a mistake or a leftover",
        help="write none to select nothing on purpose",
    )
