"""Stack strings: a run of blocks with counts and brackets, `3*(2*conv attn) 3*(conv attn) conv`.

    stack = item { WS item } ;   item = [ INT "*" ] unit ;   unit = NAME | "(" stack ")"

The list form is equivalent, and takes computed repeats: `[conv, {repeat: 2, of: [conv, attn]}]`; a
string inside a list is a stack string too.

    parse_stack(text) -> items          StackError with offsets
    read_stack(value) -> items          string or list form; StackError.field says where in the list, as `[1].repeat`
    written_blocks(items)               every name as written, with its offsets: to check them against the blocks
    depth(items) -> int                 without expanding
    expand(items) -> names              at most MAX_LAYERS
    write_stack(items) -> text          back to a string
    fold_stack(names) -> text           the shortest stack string for a run of layers
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lfm_arch.spec.text_error import NAME, TextError, did_you_mean

MAX_LAYERS = 100_000
MAX_LENGTH = 20_000
MAX_DEPTH = 16


class StackError(TextError):
    """A stack is written wrongly or is too large."""


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: the name of a block, `text[start:end]`; `field` is its place in a list form."""

    name: str
    start: int = 0
    end: int = 0
    field: str = ""


@dataclass(frozen=True, slots=True)
class Repeat:
    """`times` passes over `of`."""

    times: int
    of: tuple["Item", ...]


Item = Block | Repeat

_TOKEN = re.compile(r"(?P<space>\s+)|(?P<count>\d+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<op>[*()])")


def parse_stack(text: str, *, field: str = "") -> tuple[Item, ...]:
    """Parse a stack string.

    Raises:
        StackError: E320 syntax, E322 a count that is no count, E323 too long or too deep.
    """
    if len(text) > MAX_LENGTH:
        raise StackError(
            "E323",
            f"a stack of {len(text):,} characters",
            0,
            MAX_LENGTH,
            because=f"at most {MAX_LENGTH:,}",
            field=field,
        )
    return _Parser(text, field).whole()


def read_stack(value: object, *, field: str = "", depth: int = 0) -> tuple[Item, ...]:
    """Read the string form or the list form.

    Raises:
        StackError: as `parse_stack`; E324 a list form with something else in it.
    """
    if isinstance(value, str):
        return parse_stack(value, field=field)
    if depth > MAX_DEPTH:
        raise StackError("E323", f"nested deeper than {MAX_DEPTH}", because="nobody can read it", field=field)
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise _list_form("a stack is a text or a list", field)
    if not value:
        raise StackError("E320", "an empty stack", because="a group has at least one layer", field=field)
    items: list[Item] = []
    for number, each in enumerate(value):
        where = f"{field}[{number}]"
        if isinstance(each, str):
            items.extend(parse_stack(each, field=where))
        elif isinstance(each, Mapping):
            items.append(_read_repeat(each, where, depth))
        else:
            raise _list_form("an element of a stack is a block's name or `{repeat: N, of: [...]}`", where)
    return tuple(items)


def _read_repeat(value: Mapping[Any, Any], field: str, depth: int) -> Repeat:
    for key in value:
        if key not in ("repeat", "of"):
            raise StackError(
                "E324",
                f"unknown key `{key}` in a stack",
                because="the list form knows `{repeat: N, of: [...]}`",
                help=did_you_mean(str(key), ("repeat", "of")),
                field=f"{field}.{key}",
            )
    if set(value) != {"repeat", "of"}:
        raise _list_form("`{repeat: N, of: [...]}` needs both keys", field)
    times = value["repeat"]
    if type(times) is not int or not 0 <= times <= MAX_LAYERS:
        raise StackError(
            "E322",
            f"repeat {times!r}"[:80],
            because=f"a whole number, 0 to {MAX_LAYERS:,}",
            field=f"{field}.repeat",
        )
    return Repeat(times, read_stack(value["of"], field=f"{field}.of", depth=depth + 1))


def _list_form(message: str, field: str) -> StackError:
    return StackError("E324", message, help="as `[conv, {repeat: 2, of: [conv, attn]}]`", field=field)


