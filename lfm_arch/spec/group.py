"""Depth groups: stacks read and expanded to one block for each layer."""

import json
from typing import NamedTuple

from lfm_arch.spec.arch import DepthGroup
from lfm_arch.spec.part import Parts
from lfm_arch.spec.plan import Plan
from lfm_arch.spec.section import each_of, entries_of, list_of, map_of
from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.stack import Item, Repeat, StackError, depth, read_stack, unknown_block, written_blocks
from lfm_arch.spec.text_error import NAME
from lfm_arch.spec.tree import Map, Node, Scalar, join
from lfm_arch.spec.written import GROUP

MAX_LAYERS = 4096
MAX_KEPT = 4096


class Entry(NamedTuple):
    """One layer of a stack before it is settled."""

    block: str
    group: str
    use: str
    """The mention in the stack that it comes from, as `trunk.1`."""


class Groups:
    """Reads `depth_groups`; equal stacks are expanded once."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._stacks: dict[tuple[str, tuple[str, ...]], tuple[tuple[str, int], ...]] = {}

    def read(self, settler: Settler) -> tuple[list[Entry], tuple[DepthGroup, ...]]:
        """Return an entry for each layer, first to last, and the groups.

        Raises:
            UnsettledError: something is wrong, and noted.
        """
        nodes = list_of("depth_groups", settler)
        if not nodes:
            settler.problems.add(
                "E202",
                "no `depth_groups`: the model has no layers",
                settler.plan.start,
                "depth_groups",
                help="write depth_groups: [{name: trunk, stack: 4*conv}]",
            )
            raise UnsettledError
        entries: list[Entry] = []
        groups: list[DepthGroup] = []

        def add(node: Node) -> None:
            group, layers = self._group(node, settler)
            repeated = len(layers) * group.repeat
            if len(entries) + repeated > MAX_LAYERS:
                self._too_many(len(entries) + repeated, node, settler)
            if any(each.name == group.name for each in groups):
                settler.problems.add(
                    "E208",
                    f"a second group called `{group.name[:60]}`",
                    node.where,
                    join(node.path, "name"),
                    because="selectors tell groups apart by their names",
                )
                raise UnsettledError
            start = len(entries)
            entries.extend(layers * group.repeat)
            groups.append(
                DepthGroup.model_construct(
                    name=group.name, start=start, stop=len(entries), repeat=group.repeat, share=group.share
                )
            )

        each_of(nodes, add)
        return entries, tuple(groups)

    def _group(self, node: Node, settler: Settler) -> tuple[DepthGroup, list[Entry]]:
        written = self.parts.make(node, GROUP, settler)
        if not NAME.fullmatch(written.name):
            settler.problems.add(
                "E208",
                f"`{written.name[:60]}` cannot be a name",
                node.where,
                join(node.path, "name"),
                because="names are letters, digits and underscores, so that selectors can say them",
            )
        head = settler.head(node)
        stack = head.get("stack") if isinstance(head, Map) else None
        assert stack is not None, "a group without a stack was refused"
        blocks = self._expanded(stack, written.stack, settler)
        return written, [Entry(block, written.name, f"{written.name}.{number}") for block, number in blocks]

    def _expanded(self, stack: Node, value: object, settler: Settler) -> tuple[tuple[str, int], ...]:
        """Return block and number of mention of each layer of one pass."""
        known = tuple(name for name, _ in entries_of(map_of("blocks", settler)))
        key = (json.dumps(value), known)
        expanded = self._stacks.get(key)
        if expanded is not None:
            return expanded
        try:
            items = read_stack(value)
        except StackError as error:
            self._mistake(error, stack, settler)
            raise UnsettledError from None
        unknown = {each.name: each for each in written_blocks(items) if each.name not in known}
        for each in unknown.values():
            self._mistake(unknown_block(each, known), stack, settler)
        if unknown:
            raise UnsettledError
        if depth(items) > MAX_LAYERS:
            self._too_many(depth(items), stack, settler)
        if len(self._stacks) >= MAX_KEPT:
            self._stacks.clear()
        expanded = self._stacks[key] = mentions(items)
        return expanded

    @staticmethod
    def _too_many(layers: int, node: Node, settler: Settler) -> None:
        settler.problems.add(
            "E322",
            f"{layers:,} layers" if layers < 10**12 else "more than 10**12 layers",
            node if isinstance(node, Scalar) else node.where,
            node.path,
            because=f"a model has at most {MAX_LAYERS:,}",
            help="check the counts, and repeat",
        )
        raise UnsettledError

    @staticmethod
    def _mistake(error: StackError, stack: Node, settler: Settler) -> None:
        node = Plan.below(settler.head(stack) or stack, error.field)
        text = node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        settler.problems.mistake(error, node, node.path or stack.path, text)


def mentions(items: tuple[Item, ...]) -> tuple[tuple[str, int], ...]:
    """Return the block of each layer with the number of the mention in the text that it comes from.

    `2*conv attn` mentions conv once, and it makes two layers.
    """
    number = -1

    def expand(of: tuple[Item, ...]) -> list[tuple[str, int]]:
        nonlocal number
        layers: list[tuple[str, int]] = []
        for item in of:
            if isinstance(item, Repeat):
                layers += expand(item.of) * item.times
            else:
                number += 1
                layers.append((item.name, number))
        return layers

    return tuple(expand(items))
