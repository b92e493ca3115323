"""Inheritance: one tree laid over another, every value keeping the place where it was written.

maps            merge, key by key
everything else replaces; a list may say `{$append: [...]}`, `{$prepend: [...]}`, `{$remove: [...]}` instead
a changed type  drops its siblings: `{type: swiglu, ...}` over `{type: moe, num_experts: 8}` keeps no num_experts
null            takes an inherited value away
a decision      (`{$choice: ...}`) replaces, and is replaced, as a whole
"""

from copy import copy

from lfm_arch.spec.problem import Problems
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import List, Map, Node, Scalar, join, plain

EDITS = ("$prepend", "$append", "$remove")


def is_hole(node: Node | None) -> bool:
    """Whether a node is a decision: a map with a `$` key that is no list edit."""
    return isinstance(node, Map) and any(key[:1] == "$" and key not in EDITS for key in node.entries)


def is_edit(node: Node) -> bool:
    """Whether a node edits an inherited list."""
    return isinstance(node, Map) and any(key in EDITS for key in node.entries)


def merge(base: Node | None, child: Node, problems: Problems, path: str = "") -> Node:
    """Lay `child` over `base`. Neither is changed."""
    if isinstance(child, Map):
        if is_edit(child):
            return _edited(base, child, problems, path)
        if is_hole(child):
            return _replacing(base, child)
        mergeable = isinstance(base, Map) and not is_hole(base) and not changes_type(base, child)
        under = base if mergeable else None
        assert under is None or isinstance(under, Map)
        merged = Map(child.mark, flow=child.flow)
        if under is not None:
            merged.entries, merged.keys = dict(under.entries), dict(under.keys)
            merged.replaced = under.replaced
        elif base is not None:
            merged.replaced = (base.mark, *base.replaced)
        for key, value in child.entries.items():
            old = None if under is None else under.entries.get(key)
            merged.entries[key] = merge(old, value, problems, join(path, key))
            merged.keys[key] = child.keys[key]
        return merged
    if isinstance(child, List):
        clean = List(child.mark, flow=child.flow)
        clean.items = [merge(None, item, problems, f"{path}[{number}]") for number, item in enumerate(child.items)]
        clean.replaced = () if base is None else (base.mark, *base.replaced)
        return clean
    return _replacing(base, child)


def _replacing(base: Node | None, child: Node) -> Node:
    if base is None:
        return child
    twin = copy(child)
    twin.replaced = (base.mark, *base.replaced)
    twin.deletes = isinstance(child, Scalar) and child.value is None
    return twin


def changes_type(base: Map, child: Map) -> bool:
    """Whether a map is of another type than what it is laid over; one that says no type is of the same."""
    new, old = child.get("type"), base.get("type")
    if new is None or old is None:
        return False
    return not (isinstance(new, Scalar) and isinstance(old, Scalar) and new.value == old.value)


def _edited(base: Node | None, child: Map, problems: Problems, path: str) -> Node:
    """Carry out `$append`, `$prepend` and `$remove` on an inherited list."""
    for key in child.entries:
        if key not in EDITS:
            problems.add(
                "E121",
                f"`{key}` beside a list edit",
                child.keys[key],
                join(path, key),
                because=f"a list edit holds {', '.join(EDITS)} and nothing else",
                help=did_you_mean(key, EDITS),
            )
    edited = List(child.mark, flow=True)
    if not isinstance(base, List):
        first = next(key for key in child.entries if key in EDITS)
        what = "nothing is inherited here" if base is None else f"what is inherited from {base.mark} is no list"
        problems.add("E121", f"`{first}`, but {what}", child.keys[first], path, help="write the whole list")
        return edited
    edited.items = list(base.items)
    edited.replaced = (base.mark, *base.replaced)
    for key, value in child.entries.items():
        if key not in EDITS:
            continue
        if not isinstance(value, List):
            problems.add("E121", f"`{key}` of something that is no list", value, path, help=f"write {key}: [...]")
            continue
        if key == "$append":
            edited.items += [merge(None, item, problems, path) for item in value.items]
        elif key == "$prepend":
            edited.items = [merge(None, item, problems, path) for item in value.items] + edited.items
        else:
            _remove(edited, value, problems, path)
    return edited


def _remove(edited: List, wanted: List, problems: Problems, path: str) -> None:
    for item in wanted.items:
        kept = [each for each in edited.items if not _same(each, item)]
        if len(kept) == len(edited.items):
            problems.add(
                "E122",
                "nothing in the inherited list is like that",
                item,
                path,
                because="`$remove` takes away equal elements; of a mapping, it is enough to write some keys",
            )
        edited.items = kept


def _same(element: Node, wanted: Node) -> bool:
    if isinstance(element, Map) and isinstance(wanted, Map):
        return all(key in element.entries and _same(element.entries[key], each) for key, each in wanted.entries.items())
    return plain(element) == plain(wanted)