class _Parser:
    def __init__(self, text: str, field: str) -> None:
        self.text = text
        self.field = field
        self.tokens: list[tuple[str, str, int, int]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error("E320", f"unexpected character {text[at]!r}", at, at + 1)
            if match.lastgroup != "space":
                self.tokens.append((str(match.lastgroup), match[0], at, match.end()))
            at = match.end()
        self.at = 0

    def error(self, code: str, message: str, start: int, end: int, *, because: str = "", help: str = "") -> StackError:
        because = because or 'names with counts and brackets, as "3*(2*conv attn) conv"'
        return StackError(code, message, start, end, because=because, help=help, field=self.field)

    def whole(self) -> tuple[Item, ...]:
        items = self.stack(0)
        if self.at < len(self.tokens):
            _, text, start, end = self.tokens[self.at]
            raise self.error("E320", f"unexpected `{text}`", start, end)
        return items

    def stack(self, depth: int) -> tuple[Item, ...]:
        items: list[Item] = []
        while self.at < len(self.tokens) and self.tokens[self.at][1] not in (")", "*"):
            items.append(self.item(depth))
        if not items:
            _, text, start, end = self.tokens[self.at] if self.at < len(self.tokens) else ("", "", 0, len(self.text))
            raise self.error("E320", f"unexpected `{text}`" if text else "an empty stack", start, end)
        return tuple(items)

    def item(self, depth: int) -> Item:
        kind, text, start, end = self.tokens[self.at]
        if kind != "count":
            return self.unit(depth)
        following = self.tokens[self.at + 1][1] if self.at + 1 < len(self.tokens) else ""
        if following != "*":
            raise self.error(
                "E320",
                f"a count without what it repeats: `{text}`",
                start,
                end,
                help=f"write {text}*conv",
            )
        if len(text) > 6 or not 1 <= int(text) <= MAX_LAYERS or text[0] == "0":
            raise self.error(
                "E322", f"a count of {text[:30]}", start, end, because=f"a whole number, 1 to {MAX_LAYERS:,}"
            )
        self.at += 2
        if self.at >= len(self.tokens) or self.tokens[self.at][0] == "count" or self.tokens[self.at][1] in (")", "*"):
            raise self.error("E320", f"`{text}*` repeats nothing", start, end + 1, help=f"write {text}*conv")
        unit = self.unit(depth)
        return Repeat(int(text), unit.of if isinstance(unit, Repeat) else (unit,))

    def unit(self, depth: int) -> Item:
        kind, text, start, end = self.tokens[self.at]
        self.at += 1
        if kind == "name":
            return Block(text, start, end, self.field)
        if depth >= MAX_DEPTH:
            raise self.error("E323", f"nested deeper than {MAX_DEPTH}", start, end, because="nobody can read it")
        items = self.stack(depth + 1)
        if self.at >= len(self.tokens) or self.tokens[self.at][1] != ")":
            raise self.error("E320", "`(` is never closed", start, end, help="add `)`")
        self.at += 1
        return Repeat(1, items)


def written_blocks(items: Sequence[Item]) -> Iterator[Block]:
    """Yield every block as often as it is written (not as often as it is repeated)."""
    for item in items:
        if isinstance(item, Block):
            yield item
        else:
            yield from written_blocks(item.of)


def depth(items: Sequence[Item]) -> int:
    """Count the layers without making them."""
    return sum(1 if isinstance(item, Block) else item.times * depth(item.of) for item in items)


def expand(items: Sequence[Item], *, known: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the name of each layer's block, first to last.

    Args:
        items: of `parse_stack` or `read_stack`.
        known: the blocks there are; None accepts any name.

    Raises:
        StackError: E321 an unknown block, E322 more than `MAX_LAYERS` layers.
    """
    if known is not None:
        for block in written_blocks(items):
            if block.name not in known:
                raise unknown_block(block, known)
    total = depth(items)
    if total > MAX_LAYERS:
        raise StackError(
            "E322",
            f"a stack of {_shown(total)} layers",
            0,
            0,
            because=f"at most {MAX_LAYERS:,}",
            help="check the counts",
        )
    return tuple(_expand(items))


def unknown_block(block: Block, known: Sequence[str]) -> StackError:
    """Say that a block of a stack is not there."""
    return StackError(
        "E321",
        f"unknown block `{block.name}`",
        block.start,
        block.end,
        because="a stack names blocks of this file",
        help=did_you_mean(block.name, known),
        field=block.field,
    )


def _shown(number: int) -> str:
    return f"{number:,}" if number < 10**15 else "more than 10**15"


def _expand(items: Sequence[Item]) -> list[str]:
    names: list[str] = []
    for item in items:
        if isinstance(item, Block):
            names.append(item.name)
        elif item.times:
            names.extend(_expand(item.of) * item.times)
    return names


def write_stack(items: Sequence[Item]) -> str:
    """Write items as a stack string; brackets that group nothing are left out."""
    words: list[str] = []
    for item in items:
        if isinstance(item, Block):
            words.append(item.name)
        elif item.times == 1:
            words.append(write_stack(item.of))
        elif item.times > 1:
            inner = write_stack(item.of)
            words.append(f"{item.times}*{inner}" if NAME.fullmatch(inner) else f"{item.times}*({inner})")
    return " ".join(words)


MAX_FOLDED = 96
_Folded = tuple[int, int, str]
"""Words, characters, text; the smallest is the shortest."""


def fold_stack(names: Sequence[str]) -> str:
    """Return the shortest stack string for a run of layers, as pictures and exporters write it.

    Shortest in words (a name, a count and a pair of brackets are one each), then in characters. Up to `MAX_FOLDED`
    layers it is the shortest there is; a longer stack is first cut where a repetition ends.
    """
    return " ".join(_fold_pieces(tuple(names)))


def _fold_pieces(names: tuple[str, ...]) -> Iterator[str]:
    at = 0
    while len(names) - at > MAX_FOLDED:
        period, times = _repetition(names, at)
        inner = _shortest(names[at : at + period])
        yield _times(inner, times)[2] if times > 1 else inner[2]
        at += period * times
    if at < len(names):
        yield _shortest(names[at:])[2]


def _repetition(names: tuple[str, ...], at: int) -> tuple[int, int]:
    """Return the shortest period that repeats over at least `MAX_FOLDED` layers from `at`, and how often."""
    for period in range(1, MAX_FOLDED // 2 + 1):
        stop = at + period
        while stop < len(names) and names[stop] == names[stop - period]:
            stop += 1
        if stop - at >= MAX_FOLDED:
            return period, (stop - at) // period
    return MAX_FOLDED, 1


def _shortest(names: tuple[str, ...]) -> _Folded:
    """Search all ways to cut and repeat, from short runs to long ones."""
    best: dict[tuple[int, int], _Folded] = {(i, i + 1): (1, len(name), name) for i, name in enumerate(names)}
    for width in range(2, len(names) + 1):
        for start in range(len(names) - width + 1):
            stop = start + width
            # of equals, the one whose beginning is longest: 3*(conv attn) conv and not conv 3*(attn conv)
            cut = min(range(stop - 1, start, -1), key=lambda cut: _sum(best[start, cut], best[cut, stop]))
            left, right = best[start, cut], best[cut, stop]
            options = [(*_sum(left, right), f"{left[2]} {right[2]}")]
            options += [
                _times(best[start, start + period], width // period)
                for period in range(1, width // 2 + 1)
                if width % period == 0 and names[start : stop - period] == names[start + period : stop]
            ]
            best[start, stop] = min(options, key=lambda folded: folded[:2])
    return best[0, len(names)]


def _sum(left: _Folded, right: _Folded) -> tuple[int, int]:
    return left[0] + right[0], left[1] + 1 + right[1]


def _times(inner: _Folded, times: int) -> _Folded:
    bare = NAME.fullmatch(inner[2])
    text = f"{times}*{inner[2]}" if bare else f"{times}*({inner[2]})"
    return inner[0] + (1 if bare else 2), len(text), text
