"""Who owns what: `sharing` entries and expert placement, as layer numbers."""

from collections.abc import Sequence
from typing import Any

from lfm_arch.spec.arch import ExpertPlacement, SharedFeatures, SharedFeaturizers, SharedWeights
from lfm_arch.spec.override import selected
from lfm_arch.spec.part import Parts
from lfm_arch.spec.section import each_of, list_of
from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.tree import Map, Node, Scalar, join
from lfm_arch.spec.written import MOE, SHARING

Shared = tuple[tuple[SharedWeights, ...], tuple[SharedFeatures, ...], tuple[SharedFeaturizers, ...]]


class Owners:
    """Reads the sections `sharing` and `moe`.

    Without blocks the stack is wrong, and that is noted: entries are read, but select nothing.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def sharing(self, settler: Settler, blocks: Sequence[str], groups: Sequence[str]) -> Shared:
        """Return what layers and featurizers own together.

        Of `group: n`, each run of n selected layers is one entry: its first layer owns or computes. A run of one layer
        shares nothing and makes no entry.
        """
        weights: list[SharedWeights] = []
        features: list[SharedFeatures] = []
        featurizers: list[SharedFeaturizers] = []

        def add(node: Node) -> None:
            entry = self.parts.make(node, SHARING, settler)
            if entry.featurizers is not None:
                named = tuple(entry.featurizers)
                featurizers.append(SharedFeaturizers.model_construct(featurizers=named, path=node.path))
                return
            layers = self._selected(node, "among", entry.among, settler, blocks, groups) if blocks else ()
            size = entry.group or len(layers)
            for start in range(0, len(layers), size or 1):
                run = layers[start : start + size]
                if len(run) < 2:
                    continue
                if entry.features is not None:
                    made = SharedFeatures.model_construct(feature=entry.features, layers=run, path=node.path)
                    features.append(made)
                else:
                    what = (entry.weights,) if isinstance(entry.weights, str) else tuple(entry.weights)
                    weights.append(SharedWeights.model_construct(what=what, layers=run, path=node.path))

        each_of(list_of("sharing", settler), add)
        return tuple(weights), tuple(features), tuple(featurizers)

    def experts(self, settler: Settler, blocks: Sequence[str], groups: Sequence[str]) -> tuple[ExpertPlacement, ...]:
        """Return which layers get experts; an entry whose `layers` came out as none is gone."""
        made: list[ExpertPlacement] = []

        def add(node: Node) -> None:
            head = settler.head(node)
            selector = self._layers(head, node, settler)
            if selector == "none":
                return
            experts = self.parts.make(node, MOE, settler, drop=("layers",), partial=True)
            if not blocks:
                return
            layers = self._selected(node, "layers", selector, settler, blocks, groups)
            made.append(ExpertPlacement.model_construct(layers=layers, experts=experts, path=node.path))

        each_of(list_of("moe", settler), add)
        return tuple(made)

    @staticmethod
    def _layers(head: Node | None, node: Node, settler: Settler) -> str | int:
        """Return the selector of an entry of `moe`."""
        if not isinstance(head, Map):
            settler.problems.add(
                "E203",
                "an entry of `moe` is a mapping",
                node,
                node.path,
                help='write {layers: "2..", num_experts: 8, experts_per_token: 2}',
            )
            raise UnsettledError
        written = head.get("layers")
        value = None if written is None else settler.value(written)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return value
        settler.problems.add(
            "E202" if written is None else "E203",
            "`layers` is missing" if written is None else "`layers` is no selector",
            head.where if written is None else settler.head(written) or written,
            join(node.path, "layers"),
            because="an entry says which layers get experts",
            help='write layers: "2..", odd, or all',
        )
        raise UnsettledError

    @staticmethod
    def _selected(
        node: Node, key: str, text: Any, settler: Settler, blocks: Sequence[str], groups: Sequence[str]
    ) -> tuple[int, ...]:
        head = settler.head(node)
        written = head.get(key) if isinstance(head, Map) else None
        assert written is not None, f"an entry without {key} was refused"
        chosen = settler.head(written)
        where = chosen if isinstance(chosen, Scalar) else written
        return selected(text, where.mark, join(node.path, key), settler, blocks, groups)
