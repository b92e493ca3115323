"""Laying maps over maps after a file is compiled: leaves stay the nodes they were, with their places and decisions."""

from copy import copy

from lfm_arch.spec.extend import changes_type
from lfm_arch.spec.tree import UNSETTLED, Map, Node, Scalar


class Overlays:
    """Merged maps, kept: the same two maps always give the same node."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], tuple[Node, Node, Node]] = {}

    def lay(self, base: Node, child: Node) -> Node:
        """Return `child` laid over `base`; a changed type starts afresh."""
        key = (id(base), id(child))
        known = self._kept.get(key)
        if known is None:
            # the originals are kept alive, so that their ids stay theirs
            known = self._kept[key] = (base, child, _laid(base, child))
        return known[2]


def twin_of(node: Map) -> Map:
    """Return a copy that forgets what was settled of the original."""
    twin = copy(node)
    twin.level, twin.settled, twin.made = None, UNSETTLED, None
    return twin


def _laid(base: Node, child: Node) -> Node:
    if isinstance(base, Map) and isinstance(child, Map) and base.plan is None and child.plan is None:
        if changes_type(base, child):
            return child
        merged = twin_of(base)
        merged.entries, merged.keys = dict(base.entries), dict(base.keys)
        for key, value in child.entries.items():
            old = base.entries.get(key)
            merged.entries[key] = value if old is None else _laid(old, value)
            merged.keys[key] = child.keys[key]
        return merged
    twin = copy(child)
    twin.replaced = (base.mark, *base.replaced)
    twin.deletes = isinstance(child, Scalar) and child.value is None and child.plan is None
    return twin
