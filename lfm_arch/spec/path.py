"""Dotted paths into a tree, as messages, `--set` and the graph say them: `operators.attn.head_dim`, `moe[0].layers`.

A key may itself hold dots and brackets (`overrides.attn[-1].mixer.window_size`), so a path is matched against the keys
that are there, the longest first.
"""

import re
from typing import NamedTuple

from lfm_arch.spec.tree import List, Map, Mark, Node, Scalar

_INDEX = re.compile(r"\[(\d{1,9})\]")


class Found(NamedTuple):
    """The deepest node on a path."""

    node: Node
    key: Mark | None
    """Where the key stands that leads to it."""
    rest: str
    """What of the path is not there; empty when all of it is."""
    parent: Node | None = None
    step: str | int = ""
    """Key or index of the node in its parent."""


def find(root: Node, path: str) -> Found:
    """Follow a path as deep as the tree goes."""
    return _find(Found(root, None, path), 0)


def _find(at: Found, depth: int) -> Found:
    node, _, rest, _, _ = at
    if not rest or depth > 64:
        return at
    best = at
    if isinstance(node, Map):
        keys = sorted((key for key in node.entries if _leads(rest, key)), key=len, reverse=True)
        for key in keys:
            child = Found(node.entries[key], node.keys[key], rest[len(key) :].removeprefix("."), node, key)
            best = _deeper(best, _find(child, depth + 1))
            if not best.rest:
                return best
        if not keys:
            # a path goes through a decision without naming it
            for inner in options(node):
                best = _deeper(best, _find(Found(inner, at.key, rest, at.parent, at.step), depth + 1))
                if not best.rest:
                    return best
    elif isinstance(node, List):
        match = _INDEX.match(rest)
        if match and int(match[1]) < len(node.items):
            number = int(match[1])
            tail = rest[match.end() :].removeprefix(".")
            best = _deeper(best, _find(Found(node.items[number], None, tail, node, number), depth + 1))
    return best


def _leads(path: str, key: str) -> bool:
    return path.startswith(key) and (len(path) == len(key) or path[len(key)] in ".[")


def _deeper(one: Found, other: Found) -> Found:
    return other if len(other.rest) < len(one.rest) else one


def options(hole: Map) -> list[Node]:
    """Return the values that a decision may come out as, where they are written as a list or as cases."""
    written = hole.get("$choice")
    if isinstance(written, List):
        return written.items
    switch = hole.get("$switch")
    cases = switch.get("cases") if isinstance(switch, Map) else None
    return list(cases.entries.values()) if isinstance(cases, Map) else []


def mark(found: Found) -> Mark:
    """Return where to point for a path: the value when it is all there and short, else the key."""
    if found.key is not None and (found.rest or not isinstance(found.node, Scalar)):
        return found.key
    return found.node.mark
