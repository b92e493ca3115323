"""Warnings about what is legal and looks like a mistake: of the checked file, not of what it inherits."""

import re
from collections.abc import Iterator

from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.expression import Expression
from lfm_arch.spec.hole import Hole
from lfm_arch.spec.plan import Plan
from lfm_arch.spec.tree import List, Map, Node, Scalar, walk

_WORD = re.compile(r"[A-Za-z_]\w*")


def lint(plan: Plan, checks: dict[str, Expression], spec: ArchSpec | None) -> None:
    """Note warnings.

    Args:
        plan: of a document without mistakes.
        checks: its constraints.
        spec: a model's architecture; None for a space.
    """
    read = set(_references(plan, checks))
    first_names = {path[0] for path in read}
    named = {key: _words(plan.root.get(key)) for key in ("blocks", "overrides", "depth_groups", "sharing", "moe")}
    _unused(plan, "operators", named["blocks"] | named["overrides"] | _second(read, "operators"))
    _unused(plan, "blocks", named["depth_groups"] | _second(read, "blocks"))
    _unused(plan, "dims", first_names | {"hidden_size"} | _second(read, "dims"))
    if ("vars",) not in read:
        _unused(plan, "vars", _second(read, "vars"))
    _useless_shares(plan)
    if spec is not None:
        _lonely_sharing(plan, spec)


def _references(plan: Plan, checks: dict[str, Expression]) -> Iterator[tuple[str | int, ...]]:
    expressions = list(checks.values())
    for node in plan.root.entries.values():
        for _, each in walk(node):
            if isinstance(each.plan, Expression):
                expressions.append(each.plan)
            elif isinstance(each.plan, Hole):
                expressions += [text for text in (each.plan.when, each.plan.on) if text is not None]
    for expression in expressions:
        yield from (reference.path for reference in expression.references)


def _second(read: set[tuple[str | int, ...]], section: str) -> set[str | int]:
    """Return the names of a section that are read; all of it counts where a section is read as a whole."""
    return {path[1] for path in read if path[0] == section and len(path) > 1}


def _words(section: Node | None) -> set[str | int]:
    """Return every word in the texts of a section."""
    if section is None:
        return set()
    texts = [each.value for _, each in walk(section) if isinstance(each, Scalar) and isinstance(each.value, str)]
    # what a $place puts is named by keys
    keys = [key for _, each in walk(section) if isinstance(each, Map) for key in each.entries]
    return {word for text in (*texts, *keys) for word in _WORD.findall(text)}


def _unused(plan: Plan, key: str, used: set[str | int]) -> None:
    section = plan.root.get(key)
    if not isinstance(section, Map) or section.plan is not None:
        return
    for name, node in section.entries.items():
        where = section.keys[name]
        if name in used or name.startswith("x-") or node.deletes or where.source.via is not None:
            continue
        plan.problems.add(
            "W201",
            f"nothing uses {key}.{name}",
            where,
            f"{key}.{name}",
            because="a leftover, or a mistyped name elsewhere",
            help="remove it, or use it",
            severity="warning",
        )


def _useless_shares(plan: Plan) -> None:
    groups = plan.root.get("depth_groups")
    for group in groups.items if isinstance(groups, List) else ():
        if not isinstance(group, Map):
            continue
        share, repeat = group.get("share"), group.get("repeat")
        once = repeat is None or (isinstance(repeat, Scalar) and repeat.value == 1)
        if share is None or not once or share.mark.source.via is not None:
            continue
        options = share.plan.options if isinstance(share.plan, Hole) else (share,)
        if any(isinstance(each, Scalar) and each.value not in ("none", None) for each in options):
            plan.problems.add(
                "W202",
                "`share` in a group that is passed once shares nothing",
                share,
                share.path,
                because="share says what the passes of a group own together",
                help="write repeat: 2 or more, or list layers under sharing",
                severity="warning",
            )


def _lonely_sharing(plan: Plan, spec: ArchSpec) -> None:
    section = plan.root.get("sharing")
    used = {each.path for each in (*spec.shared_weights, *spec.shared_features, *spec.shared_featurizers)}
    for node in section.items if isinstance(section, List) else ():
        among = node.get("among") if isinstance(node, Map) else None
        if node.path in used or among is None or (isinstance(among, Scalar) and among.value == "none"):
            continue
        plan.problems.add(
            "W202",
            "this entry shares nothing: fewer than two layers come together",
            node,
            node.path,
            because="each run of `group` selected layers shares, and here every run is a single layer",
            help="select more layers, raise group, or remove the entry",
            severity="warning",
        )
