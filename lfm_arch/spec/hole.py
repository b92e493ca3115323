"""Decisions as they are written: a mapping with exactly one `$key`, and modifiers.

    {$choice: [3, 5, 7], prior: 3, scope: layer}      one of these; each may be anything, a whole operator too
    {$int: {low: 14, high: 22, step: 2}}              {$float: {low: 1.0e-5, high: 1.0e-3, log: true}}
    {$subset: {of: [a, b, c], min: 1, max: 2}}        {$perm: [a, b, c]}
    {$switch: {on: vars.kind, cases: {a: 1, b: 2}}}   no decision of its own: follows another one
    {$place: {fill: conv, length: 16, put: {attn: 6}, min_gap: 1}}

`scope` says how often a decision is taken: `spec` once, `layer` once for each layer, `group(4)` once for every four
layers, `use` once for each place that names the operator or block it stands in. `when: "vars.moe"` takes it only where
that is true; where it is not, the `prior` stands, or without one the key counts as not written. `name` names it in
genomes; two decisions of one name are one decision.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from lfm_arch.spec.emit import flow
from lfm_arch.spec.expression import Expression, parse, parse_scalar
from lfm_arch.spec.extend import is_hole
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.scalar import Value
from lfm_arch.spec.text_error import TextError, did_you_mean
from lfm_arch.spec.tree import List, Map, Node, Scalar, join, plain

Kind = Literal["choice", "int", "float", "subset", "perm", "switch", "place"]
Scope = Literal["spec", "layer", "use", "group"]
KINDS: tuple[Kind, ...] = ("choice", "int", "float", "subset", "perm", "switch", "place")
MODIFIERS = ("prior", "when", "scope", "name")
LAYERED = ("operators", "blocks", "norm", "overrides")
"""Sections whose values may differ from layer to layer."""
MAX_OPTIONS = 1000
_SCOPES: dict[str, Scope] = {"spec": "spec", "layer": "layer", "use": "use"}
_GROUP = re.compile(r"group\(\s*([1-9]\d{0,5})\s*\)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


@dataclass(slots=True, eq=False)
class Hole:
    """A decision, read and checked; `body` is what stands behind its `$key`."""

    kind: Kind
    node: Map
    body: Node
    path: str
    """What the decision is called: its `name`, or its path without layer."""
    scope: Scope = "spec"
    every: int = 1
    """Layers that decide together, for scope `group`."""
    when: Expression | None = None
    prior: Node | None = None
    options: tuple[Node, ...] = ()
    """Of a choice, subset or permutation."""
    labels: tuple[Value, ...] = ()
    """What stands for each option in a genome: the value itself, or a short text for a mapping or list."""
    low: Node | None = None
    high: Node | None = None
    step: int | None = None
    log: bool = False
    fewest: int = 0
    most: int = 0
    on: Expression | None = None
    numbers: dict[tuple[type, Value], int] = field(default_factory=dict)
    """Number of each option by its label, which is told apart by type: true is not 1."""


def read_hole(node: Map, problems: Problems) -> Hole | None:
    """Return the decision that a map writes; None when it is written wrongly."""
    at = node.path
    dollars = [key for key in node.entries if key.startswith("$")]
    kind = dollars[0][1:]
    before = len(problems.errors)
    if len(dollars) > 1:
        problems.add(
            "E603", f"`{dollars[1]}` beside `{dollars[0]}`", node.keys[dollars[1]], at,
            because="a decision has exactly one $key",
        )  # fmt: skip
    for key in dollars:
        if key[1:] not in KINDS:
            problems.add(
                "E603", f"unknown decision `{key}`", node.keys[key], at,
                help=did_you_mean(key, [f"${each}" for each in KINDS]),
            )  # fmt: skip
    for key in node.entries:
        if not key.startswith(("$", "x-")) and key not in MODIFIERS:
            problems.add(
                "E603", f"unknown key `{key}` in a decision", node.keys[key], join(at, key),
                because=f"beside its $key a decision may say {', '.join(MODIFIERS)}",
                help=did_you_mean(key, MODIFIERS),
            )  # fmt: skip
    if len(problems.errors) > before:
        return None
    assert kind in KINDS, f"{kind} passed the check"
    hole = Hole(kind, node, node.entries[dollars[0]], at)
    _read_modifiers(hole, problems)
    _READERS[kind](hole, problems)
    return hole if len(problems.errors) == before else None


def _read_modifiers(hole: Hole, problems: Problems) -> None:
    node, at = hole.node, hole.node.path
    name = node.get("name")
    if name is not None:
        if isinstance(name, Scalar) and isinstance(name.value, str) and _NAME.fullmatch(name.value):
            hole.path = name.value
        else:
            problems.add("E603", "`name` is no name", name, at, because="letters, digits and _ . -")
    scope = node.get("scope")
    if scope is not None:
        _read_scope(hole, scope, problems)
    when = node.get("when")
    if when is not None:
        hole.when = read_expression(when, problems, "`when` is true or false, or an expression of decisions")
    hole.prior = node.get("prior")
    for key in ("prior", "scope", "name"):
        if hole.kind == "switch" and key in node.entries:
            problems.add("E603", f"`{key}` of a $switch", node.keys[key], at, because="it follows another decision")


def _read_scope(hole: Hole, scope: Node, problems: Problems) -> None:
    text = scope.value if isinstance(scope, Scalar) else None
    word = str(text)
    group = _GROUP.fullmatch(word)
    known = _SCOPES.get(word)
    if group is not None:
        hole.scope, hole.every = "group", int(group[1])
    elif known is not None:
        hole.scope = known
    else:
        problems.add(
            "E607",
            f"scope {word}" if text is not None else "a scope that is no word",
            scope,
            hole.node.path,
            because="a decision is taken once (spec), for each layer (layer), for some layers together (group(4)), or "
            "for each use (use)",
            help=did_you_mean(word, ("spec", "layer", "use", "group(4)")),
        )
    if hole.scope != "spec" and hole.node.path.split(".")[0].split("[")[0] not in LAYERED:
        problems.add(
            "E607", f"`scope: {text}` outside the layers", scope, hole.node.path,
            because=f"only {', '.join(LAYERED)} are settled layer by layer",
            help="leave scope out: the decision is taken once",
        )  # fmt: skip
    if hole.scope != "spec" and hole.kind == "place":
        problems.add("E607", "a $place is one decision", scope, hole.node.path, help="leave scope out")


def read_expression(node: Node, problems: Problems, because: str) -> Expression | None:
    """Parse an expression that is written with or without `${}`."""
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return parse("true" if node.value else "false")
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        problems.add("E603", "not an expression", node, node.path, because=because)
        return None
    try:
        return parse_scalar(node.value) if node.value.lstrip().startswith("${") else parse(node.value)
    except TextError as error:
        problems.mistake(error, node, node.path, node.value)
        return None


def _need(hole: Hole, body: type[Node], what: str, problems: Problems) -> bool:
    if isinstance(hole.body, body) and not is_hole(hole.body):
        return True
    problems.add("E604", f"${hole.kind} needs {what}", hole.body, hole.node.path)
    return False


def _known_keys(hole: Hole, body: Map, known: tuple[str, ...], needed: tuple[str, ...], problems: Problems) -> None:
    for key in body.entries:
        if key not in known:
            problems.add(
                "E604", f"unknown key `{key}` in ${hole.kind}", body.keys[key], hole.node.path,
                help=did_you_mean(key, known),
            )  # fmt: skip
    for key in needed:
        if key not in body.entries:
            problems.add("E604", f"${hole.kind} without `{key}`", body, hole.node.path, help=f"write {key}: ...")


def _read_options(hole: Hole, written: Node, problems: Problems) -> None:
    if not isinstance(written, List) or not written.items:
        problems.add("E604", f"${hole.kind} needs a list of values", written, hole.node.path, help="write [a, b, ...]")
        return
    if len(written.items) > MAX_OPTIONS:
        problems.add(
            "E604", f"{len(written.items):,} options", written, hole.node.path, because=f"at most {MAX_OPTIONS:,}",
            help="write $int or $float for a range of numbers",
        )  # fmt: skip
        return
    seen: dict[str, Node] = {}
    for item in written.items:
        text = json.dumps(plain(item))
        if text in seen:
            problems.add(
                "E604", f"the option {text[:40]} is there twice", item, hole.node.path,
                because="each option counts once", notes=(f"first at {seen[text].mark}",),
            )  # fmt: skip
        seen[text] = item
    hole.options = tuple(written.items)
    hole.labels = _labels(hole.options)
    hole.numbers = {(type(label), label): number for number, label in enumerate(hole.labels)}


def _labels(options: tuple[Node, ...]) -> tuple[Value, ...]:
    labels: list[Value] = []
    types = [each.get("type") if isinstance(each, Map) else None for each in options]
    words = [each.text if isinstance(each, Scalar) else "" for each in types]
    for number, option in enumerate(options):
        if isinstance(option, Scalar):
            label: Value = option.value
        elif words[number] and words.count(words[number]) == 1:
            label = words[number]
        else:
            text = flow(plain(option))
            label = text if len(text) <= 40 else f"option {number}"
        if any(_equal(label, other) for other in labels):
            label = f"option {number}"
        labels.append(label)
    return tuple(labels)


def _read_choice(hole: Hole, problems: Problems) -> None:
    _read_options(hole, hole.body, problems)
    if hole.prior is not None and hole.options and prior_option(hole) is None:
        problems.add(
            "E606", "the prior is none of the options", hole.prior, hole.node.path,
            because="a prior is the value that is tried first", help=did_you_mean(_text(hole.prior), _texts(hole)),
        )  # fmt: skip


def prior_option(hole: Hole) -> int | None:
    """Return the number of the option that the prior names, by value or by label."""
    assert hole.prior is not None, "asked for a prior that is not written"
    wanted = plain(hole.prior)
    for number, (option, label) in enumerate(zip(hole.options, hole.labels, strict=True)):
        if _equal(plain(option), wanted) or _equal(label, wanted):
            return number
    return None


def _equal(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _text(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _texts(hole: Hole) -> list[str]:
    return [str(label) for label in hole.labels]


def _read_range(hole: Hole, problems: Problems) -> None:
    if not _need(hole, Map, "{low: ..., high: ...}", problems):
        return
    assert isinstance(hole.body, Map), "just checked"
    body = hole.body
    known = ("low", "high", "step", "log") if hole.kind == "int" else ("low", "high", "log")
    _known_keys(hole, body, known, ("low", "high"), problems)
    hole.low, hole.high = body.get("low"), body.get("high")
    log, step = body.get("log"), body.get("step")
    if log is not None:
        if not isinstance(log, Scalar) or not isinstance(log.value, bool):
            problems.add("E605", "`log` is true or false", log, hole.node.path)
        else:
            hole.log = log.value
    if step is not None and hole.kind == "int":
        if not isinstance(step, Scalar) or type(step.value) is not int or step.value < 1:
            problems.add("E605", "`step` is a whole number, 1 or more", step, hole.node.path)
        else:
            hole.step = step.value
    if hole.log and hole.step is not None:
        problems.add("E605", "`step` together with `log`", step or body, hole.node.path, help="leave one out")


def _read_subset(hole: Hole, problems: Problems) -> None:
    if not _need(hole, Map, "{of: [...], min: ..., max: ...}", problems):
        return
    assert isinstance(hole.body, Map), "just checked"
    body = hole.body
    _known_keys(hole, body, ("of", "min", "max"), ("of",), problems)
    of = body.get("of")
    if of is not None:
        _read_options(hole, of, problems)
    hole.most = len(hole.options)
    sizes = {"min": 0, "max": len(hole.options)}
    for key in sizes:
        node = body.get(key)
        if node is None:
            continue
        if isinstance(node, Scalar) and type(node.value) is int and 0 <= node.value <= len(hole.options):
            sizes[key] = node.value
        else:
            problems.add("E605", f"`{key}` of a subset of {len(hole.options)}", node, hole.node.path)
    hole.fewest, hole.most = sizes["min"], sizes["max"]
    if hole.fewest > hole.most:
        problems.add("E605", f"min {hole.fewest} above max {hole.most}", body, hole.node.path)
    _check_list_prior(hole, problems, exact=False)


def _read_perm(hole: Hole, problems: Problems) -> None:
    _read_options(hole, hole.body, problems)
    hole.fewest = hole.most = len(hole.options)
    _check_list_prior(hole, problems, exact=True)


def _check_list_prior(hole: Hole, problems: Problems, *, exact: bool) -> None:
    if hole.prior is None or not hole.options:
        return
    values = plain(hole.prior)
    options = [json.dumps(plain(each)) for each in hole.options]
    wrong = not isinstance(values, list)
    if isinstance(values, list):
        texts = [json.dumps(each) for each in values]
        known = set(texts) <= set(options) and len(set(texts)) == len(texts)
        wrong = not known or not hole.fewest <= len(texts) <= hole.most or (exact and len(texts) != len(options))
    if wrong:
        problems.add("E606", "the prior is none of the outcomes", hole.prior, hole.node.path, help="list some of them")


def _read_switch(hole: Hole, problems: Problems) -> None:
    if not _need(hole, Map, "{on: ..., cases: {...}}", problems):
        return
    assert isinstance(hole.body, Map), "just checked"
    body = hole.body
    _known_keys(hole, body, ("on", "cases"), ("on", "cases"), problems)
    cases, on = body.get("cases"), body.get("on")
    if cases is not None and (not isinstance(cases, Map) or is_hole(cases) or not cases.entries):
        problems.add("E604", "`cases` maps values to what they lead to", cases, hole.node.path)
    if on is not None:
        hole.on = read_expression(on, problems, "`on` says which value the cases are about")


def _read_place(hole: Hole, problems: Problems) -> None:
    _need(hole, Map, "{fill: ..., length: ..., put: {...}}", problems)


_READERS: dict[str, Any] = {
    "choice": _read_choice,
    "int": _read_range,
    "float": _read_range,
    "subset": _read_subset,
    "perm": _read_perm,
    "switch": _read_switch,
    "place": _read_place,
}
