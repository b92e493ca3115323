"""Layers out of blocks: the stack expanded, overrides laid over, each distinct layer made once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

from lfm_arch.operators.norm import Placement
from lfm_arch.spec.arch import Layer
from lfm_arch.spec.extend import changes_type
from lfm_arch.spec.group import Entry
from lfm_arch.spec.hole import Hole
from lfm_arch.spec.overlay import Overlays
from lfm_arch.spec.override import BLOCK_KEYS, Override
from lfm_arch.spec.part import Parts, Shape
from lfm_arch.spec.plan import Plan
from lfm_arch.spec.section import each_of, entries_of, map_of
from lfm_arch.spec.settle import At, Settler, UnsettledError
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import Map, Node, Scalar, join
from lfm_arch.spec.written import NORM, OPERATOR

MAX_KEPT = 65_536
_PLACEMENTS = get_args(Placement)


class _Slot(NamedTuple):
    """An operator before it is settled."""

    node: Map
    path: str
    use: str
    """The mention that names it; empty for one that is spelled in its block, which is used where the block is."""


class _Blueprint(NamedTuple):
    """A layer before it is settled, of a block in which no decision says which operators it has."""

    mixer: _Slot | None
    channel: _Slot | None
    norm: Node


class LayerMaker:
    """Makes the layers of a space's candidates and keeps what is the same for all of them."""

    def __init__(self, plan: Plan, parts: Parts, overlays: Overlays) -> None:
        self.plan = plan
        self.parts = parts
        self.overlays = overlays
        self._blueprints: dict[tuple[Any, ...], tuple[Sequence[Map], _Blueprint]] = {}
        self._varies: dict[int, tuple[Node, tuple[Hole, ...] | None]] = {}
        self._layers: dict[tuple[Any, ...], Layer] = {}

    def make(self, entries: Sequence[Entry], settler: Settler, overrides: Sequence[Override]) -> tuple[Layer, ...]:
        """Return the layers of a candidate.

        Raises:
            UnsettledError: some of them are wrong; the mistakes of all of them are noted.
        """

        def one(entry: tuple[int, Entry]) -> Layer:
            number, each = entry
            changes = [item.changes for item in overrides if number in item.layers and item.changes is not None]
            return self._layer(each, At(number, each.use), settler, changes)

        return tuple(each_of(enumerate(entries), one))

    def _layer(self, entry: Entry, at: At, settler: Settler, changes: Sequence[Map]) -> Layer:
        key = (entry.block, *map(id, changes))
        kept = self._blueprints.get(key)
        if kept is None:
            blueprint = self._blueprint(entry.block, at, settler, changes)
            if self._is_fixed(entry.block, changes):
                # changes are kept alive, so that their ids stay theirs
                self._blueprints[key] = (changes, blueprint)
        else:
            blueprint = kept[1]
        mixer = self._operator(blueprint.mixer, at, settler)
        channel = self._operator(blueprint.channel, at, settler)
        placement = self._placement(blueprint.norm, at, settler)
        norm = self.part(blueprint.norm, NORM, settler, at, drop=("placement",))
        mixer_path = "" if blueprint.mixer is None else blueprint.mixer.path
        channel_path = "" if blueprint.channel is None else blueprint.channel.path
        made = (entry.block, entry.group, id(mixer), id(channel), id(norm), placement, mixer_path, channel_path)
        layer = self._layers.get(made)
        if layer is None:
            if len(self._layers) >= MAX_KEPT:
                self._layers.clear()
            layer = self._layers[made] = Layer.model_construct(
                block=entry.block,
                group=entry.group,
                mixer=mixer,
                channel=channel,
                norm=norm,
                placement=placement,
                mixer_path=mixer_path,
                channel_path=channel_path,
            )
        return layer

    def _operator(self, slot: _Slot | None, at: At, settler: Settler) -> Any:
        if slot is None:
            return None
        return self.part(slot.node, OPERATOR, settler, at if slot.use == "" else At(at.layer, slot.use))

    def _blueprint(self, name: str, at: At, settler: Settler, changes: Sequence[Map]) -> _Blueprint:
        block = self._block(name, at, settler)

        def slot(key: str) -> _Slot | None:
            found = self._slot(block.get(key), at, settler)
            for change in changes:
                node = change.get(key)
                if node is not None:
                    found = self._changed(found, node, at, settler)
            return found

        steps: list[Callable[[], Any]] = [
            lambda: slot("mixer"),
            lambda: slot("channel"),
            lambda: self._norm(block, at, settler, changes),
        ]
        return _Blueprint(*each_of(steps, lambda step: step()))

    def _is_fixed(self, name: str, changes: Sequence[Map]) -> bool:
        """Whether no decision says what a block is made of; its operators may still hold some."""
        root = self.plan.root
        blocks, operators, norm = root.get("blocks"), root.get("operators"), root.get("norm")
        block = blocks.get(name) if isinstance(blocks, Map) else None
        written = [blocks, operators, norm, block]
        for owner in (block, *changes):
            written += [owner.get(key) for key in BLOCK_KEYS] if isinstance(owner, Map) else []
        if isinstance(operators, Map):
            names = [each.value for each in written if isinstance(each, Scalar) and isinstance(each.value, str)]
            written += [operators.get(each) for each in names]
        return all(each is None or each.plan is None for each in written)

    def _block(self, name: str, at: At, settler: Settler) -> Map:
        section = map_of("blocks", settler)
        assert section is not None, f"a stack was read that names {name} where there are no blocks"
        node = section.entries[name]
        block = settler.head(node, at)
        if isinstance(block, Map):
            return block
        settler.problems.add(
            "E203", f"the block `{name}` is no mapping", node, node.path, help="write {mixer: ..., channel: ...}"
        )
        raise UnsettledError

    def check_all(self, settler: Settler) -> None:
        """Read every operator and block, used or not, as if for the first layer."""

        def operator(entry: tuple[str, Node]) -> None:
            name, node = entry
            at = At(0, f"operators.{name}")
            head = settler.head(node, at)
            if head is not None:
                self.part(head if isinstance(head, Map) else node, OPERATOR, settler, at)

        def block(entry: tuple[str, Node]) -> None:
            name, node = entry
            at = At(0, f"blocks.{name}")
            head = self._block(name, at, settler)
            unknown = [key for key in head.entries if key not in BLOCK_KEYS and not key.startswith("x-")]
            for key in unknown:
                settler.problems.add(
                    "E201",
                    f"unknown key `{key}` of a block",
                    head.keys[key],
                    join(node.path, key),
                    because=f"a block has {', '.join(BLOCK_KEYS)}",
                    help=did_you_mean(key, BLOCK_KEYS),
                )
            self._layer(Entry(name, "", at.use), at, settler, ())
            if unknown:
                raise UnsettledError

        def section(step: tuple[str, Callable[[tuple[str, Node]], None]]) -> None:
            key, read = step
            each_of(entries_of(map_of(key, settler)), read)

        each_of((("operators", operator), ("blocks", block)), section)

    def _slot(self, node: Node | None, at: At, settler: Settler) -> _Slot | None:
        """Find the operator that a value names or spells."""
        if node is None:
            return None
        head = settler.head(node, at)
        if head is None or (isinstance(head, Scalar) and head.value is None):
            return None
        if isinstance(head, Map):
            return _Slot(head, head.path or node.path, "")
        name = head.value if isinstance(head, Scalar) else None
        table = dict(entries_of(map_of("operators", settler)))
        named = table.get(name) if isinstance(name, str) else None
        use = At(at.layer, node.path)
        found = settler.head(named, use) if named is not None else None
        if isinstance(found, Map):
            return _Slot(found, found.path, node.path)
        if named is not None:
            what = f"the operator `{name}` is no mapping"
            settler.problems.add("E203", what, named, named.path, help="write {type: ...}")
        else:
            shown = f"`{name}`" if isinstance(name, str) else "this"
            settler.problems.add(
                "E350",
                f"{shown} is no operator of this file",
                head,
                head.path or node.path,
                because="a block names an operator, or spells one in place",
                help=did_you_mean(str(name), table) or "write {type: ...} in its place",
            )
        raise UnsettledError

    def _changed(self, slot: _Slot | None, node: Node, at: At, settler: Settler) -> _Slot | None:
        """Lay an override over an operator."""
        head = settler.head(node, at)
        if head is None:
            return slot
        if slot is None or not isinstance(head, Map) or changes_type(slot.node, head):
            replaced = self._slot(head, at, settler)
            return replaced if replaced is None or not isinstance(head, Map) else replaced._replace(path=node.path)
        return slot._replace(node=self.overlays.lay(slot.node, head))

    def _norm(self, block: Map, at: At, settler: Settler, changes: Sequence[Map]) -> Node:
        node: Node | None = None
        for each in (
            self.plan.document.section("norm"),
            block.get("norm"),
            *(change.get("norm") for change in changes),
        ):
            head = None if each is None else settler.head(each, at)
            if head is None:
                continue
            if not isinstance(head, Map):
                settler.problems.add(
                    "E203", "a norm is a mapping", head, head.path or "norm", because="every layer has a norm",
                    help="write {type: rms_norm, eps: 1.0e-5}",
                )  # fmt: skip
                raise UnsettledError
            node = head if node is None else self.overlays.lay(node, head)
        if node is None:
            settler.problems.add(
                "E202",
                "there is a block without a norm, and the file has none for all",
                self.plan.root.keys.get("norm", self.plan.start),
                "norm",
                because="every layer has a norm, its own or that of the file",
                help="write norm: {type: rms_norm, eps: 1.0e-5, placement: pre}",
            )
            raise UnsettledError
        return node

    @staticmethod
    def _placement(norm: Node, at: At, settler: Settler) -> str:
        written = norm.get("placement") if isinstance(norm, Map) else None
        value = "pre" if written is None else settler.value(written, at)
        if written is not None and value not in _PLACEMENTS:
            settler.problems.add(
                "E205",
                f"placement {value}"[:80],
                settler.head(written, at) or written,
                written.path,
                because=f"it is one of {', '.join(_PLACEMENTS)}",
                help=did_you_mean(str(value), _PLACEMENTS),
            )
            raise UnsettledError
        return value

    def part(self, node: Node, shape: Shape, settler: Settler, at: At, *, drop: tuple[str, ...] = ()) -> Any:
        """Make a part; one that is the same in every layer or every candidate is made once."""
        level = self.plan.level(node)
        if level == 2:
            return self._varying(node, shape, settler, at, drop)
        if level == 0:
            return self.parts.make(node, shape, settler, at, drop=drop)
        entry = settler.kept.get(id(node))
        if entry is None:
            try:
                part = self.parts.make(node, shape, settler, at, drop=drop)
            except UnsettledError:
                part = None
            # the node is kept alive with its part, so that its id stays its own
            entry = settler.kept[id(node)] = (node, part)
        if entry[1] is None:
            raise UnsettledError
        return entry[1]

    def _varying(self, node: Node, shape: Shape, settler: Settler, at: At, drop: tuple[str, ...]) -> Any:
        """Make a part that differs from layer to layer; once for all layers of a candidate where it does not."""
        varying = self._varies.get(id(node))
        if varying is None:
            varying = self._varies[id(node)] = (node, self._simple_choices(node))
        choices = varying[1]
        if choices is None:
            return self.parts.make(node, shape, settler, at, drop=drop)
        key = (id(node), *(id(settler.outcome(choice, at)) for choice in choices))
        entry = settler.kept.get(key)
        if entry is None:
            entry = settler.kept[key] = (node, self.parts.make(node, shape, settler, at, drop=drop))
        return entry[1]

    def _simple_choices(self, node: Node) -> tuple[Hole, ...] | None:
        """Return the decisions that tell the layers of a part apart; None when more than those do."""
        if not isinstance(node, Map) or node.plan is not None:
            return None
        choices: list[Hole] = []
        for key, child in node.entries.items():
            if key.startswith("x-") or self.plan.level(child) < 2:
                continue
            hole = child.plan
            if not isinstance(hole, Hole) or hole.kind != "choice" or hole.when is not None:
                return None
            if any(self.plan.level(option) == 2 for option in hole.options):
                return None
            choices.append(hole)
        return tuple(choices)
