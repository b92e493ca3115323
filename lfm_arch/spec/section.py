"""Reading a section entry by entry, so that one wrong entry does not hide the mistakes of the next."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.tree import List, Map, Node, Scalar

Item = TypeVar("Item")
Made = TypeVar("Made")


def each_of(items: Iterable[Item], step: Callable[[Item], Made]) -> list[Made]:
    """Do `step` for all items, then fail if it failed for any.

    Raises:
        UnsettledError: some are wrong; the mistakes of all of them are noted.
    """
    made: list[Made] = []
    failed = False
    for item in items:
        try:
            made.append(step(item))
        except UnsettledError:
            failed = True
    if failed:
        raise UnsettledError
    return made


def is_null(node: Node | None) -> bool:
    """Whether there is nothing, or null."""
    return node is None or (isinstance(node, Scalar) and node.plan is None and node.value is None)


def map_of(key: str, settler: Settler) -> Map | None:
    """Return a section that is a mapping; None when it is not written or null.

    Raises:
        UnsettledError: E203, it is something else.
    """
    section = settler.plan.root.get(key)
    head = None if section is None else settler.head(section)
    if head is None or is_null(head):
        return None
    if not isinstance(head, Map):
        settler.problems.add("E203", f"`{key}` is no mapping", head, key, help=f"write {key}: {{name: ...}}")
        raise UnsettledError
    return head


def list_of(key: str, settler: Settler) -> list[Node]:
    """Return the entries of a section that is a list, those that a decision left out excepted.

    Raises:
        UnsettledError: E203, it is something else.
    """
    section = settler.plan.root.get(key)
    head = None if section is None else settler.head(section)
    if head is None or is_null(head):
        return []
    if not isinstance(head, List):
        settler.problems.add("E203", f"`{key}` is no list", head, key, help=f"write {key}: [...]")
        raise UnsettledError
    return [each for each in head.items if each.plan is None or settler.head(each) is not None]


def entries_of(section: Map | None) -> list[tuple[str, Node]]:
    """Return names and values of a section, without notes and what a child file took away."""
    if section is None:
        return []
    return [(name, node) for name, node in section.entries.items() if not name.startswith("x-") and not node.deletes]
