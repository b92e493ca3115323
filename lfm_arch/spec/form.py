"""What can be said of a file before anything is decided: unknown sections, names that nothing could say."""

from lfm_arch.spec.plan import Plan
from lfm_arch.spec.text_error import NAME, did_you_mean
from lfm_arch.spec.tree import Map, Scalar, join
from lfm_arch.spec.written import TOP

NAMED = ("dims", "vars", "featurizers", "operators", "blocks", "heads")
RESERVED = ("all", "none", "odd", "even", "and", "or", "not", "in", "is", "true", "false", "null")
"""Words that mean something in selectors or expressions."""


def check_form(plan: Plan) -> None:
    """Note what is wrong with the top of a model or space."""
    problems, root = plan.problems, plan.root
    for key in root.entries:
        if key not in TOP and not key.startswith("x-"):
            problems.add(
                "E201",
                f"unknown key `{key}`",
                root.keys[key],
                key,
                because="nothing would read it; notes of your own start with x-",
                help=did_you_mean(key, TOP),
            )
    if root.get("name") is None:
        problems.add("E202", "`name` is missing", plan.start, "name", help="write name: my-model")
    for key in ("name", "doc"):
        node = root.get(key)
        if node is not None and not (isinstance(node, Scalar) and isinstance(node.value, str) and node.value):
            problems.add("E203", f"`{key}` is no text", node, key, help=f'write {key}: "..."')
    for key in NAMED:
        section = root.get(key)
        if isinstance(section, Map) and section.plan is None:
            _check_names(key, section, plan)


def _check_names(key: str, section: Map, plan: Plan) -> None:
    for name in section.entries:
        if name.startswith("x-"):
            continue
        reserved = name in RESERVED or (key == "dims" and name in (*NAMED, "norm"))
        if reserved or not NAME.fullmatch(name):
            plan.problems.add(
                "E208",
                f"`{name[:60]}` cannot be a name",
                section.keys[name],
                join(key, name),
                because="it has a meaning in expressions or selectors"
                if reserved
                else "names are letters, digits and underscores, so that expressions and selectors can say them",
            )
