"""`--set path=value`: edits from the command line, laid over a file like one more child.

--set dims.hidden_size=1024  --set 'depth_groups[0].stack=4*(conv attn)'  --set operators.attn.window_size=null
"""

from collections.abc import Sequence
from copy import copy

from lfm_arch.spec.extend import merge
from lfm_arch.spec.path import Found, find
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read_value
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import List, Map, Mark, Node, Scalar, Source

NAMING = ("dims", "vars", "operators", "blocks", "featurizers", "heads", "overrides")
"""Sections whose keys are the file's own names: there, a new key is more likely a typing mistake than a wish."""
COMMAND_LINE = "command line"


def apply_sets(root: Map, sets: Sequence[str], problems: Problems, budget: Budget) -> Map:
    """Return the tree with all edits made, in order."""
    for text in sets:
        root = _apply(root, text, problems, budget)
    return root


def _apply(root: Map, text: str, problems: Problems, budget: Budget) -> Map:
    path, equals, written = text.partition("=")
    # the value stands behind the path, so that a caret points into what was typed
    source = Source(COMMAND_LINE, " " * (len(path) + 1) + written, shown=text)
    whole = Mark(source, 0, 0, len(text))
    if not equals or not path.strip():
        problems.add("E123", f"`{text[:80]}` is no edit", whole, help="write --set path=value")
        return root
    failed = len(problems.errors)
    node = read_value(source, problems, budget)
    if len(problems.errors) > failed:
        return root
    if node is None:
        # nothing behind the `=` is null, as in a file
        node = Scalar(whole, None, "")
    path = path.strip()
    found = find(root, path)
    if not path or not _may_edit(found, path):
        problems.add(
            "E124",
            f"nothing at `{path}`",
            Mark(source, 0, 0, len(path)),
            path,
            because="an edit changes what a file says; it does not add names",
            help=did_you_mean(found.rest.split(".")[0], found.node.entries) if isinstance(found.node, Map) else "",
        )
        return root
    return _edited(root, found, node, whole, problems)


def _may_edit(found: Found, path: str) -> bool:
    """Whether a path names something written, or a field that may be added beside what is written."""
    if not found.rest:
        return True
    owner = path[: len(path) - len(found.rest)].rstrip(".")
    new_key = "." not in found.rest and "[" not in found.rest
    return isinstance(found.node, Map) and new_key and owner not in NAMING


def _edited(root: Map, found: Found, value: Node, whole: Mark, problems: Problems) -> Map:
    """Rebuild the maps and lists from the top down to the edited value."""

    def rebuild(node: Node) -> Node:
        if node is found.node and not found.rest:
            return merge(node, value, problems)
        twin = copy(node)
        if node is found.node:
            assert isinstance(twin, Map), "a new key goes into a map"
            twin.entries = {**twin.entries, found.rest: merge(None, value, problems)}
            twin.keys = {**twin.keys, found.rest: whole}
        elif isinstance(twin, Map):
            twin.entries = {key: rebuild(child) for key, child in twin.entries.items()}
        elif isinstance(twin, List):
            twin.items = [rebuild(child) for child in twin.items]
        return twin

    edited = rebuild(root)
    assert isinstance(edited, Map), "the top stays a map"
    return edited
