"""Overrides: changes to selected layers, `attn[-1]: {mixer.window_size: null}`; and selectors at their places."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from lfm_arch.spec.overlay import Overlays, twin_of
from lfm_arch.spec.section import each_of, entries_of, map_of
from lfm_arch.spec.selector import Selector, SelectorError, parse_selector, select
from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import Map, Mark, Node, Scalar

BLOCK_KEYS = ("mixer", "channel", "norm")
"""What a block has, and an override may change."""


class Override(NamedTuple):
    """Changes to selected layers; dotted keys are already taken apart."""

    layers: frozenset[int]
    changes: Map | None
    """None when a decision or an inheriting file took it away."""


class Overrides:
    """Reads the section `overrides`; dotted keys are taken apart once."""

    def __init__(self, overlays: Overlays) -> None:
        self.overlays = overlays
        self._split: dict[int, tuple[Map, Map]] = {}

    def read(self, settler: Settler, blocks: Sequence[str], groups: Sequence[str]) -> list[Override]:
        """Return what the file changes, with the layers it selects; in order, later ones win.

        Without blocks the stack is wrong, and that is noted: changes are read, but select nothing.
        """
        section = map_of("overrides", settler)
        keys = section.keys if section is not None else {}

        def one(entry: tuple[str, Node]) -> Override:
            key, node = entry
            changes = self._changes(node, settler)
            layers = selected(key, keys[key], node.path, settler, blocks, groups) if blocks else ()
            return Override(frozenset(layers), changes)

        return [each for each in each_of(entries_of(section), one) if each.changes is not None]

    def _changes(self, node: Node, settler: Settler) -> Map | None:
        head = settler.head(node)
        if head is None or (isinstance(head, Scalar) and head.value is None):
            return None
        if isinstance(head, Map):
            return self._taken_apart(head, settler)
        settler.problems.add("E203", "an override is a mapping", head, node.path, help="write {mixer.kernel_size: 5}")
        raise UnsettledError

    def _taken_apart(self, changes: Map, settler: Settler) -> Map:
        """Turn dotted keys into nested maps, so that `mixer.window_size: 5` is `mixer: {window_size: 5}`."""
        known = self._split.get(id(changes))
        if known is not None:
            return known[1]
        nested = twin_of(changes)
        nested.entries, nested.keys = {}, {}

        def one(entry: tuple[str, Node]) -> None:
            key, node = entry
            first, *rest = key.split(".")
            where = changes.keys[key]
            if first not in BLOCK_KEYS or not all(rest):
                settler.problems.add(
                    "E201",
                    f"unknown key `{key}` in an override",
                    where,
                    node.path,
                    because=f"an override changes {', '.join(BLOCK_KEYS)} of a layer, or a key in them",
                    help=did_you_mean(first, BLOCK_KEYS),
                )
                raise UnsettledError
            value = node
            for step in reversed(rest):
                holder = Map(node.mark, flow=True)
                holder.entries, holder.keys = {step: value}, {step: where}
                holder.path, holder.key = node.path, where
                value = holder
            before = nested.entries.get(first)
            nested.entries[first] = value if before is None else self.overlays.lay(before, value)
            nested.keys.setdefault(first, where)

        # a null here is a value: it takes a window away, not the override
        each_of([each for each in changes.entries.items() if not each[0].startswith("x-")], one)
        self._split[id(changes)] = (changes, nested)
        return nested


def selected(
    text: str | int, where: Mark, path: str, settler: Settler, blocks: Sequence[str], groups: Sequence[str]
) -> tuple[int, ...]:
    """Return the layers of a selector that stands at `where`.

    Raises:
        UnsettledError: E33x, noted.
    """
    known = [name for name, _ in entries_of(map_of("blocks", settler))]
    try:
        return select(_parsed(str(text)), blocks, groups, known=known)
    except SelectorError as error:
        each = error.diagnostic(where.place(), path, str(text))
        settler.problems.add(each.code, each.message, each.place, path, because=each.because, help=each.help)
        raise UnsettledError from None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Selector:
    return parse_selector(text)
