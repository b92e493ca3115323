"""From a plan and its decisions to an `ArchSpec`: settle, expand the stack, override, share, place experts.

Sections are settled in the order below, so that decisions come up in the same order for equal answers. A section that
is wrong does not keep the others from being read: all mistakes are noted, and then there is no spec.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from lfm_arch.spec.arch import ArchSpec, Constraint, Expect
from lfm_arch.spec.expression import Expression, is_expression, parse, parse_scalar
from lfm_arch.spec.group import Groups
from lfm_arch.spec.layers import LayerMaker
from lfm_arch.spec.overlay import Overlays
from lfm_arch.spec.override import Overrides
from lfm_arch.spec.owners import Owners
from lfm_arch.spec.part import Parts
from lfm_arch.spec.plan import Plan
from lfm_arch.spec.section import each_of, entries_of, is_null, list_of, map_of
from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.text_error import TextError
from lfm_arch.spec.tree import List, Map, Node, Scalar
from lfm_arch.spec.written import CONSTRAINT, EXPECT, FEATURIZER, FUSION, HEAD, NORM, Shape

Made = TypeVar("Made")


class Assembler:
    """Makes the candidates of one plan; what they have in common is made once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.parts = Parts()
        self.groups = Groups(self.parts)
        self.overlays = Overlays()
        self.overrides = Overrides(self.overlays)
        self.layers = LayerMaker(plan, self.parts, self.overlays)
        self.owners = Owners(self.parts)
        self.checks = self._read_checks()
        """The constraints' expressions by path."""
        self._read_by_constraints = {name for each in self.checks.values() for name in _vars_in(each)}

    def _read_checks(self) -> dict[str, Expression]:
        """Return the constraints' expressions by path; notes those that do not parse."""
        section = self.plan.root.get("constraints")
        found: dict[str, Expression] = {}
        for number, entry in enumerate(section.items if isinstance(section, List) else ()):
            check = entry.get("check") if isinstance(entry, Map) else None
            if not isinstance(check, Scalar) or not isinstance(check.value, str):
                continue
            path = f"constraints[{number}].check"
            try:
                found[path] = parse_scalar(check.value) if is_expression(check.value) else parse(check.value)
            except TextError as error:
                self.plan.problems.mistake(error, check, path, check.value)
        return found

    def assemble(self, settler: Settler, *, everything: bool = False) -> ArchSpec | None:
        """Return a candidate's architecture; None when something is wrong, which `settler.problems` then tells.

        Args:
            settler: takes the decisions.
            everything: also read operators and blocks that no layer uses.
        """
        failures = 0

        def attempt(step: Callable[[], Made], default: Made) -> Made:
            nonlocal failures
            try:
                return step()
            except UnsettledError:
                failures += 1
                return default

        dims = attempt(lambda: self._dims(settler), {})
        featurizers = attempt(lambda: self._named("featurizers", FEATURIZER, settler), {})
        entries, groups = attempt(lambda: self.groups.read(settler), ([], ()))
        blocks, group_names = [each.block for each in entries], [each.group for each in entries]
        overrides = attempt(lambda: self.overrides.read(settler, blocks, group_names), [])
        layers = attempt(lambda: self.layers.make(entries, settler, overrides), ())
        if everything:
            attempt(lambda: self.layers.check_all(settler), None)
        weights, features, shared = attempt(lambda: self.owners.sharing(settler, blocks, group_names), ((), (), ()))
        moe = attempt(lambda: self.owners.experts(settler, blocks, group_names), ())
        final_norm = attempt(lambda: self._final_norm(settler), None)
        fusion = attempt(lambda: self._one("fusion", FUSION, settler), None)
        heads = attempt(lambda: self._named("heads", HEAD, settler), {})
        expect = attempt(lambda: self._one("expect", EXPECT, settler), None)
        constraints = attempt(lambda: self._constraints(settler), ())
        settled_vars = attempt(lambda: self._vars(settler), {})
        if failures:
            return None
        document = self.plan.document
        return ArchSpec.model_construct(
            name=str(document.header("name")),
            doc=str(document.header("doc") or ""),
            hidden_size=dims["hidden_size"],
            featurizers=featurizers,
            fusion=fusion,
            layers=layers,
            groups=groups,
            shared_weights=weights,
            shared_features=features,
            shared_featurizers=shared,
            moe=moe,
            final_norm=final_norm,
            heads=heads,
            expect=None if expect is None else Expect.model_construct(**dict(expect)),
            constraints=constraints,
            dims=dims,
            vars=settled_vars,
        )

    def _dims(self, settler: Settler) -> dict[str, Any]:
        section = map_of("dims", settler)
        problems = settler.problems

        def one(entry: tuple[str, Node]) -> tuple[str, Any]:
            name, node = entry
            value = settler.value(node)
            if isinstance(value, list | dict):
                problems.add(
                    "E203",
                    f"the dim `{name}` is {'a list' if isinstance(value, list) else 'a mapping'}",
                    settler.head(node) or node,
                    node.path,
                    because="dims are single numbers or words",
                    help="put it under vars",
                )
                raise UnsettledError
            if name == "hidden_size" and (type(value) is not int or value < 1):
                problems.add(
                    "E203",
                    f"hidden_size is {value}"[:100],
                    settler.head(node) or node,
                    node.path,
                    because="it is a whole number, 1 or more",
                )
                raise UnsettledError
            return name, value

        entries = entries_of(section)
        if not any(name == "hidden_size" for name, _ in entries):
            problems.add(
                "E202",
                "`hidden_size` is missing",
                self.plan.start if section is None else section.where,
                "dims.hidden_size",
                because="the width of the residual stream is never guessed",
                help="write dims: {hidden_size: 2048}",
            )
        dims = dict(each_of(entries, one))
        if "hidden_size" not in dims:
            raise UnsettledError
        return dims

    def _vars(self, settler: Settler) -> dict[str, Any]:
        """Return the named decisions that something read, constraints included."""
        return {
            name: settler.value(node)
            for name, node in entries_of(map_of("vars", settler))
            if name in self._read_by_constraints or settler.was_read(node)
        }

    def _named(self, key: str, shape: Shape, settler: Settler) -> dict[str, Any]:
        def one(entry: tuple[str, Node]) -> tuple[str, Any]:
            name, node = entry
            absent = node.plan is not None and settler.head(node) is None
            return name, None if absent else self.parts.make(node, shape, settler)

        made = each_of(entries_of(map_of(key, settler)), one)
        return {name: part for name, part in made if part is not None}

    def _one(self, key: str, shape: Shape, settler: Settler) -> Any:
        section = self.plan.root.get(key)
        head = None if section is None else settler.head(section)
        if section is None or is_null(head):
            return None
        return self.parts.make(section, shape, settler)

    def _final_norm(self, settler: Settler) -> Any:
        """Return the norm behind the last layer: that of the layers, unless `final_norm` says otherwise."""
        section = self.plan.root.get("final_norm")
        common = self.plan.root.get("norm")
        base = None if common is None else settler.head(common)
        own = None if section is None else settler.head(section)
        if own is None:
            return None if is_null(base) or common is None else self._norm(common, settler)
        assert section is not None, "a value comes from somewhere"
        if is_null(own):
            return None
        if isinstance(base, Map) and isinstance(own, Map):
            merged = self.overlays.lay(base, own)
            # placement is about layers: written here, it is an unknown key
            return self._norm(merged, settler, keep_placement=own.get("placement") is not None)
        return self._norm(section, settler, keep_placement=True)

    def _norm(self, node: Node, settler: Settler, *, keep_placement: bool = False) -> Any:
        if self.plan.level(node) > 1:
            settler.problems.add(
                "E611",
                "the final norm, which is that of the layers, is decided anew for each of them",
                node.where,
                "final_norm",
                because="it stands behind the last layer and belongs to none",
                help="write final_norm with a value for what is decided layer by layer",
            )
            raise UnsettledError
        return self.parts.make(node, NORM, settler, drop=() if keep_placement else ("placement",))

    def _constraints(self, settler: Settler) -> tuple[Constraint, ...]:
        def one(node: Node) -> Constraint:
            written = self.parts.make(node, CONSTRAINT, settler)
            check = written.check.strip()
            if is_expression(check):
                check = check[2:-1].strip()
            return Constraint.model_construct(check=check, why=written.why, path=node.path)

        return tuple(each_of(list_of("constraints", settler), one))


def _vars_in(expression: Expression) -> list[str]:
    paths = [reference.path for reference in expression.references]
    return [str(path[1]) for path in paths if path[0] == "vars" and len(path) > 1]
