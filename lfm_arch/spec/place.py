"""`$place`: where some special layers go among others, coded so that every code is a legal layout.

    {$place: {fill: conv, length: 16, put: {attn: 6}, min_gap: 1, max_gap: 3, head: [conv, conv], tail: [conv]}}

`head` and `tail` are fixed. Between them, k = sum of `put` layers are placed, on top of what head and tail hold; the
rest is `fill`. Between two placed layers lie at least `min_gap` and at most `max_gap` fill layers; the last placed kind
in `head` and the first in `tail` count as neighbours.

The code is k draws, each a whole number in 0..slack, where slack is the number of fill layers that no rule needs:

    sorted draws    d_1 <= d_2 <= ... <= d_k        fill layers before the i-th placed one, beyond what `min_gap` needs
    position of i   d_i + i * (1 + min_gap), i from 0, behind head

Without `max_gap` every sorted code is one layout, C(slack + k, k) of them: with a plain head and tail that is
C(free, k) for free = length - head - tail - (k - 1) * min_gap. `max_gap` pulls draws that lie too far apart toward the
middle one. Several kinds add k - 1 draws: which of the layers still to be placed comes next.

    rule = PlaceRule.of(mapping)        PlaceError: E340 nothing fits, E341 a field is wrong
    rule.draws                          the highest value of each draw; the lowest is 0
    rule.decode(code) -> block names    any code inside the draws' bounds, in any order of the draws
    rule.encode(names) -> code          the canonical code: decode(encode(x)) == x, encode(decode(c)) == canonical(c)
    rule.layouts                        how many layouts there are
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb, factorial
from typing import Any

from lfm_arch.spec.text_error import NAME, TextError, did_you_mean

MAX_LENGTH = 1024
_FIELDS = ("fill", "length", "put", "min_gap", "max_gap", "head", "tail")


class PlaceError(TextError):
    """A `$place` is written wrongly or has no layout; `field` says which key."""


@dataclass(frozen=True)
class PlaceRule:
    """Settled rules of one `$place`."""

    fill: str
    length: int
    put: tuple[tuple[str, int], ...]
    min_gap: int = 0
    max_gap: int | None = None
    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "PlaceRule":
        """Read the settled mapping below `$place`.

        Raises:
            PlaceError: E340, E341.
        """
        for key in value:
            if key not in _FIELDS:
                raise _wrong(str(key), f"unknown key `{key}` in $place", help=did_you_mean(str(key), _FIELDS))
        for key in ("fill", "length", "put"):
            if key not in value:
                raise PlaceError("E341", f"$place without `{key}`", because=f"it needs {', '.join(_FIELDS[:3])}")
        put = value["put"]
        if not isinstance(put, Mapping) or not put:
            raise _wrong("put", "`put` is no mapping of a block to how many", help="write {attn: 6}")
        rule = cls(
            fill=_name(value["fill"], "fill"),
            length=_whole(value["length"], "length", 1),
            put=tuple((_name(name, f"put.{name}"), _whole(number, f"put.{name}", 0)) for name, number in put.items()),
            min_gap=_whole(value.get("min_gap", 0), "min_gap", 0),
            max_gap=None if value.get("max_gap") is None else _whole(value["max_gap"], "max_gap", 0),
            head=_names(value.get("head", ()), "head"),
            tail=_names(value.get("tail", ()), "tail"),
        )
        rule.check()
        return rule

    def check(self) -> None:
        """Refuse rules that contradict each other or leave no layout."""
        kinds = {name for name, _ in self.put}
        if self.fill in kinds:
            raise _wrong(f"put.{self.fill}", f"`{self.fill}` is both fill and placed", help="fill with another block")
        if self.max_gap is not None and self.max_gap < self.min_gap:
            raise _wrong("max_gap", f"max_gap={self.max_gap} is below min_gap={self.min_gap}")
        needed = self.placed + self.needed + len(self.head) + len(self.tail)
        if self.slack < 0:
            raise PlaceError(
                "E340",
                f"{self.placed} placed layers do not fit: {needed} layers are needed, length is {self.length}",
                because="head + tail + placed layers + min_gap between any two of them",
                help=f"make length at least {needed}, place fewer, or lower min_gap",
                field="length",
            )
        if any(low > high for low, high in self.bounds) or (not self.placed and not self._bare_fits()):
            raise PlaceError(
                "E340",
                f"max_gap={self.max_gap} leaves {self.length} layers without a layout",
                because="at most max_gap fill layers lie between two placed ones",
                help="raise max_gap, place more, or shorten it",
                field="max_gap",
            )

    def _bare_fits(self) -> bool:
        both = self._lead is not None and self._trail is not None
        return not both or self._fits_between(self.length - len(self.head) - len(self.tail))

    def _fits_between(self, fills: int) -> bool:
        gap = fills + (self._lead or 0) + (self._trail or 0)
        return self.min_gap <= gap and (self.max_gap is None or gap <= self.max_gap)

    @cached_property
    def placed(self) -> int:
        """Layers to place, of all kinds."""
        return sum(number for _, number in self.put)

    @cached_property
    def _lead(self) -> int | None:
        """Fill layers that `head` ends in behind its last placed kind; None when it holds none."""
        return _fills_at_end(self.head, {name for name, _ in self.put})

    @cached_property
    def _trail(self) -> int | None:
        return _fills_at_end(self.tail[::-1], {name for name, _ in self.put})

    @cached_property
    def _before(self) -> int:
        """Fill layers that must follow `head` before the first placed one."""
        return 0 if self._lead is None else max(0, self.min_gap - self._lead)

    @cached_property
    def _behind(self) -> int:
        return 0 if self._trail is None else max(0, self.min_gap - self._trail)

    @cached_property
    def needed(self) -> int:
        """Fill layers outside head and tail that `min_gap` needs."""
        if not self.placed:
            both = self._lead is not None and self._trail is not None
            return max(0, self.min_gap - (self._lead or 0) - (self._trail or 0)) if both else 0
        return self._before + self._behind + (self.placed - 1) * self.min_gap

    @cached_property
    def slack(self) -> int:
        """Fill layers that no rule needs: what the draws share out."""
        return self.length - len(self.head) - len(self.tail) - self.placed - self.needed

    @cached_property
    def reach(self) -> int:
        """Most slack between two placed layers."""
        return self.slack if self.max_gap is None else min(self.slack, self.max_gap - self.min_gap)

    @cached_property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Lowest and highest canonical value of each sorted draw: what `max_gap` leaves, counted from both ends."""
        first_high, last_low = self.slack, 0
        if self.max_gap is not None and self._lead is not None:
            first_high = min(self.slack, self.max_gap - self._lead - self._before)
        if self.max_gap is not None and self._trail is not None:
            last_low = max(0, self.slack - (self.max_gap - self._trail - self._behind))
        count = self.placed
        return tuple(
            (max(0, last_low - (count - 1 - i) * self.reach), min(self.slack, first_high + i * self.reach))
            for i in range(count)
        )

    @property
    def draws(self) -> tuple[int, ...]:
        """Highest value of each draw of a code: positions first, then, for several kinds, who comes next."""
        order = range(self.placed - 1, 0, -1) if len(self._kinds) > 1 else ()
        return (self.slack,) * self.placed + tuple(order)

    @property
    def _kinds(self) -> tuple[tuple[str, int], ...]:
        return tuple((name, number) for name, number in self.put if number)

    @property
    def layouts(self) -> int:
        """How many different layouts there are."""
        arrangements = factorial(self.placed)
        for _, number in self.put:
            arrangements //= factorial(number)
        return self._positions() * arrangements

    def _positions(self) -> int:
        if not self.placed:
            return 1
        if self.max_gap is None:
            return comb(self.slack + self.placed, self.placed)
        low, high = self.bounds[0]
        ways = [int(low <= draw <= high) for draw in range(self.slack + 1)]
        for low, high in self.bounds[1:]:
            sums = [0]
            for number in ways:
                sums.append(sums[-1] + number)
            ways = [
                sums[draw + 1] - sums[max(0, draw - self.reach)] if low <= draw <= high else 0
                for draw in range(self.slack + 1)
            ]
        return sum(ways)

    def decode(self, code: Sequence[int]) -> tuple[str, ...]:
        """Return the block of each layer.

        Raises:
            PlaceError: E342, a code of another `$place`.
        """
        draws, kinds = self._draws_of(code), self._kinds_of(code)
        layers: list[str] = list(self.head)
        before = self._before
        last = 0
        for draw, kind in zip(draws, kinds, strict=True):
            layers += [self.fill] * (before + draw - last)
            layers.append(kind)
            last, before = draw, self.min_gap
        layers += [self.fill] * (self.length - len(layers) - len(self.tail))
        layers += self.tail
        assert len(layers) == self.length, f"{len(layers)} layers, length is {self.length}"
        return tuple(layers)

    def canonical(self, code: Sequence[int]) -> tuple[int, ...]:
        """Return the one code that stands for all codes of the same layout."""
        return self._draws_of(code) + self._order_of(self._kinds_of(code))

    def encode(self, layers: Sequence[str]) -> tuple[int, ...]:
        """Return the canonical code of a layout.

        Raises:
            PlaceError: E342, the rules do not allow it.
        """
        body = layers[len(self.head) : len(layers) - len(self.tail)]
        kinds = tuple(name for name in body if name != self.fill)
        draws: list[int] = []
        fills = 0
        for name in body:
            if name == self.fill:
                fills += 1
            else:
                draws.append(fills - self._before - len(draws) * self.min_gap)
        counts = {name: kinds.count(name) for name in kinds}
        if len(layers) != self.length or counts != dict(self._kinds):
            raise _not_mine("it has other layers")
        code = tuple(draws) + self._order_of(kinds)
        legal = all(0 <= draw <= high for draw, high in zip(code, self.draws, strict=True))
        if not legal or self.decode(code) != tuple(layers):
            raise _not_mine("it breaks head, tail, min_gap or max_gap")
        return code

    def _draws_of(self, code: Sequence[int]) -> tuple[int, ...]:
        """Sort the positions and pull those together that lie further apart than `max_gap` allows."""
        if len(code) != len(self.draws) or any(
            type(draw) is not int or not 0 <= draw <= high for draw, high in zip(code, self.draws, strict=True)
        ):
            raise PlaceError("E342", f"a code of {len(code)} draws, {len(self.draws)} are needed within their bounds")
        draws = sorted(code[: self.placed])
        if self.max_gap is None or not draws:
            return tuple(draws)
        middle = len(draws) // 2
        low, high = self.bounds[middle]
        draws[middle] = min(max(draws[middle], low), high)
        for i in range(middle + 1, len(draws)):
            low, high = self.bounds[i]
            draws[i] = min(max(draws[i], draws[i - 1], low), draws[i - 1] + self.reach, high)
        for i in range(middle - 1, -1, -1):
            low, high = self.bounds[i]
            draws[i] = max(min(draws[i], draws[i + 1], high), draws[i + 1] - self.reach, low)
        return tuple(draws)

    def _kinds_of(self, code: Sequence[int]) -> tuple[str, ...]:
        left = [name for name, number in self._kinds for _ in range(number)]
        if len(self._kinds) < 2:
            return tuple(left)
        return tuple([left.pop(pick) for pick in code[self.placed :]] + left)

    def _order_of(self, kinds: Sequence[str]) -> tuple[int, ...]:
        if len(self._kinds) < 2:
            return ()
        left = [name for name, number in self._kinds for _ in range(number)]
        order: list[int] = []
        for kind in kinds[:-1]:
            order.append(left.index(kind))
            left.remove(kind)
        return tuple(order)


def _fills_at_end(layers: Sequence[str], kinds: set[str]) -> int | None:
    for number, name in enumerate(reversed(layers)):
        if name in kinds:
            return number
    return None


def _wrong(field: str, message: str, *, because: str = "", help: str = "") -> PlaceError:
    return PlaceError("E341", message, because=because, help=help, field=field)


def _not_mine(why: str) -> PlaceError:
    return PlaceError("E342", f"not a layout of this $place: {why}")


def _name(value: object, field: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise _wrong(field, f"{value!r} is no block's name"[:80], because="letters, digits and underscores")
    return value


def _names(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _wrong(field, f"`{field}` is no list of blocks", help="write [conv, conv]")
    if len(value) > MAX_LENGTH:
        raise _wrong(field, f"`{field}` has {len(value)} layers", because=f"at most {MAX_LENGTH}")
    return tuple(_name(each, f"{field}[{number}]") for number, each in enumerate(value))


def _whole(value: object, field: str, lowest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= MAX_LENGTH:
        raise _wrong(field, f"{field}={value!r}"[:80], because=f"a whole number, {lowest} to {MAX_LENGTH}")
    return value
