"""Declared parts out of settled values: each distinct value is validated once and kept.

Values travel as JSON text: it is the key under which a part is kept, and what pydantic reads, with lists for tuples.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lfm_arch.core.units import parse_quantity
from lfm_arch.spec.locate import explain, follow
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.settle import At, Settler, UnsettledError
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import Map, Node, Scalar, join

MAX_KEPT = 65_536
_NUMBERS = ("int_type", "int_parsing", "float_type", "float_parsing")


@dataclass(frozen=True)
class Shape:
    """What may stand somewhere: one model, or several told apart by their `type`."""

    what: str
    """In words: `operator`, `featurizer`."""
    model: type[BaseModel] | None = None
    words: Callable[[], Mapping[str, type[BaseModel]]] | None = None
    """Models by `type`, where there are several."""
    lookup: Callable[[str], type[BaseModel] | None] | None = None
    """Finds a model that does not ship."""


class Parts:
    """Validated parts of a space, by their settled values."""

    def __init__(self) -> None:
        self._kept: dict[tuple[type[BaseModel], str], BaseModel] = {}

    def make(
        self,
        node: Node,
        shape: Shape,
        settler: Settler,
        at: At | None = None,
        *,
        drop: tuple[str, ...] = (),
        partial: bool = False,
    ) -> Any:
        """Return the part that a map declares.

        Args:
            node: the map, or a decision that comes out as one.
            shape: what it may be.
            settler: settles its values.
            at: the layer it is for.
            drop: keys that somebody else reads.
            partial: keys may be missing; the checked values are returned as a dict, nothing is made.

        Raises:
            UnsettledError: it is wrong, and everything wrong about it is noted.
        """
        key = (shape.what, drop, partial)
        if node.made is not None and key in node.made:
            return node.made[key]
        made = self._make(node, shape, settler, at, drop=drop, partial=partial)
        if settler.plan.level(node) == 0:
            # kept on the node: no decision can change it
            node.made = {**(node.made or {}), key: made}
        return made

    def _make(
        self, node: Node, shape: Shape, settler: Settler, at: At | None, *, drop: tuple[str, ...], partial: bool
    ) -> Any:
        head = settler.head(node, at)
        if not isinstance(head, Map):
            self._refuse_kind(head, node, shape, settler.problems)
            raise UnsettledError
        model, label = self._model(head, shape, settler, at)
        try:
            values = settler.value(head, at)
        except UnsettledError:
            self._check_rest(head, model, label, settler, at, drop)
            raise
        values = {name: value for name, value in values.items() if name not in drop}
        return self._validated(head, values, model, label, settler, at, partial=partial)

    def _check_rest(
        self, head: Map, model: type[BaseModel], label: str, settler: Settler, at: At | None, drop: tuple[str, ...]
    ) -> None:
        """Note what is wrong with the fields that could be settled, when others could not."""
        values: dict[str, Any] = {}
        for name, child in head.entries.items():
            if not name.startswith("x-") and name not in drop:
                with suppress(UnsettledError):
                    values[name] = settler.value(child, at)
        self._validated(head, values, model, label, settler, at, partial=True, rules=False)

    def _validated(
        self,
        head: Map,
        values: dict[str, Any],
        model: type[BaseModel],
        label: str,
        settler: Settler,
        at: At | None,
        *,
        partial: bool = False,
        rules: bool = True,
    ) -> Any:
        text = json.dumps(values)
        if not partial:
            kept = self._kept.get((model, text))
            if kept is not None:
                return kept
        follower: Callable[[Node], Node | None] = _Follower(settler, at)
        repaired = False
        for _ in range(64):
            try:
                part = model.model_validate_json(text)
            except ValidationError as error:
                errors = error.errors(include_url=False)
                if partial:
                    # what is left out may come from elsewhere
                    errors = [each for each in errors if each["type"] != "missing"]
                    # rules about several fields cannot be asked when some of them are not known
                    errors = [each for each in errors if rules or each["loc"]]
                    if not errors:
                        return values
                if self._repaired(values, errors, head, follower):
                    repaired = True
                    text = json.dumps(values)
                    continue
                explain(errors, head, model, settler.problems, follower, label)
                raise UnsettledError from None
            if partial:
                return values
            if not repaired:
                if len(self._kept) >= MAX_KEPT:
                    self._kept.clear()
                self._kept[(model, text)] = part
            return part
        raise AssertionError(f"repairing {head.path} does not end")

    def _repaired(
        self, values: dict[str, Any], errors: list[ErrorDetails], head: Map, follower: Callable[[Node], Node | None]
    ) -> bool:
        """Read quantities where numbers are wanted, and leave out what a null takes away; tell whether that helps."""
        done = False
        for error in errors:
            node, missing = follow(head, error["loc"], follower)
            here = follower(node)
            if len(missing) == len(error["loc"]):
                # the error is about the whole part, or leads nowhere
                continue
            if isinstance(here, Scalar) and here.value is None and node.deletes:
                done = _edit(values, error["loc"], None) or done
            elif isinstance(here, Scalar) and here.plain and isinstance(here.value, str) and error["type"] in _NUMBERS:
                quantity = parse_quantity(here.value)
                if quantity is not None and quantity[1] == "count":
                    done = _edit(values, error["loc"], quantity[0]) or done
        return done

    def _model(self, head: Map, shape: Shape, settler: Settler, at: At | None) -> tuple[type[BaseModel], str]:
        if shape.words is None:
            assert shape.model is not None, f"{shape.what} has neither a model nor types"
            return shape.model, ""
        written = head.get("type")
        words = shape.words()
        if written is None:
            problem = f"this {shape.what} has no `type`"
            settler.problems.add(
                "E207", problem, head.where, join(head.path, "type"), help=did_you_mean("", words), notes=head.notes()
            )
            self._settle_rest(head, settler, at)
        assert written is not None, "a missing type was refused"
        word = settler.value(written, at)
        written = settler.head(written, at) or written
        model = words.get(word) if isinstance(word, str) else None
        if model is None and shape.lookup is not None and isinstance(word, str):
            try:
                model = shape.lookup(word)
            except PydanticCustomError as error:
                context = error.context or {}
                settler.problems.add(
                    str(context["code"]), str(context["message"]), written, written.path,
                    because=str(context["because"]), help=str(context["help"]),
                )  # fmt: skip
                raise UnsettledError from None
        if model is None:
            settler.problems.add(
                "E206", f"unknown {shape.what} `{word}`", written, written.path, help=did_you_mean(str(word), words)
            )
            self._settle_rest(head, settler, at)
        assert model is not None, "an unknown type was refused"
        return model, str(word)

    @staticmethod
    def _settle_rest(head: Map, settler: Settler, at: At | None) -> None:
        """Note what else is wrong in a part of unknown type, then give up."""
        settler.value(head, at)
        raise UnsettledError

    @staticmethod
    def _refuse_kind(head: Node | None, node: Node, shape: Shape, problems: Problems) -> None:
        what = "nothing" if head is None else "null" if isinstance(head, Scalar) and head.value is None else ""
        what = what or ("a list" if not isinstance(head, Scalar) else f"`{head.text[:60]}`")
        article = "an" if shape.what[0] in "aeiou" else "a"
        problems.add("E203", f"{what}, where {article} {shape.what} is needed", node, node.path, help="write {...}")


class _Follower:
    """Follows decisions and expressions for messages; what cannot be settled stays as it is."""

    def __init__(self, settler: Settler, at: At | None) -> None:
        self._settler = settler
        self._at = at

    def __call__(self, node: Node) -> Node | None:
        try:
            return self._settler.head(node, self._at)
        except UnsettledError:
            return node


def _edit(values: Any, loc: tuple[str | int, ...], value: Any) -> bool:
    """Replace a value below `values`, or remove it; skips the tags of unions."""
    owner: Any = None
    key: Any = None
    here = values
    for step in loc:
        if (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        ):
            owner, key = here, step
            here = owner[key]
    if owner is None or (value is None and not isinstance(owner, dict)):
        return False
    if value is None:
        del owner[key]
    else:
        owner[key] = value
    return True
