"""No file, however broken, ends in a traceback: every mistake is told with a place in it, a known code and words."""

import json
import random
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lfm_arch.cli.check import check
from lfm_arch.core.errors import Diagnostic, GraphError, LfmArchError, SpecError
from lfm_arch.graph.compile import check_constraints, check_expect, compile_graph
from lfm_arch.spec.document import Document
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.space import load_space
from lfm_arch.spec.tree import Source, lines_of, plain

SPECS = Path(__file__).parents[2] / "specs"
PACKAGE = Path(__file__).parents[2] / "lfm_arch"
ROOMS = ("spec", "graph", "operators", "featurizers")

MODEL = """\
lfm_arch: 1
kind: model
name: small
doc: everything a model may say, small
dims:
  hidden_size: 32
  num_heads: 4
  head_dim: ${div(hidden_size, num_heads)}
  intermediate_size: ${ceil_to(hidden_size * 8 / 3, 16)}
featurizers:
  text: {type: token_embedding, vocab_size: 128}
operators:
  conv: {type: short_conv, kernel_size: 3}
  attn:
    type: attention
    num_heads: ${num_heads}
    num_kv_heads: 2
    head_dim: ${head_dim}
    qk_norm: rms
    rope: {theta: 1.0e+4}
  swiglu: {type: swiglu, intermediate_size: "${intermediate_size}"}
norm: {type: rms_norm, eps: 1.0e-5, placement: pre}
blocks:
  conv: {mixer: conv, channel: swiglu}
  attn: {mixer: attn, channel: swiglu, norm: {placement: sandwich}}
depth_groups:
  - {name: stem, stack: 2*conv}
  - {name: trunk, stack: 2*(conv attn), repeat: 2, share: none}
overrides:
  "0..1": {mixer.kernel_size: 5}
  attn[-1]: {mixer.window_size: 16}
sharing:
  - {features: kv, among: "attn[0..1]"}
  - {weights: [channel], among: "conv[2..3]"}
moe:
  - {layers: "-2..", num_experts: 4, experts_per_token: 2, intermediate_size: 16}
heads:
  lm: {type: lm_head, tied_to: text}
expect:
  layers: 10
  kv_bytes_per_token: 128
constraints:
  - {check: num_heads % num_kv_heads == 0, why: whole query heads}
  - {check: active_params <= 1.3 G, why: memory}
"""

SPACE = """\
lfm_arch: 1
kind: space
name: small-space
vars:
  width: {$choice: [32, 64], prior: 32}
  depth: {$int: {low: 4, high: 8, step: 2}}
  sparse: {$choice: [true, false]}
  experts: {$choice: [2, 4], when: vars.sparse, prior: 2}
  size: {$choice: [small, large]}
  factor: {$switch: {on: vars.size, cases: {small: 2, large: 4}}}
dims:
  hidden_size: ${vars.width}
  num_heads: ${div(hidden_size, 8)}
  intermediate_size: ${hidden_size * vars.factor}
featurizers:
  text: {type: token_embedding, vocab_size: 128}
operators:
  conv: {type: short_conv, kernel_size: {$choice: [3, 5, 7], scope: layer}}
  attn:
    type: attention
    num_heads: ${num_heads}
    num_kv_heads: 2
    head_dim: 8
    window_size: {$choice: [null, 16], scope: group(2)}
  swiglu: {type: swiglu, intermediate_size: "${intermediate_size}"}
norm: {type: rms_norm, eps: {$float: {low: 1.0e-6, high: 1.0e-5, log: true}}}
blocks:
  conv: {mixer: conv, channel: swiglu}
  attn:
    mixer:
      $choice:
        - attn
        - {type: short_conv, kernel_size: {$choice: [2, 3], scope: use}}
    channel: swiglu
depth_groups:
  - name: trunk
    stack:
      $place: {fill: conv, length: "${vars.depth}", put: {attn: 2}, min_gap: 1, head: [conv], tail: []}
    share: {$choice: [none, weights]}
sharing:
  - {weights: [norm], among: conv, group: {$choice: [1, 2]}}
moe:
  - {layers: {$choice: [none, "2..", odd]}, num_experts: "${vars.experts * 2}", experts_per_token: 2}
heads:
  lm: {type: lm_head, tied_to: text}
constraints:
  - {check: "num_heads % 4 == 0", why: whole query heads}
"""

CHILD = """\
lfm_arch: 1
kind: space
name: child
extends: {base}
operators: {{conv: {{kernel_size: {{$choice: [3, 5]}}}}, attn: {{type: short_conv, kernel_size: 4}}}}
depth_groups: {{$append: [{{name: tail, stack: conv}}]}}
overrides: {{"0": {{norm: {{eps: 1.0e-6}}}}}}
expect: null
"""

TEXTS = {
    "model": MODEL,
    "space": SPACE,
    "child": CHILD.format(base=SPECS / "lfm2-1.2b.yaml"),
    "moe": (SPECS / "lfm2-8b-a1b.yaml").read_text().replace("lfm2-1.2b.yaml", str(SPECS / "lfm2-1.2b.yaml")),
    "edge": (SPECS / "spaces" / "lfm-edge.yaml").read_text().replace("../lfm2", f"{SPECS}/lfm2"),
    "lfm3": (SPECS / "lfm3-1.7b.yaml").read_text(),
    "original": (SPECS / "original-lfm.yaml").read_text(),
}
LAX = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150
)


@cache
def known_codes() -> frozenset[str]:
    modules = [f"lfm_arch.{room}.codes" for room in ROOMS]
    return frozenset(code.code for name in modules if find_spec(name) for code in import_module(name).CODES)


def everything(path: Path, seed: int) -> None:
    """Go the whole way of a file: load, decide, compile, check."""
    space = load_space(path)
    draw = random.Random(seed)

    def ask(decision: Any) -> Any:
        if decision.kind == "choice":
            return draw.choice(decision.options)
        if decision.kind == "int":
            return draw.randrange(decision.low, decision.high + 1, decision.step or 1)
        return draw.choice([decision.low, decision.high])

    candidate = space.decide(ask)
    again = space.of(candidate.genome)
    assert again.spec == candidate.spec
    written = path.with_name("written.yaml")
    written.write_text(candidate.text)
    assert load_spec(written) == candidate.spec
    graph = compile_graph(candidate.spec)
    check_constraints(graph, candidate.spec)
    check_expect(graph, candidate.spec)


def check_told(error: LfmArchError, path: Path) -> None:
    for each in error.diagnostics:
        check_diagnostic(each, path)


def check_diagnostic(each: Diagnostic, path: Path) -> None:
    assert each.message.strip(), each
    assert each.code in known_codes(), each
    if each.code in ("E101", "E102", "E103", "E116") and each.place is None:
        # about the file as a whole, which the message names
        assert path.name in each.message
        return
    assert each.place is not None, each
    file = Path(each.place.file)
    assert file == path or file.parent == SPECS, each
    lines = lines_of(file.read_bytes().decode("utf-8-sig", "replace"))
    assert 1 <= each.place.line <= len(lines), each
    line = lines[each.place.line - 1]
    assert 1 <= each.place.column <= len(line) + 1, each
    assert each.place.column < each.place.end_column, each
    assert each.place.end_column <= len(line) + 2, each


def try_file(path: Path, seed: int = 0) -> LfmArchError | None:
    """Return how it was refused; anything but a told mistake goes through."""
    started = time.perf_counter()
    refused = None
    try:
        everything(path, seed)
    except (SpecError, GraphError) as error:
        refused = error
    assert time.perf_counter() - started < 10
    if refused is not None:
        check_told(refused, path)
    return refused


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "fuzzed.yaml"


@pytest.mark.parametrize("name", TEXTS)
def test_the_seeds_are_right(name: str, file: Path) -> None:
    file.write_text(TEXTS[name])
    for seed in range(5):
        refused = try_file(file, seed)
        assert refused is None, refused


# random edits of the text

SNIPPETS = st.sampled_from(
    [
        "\n", "  ", ":", "- ", ", ", "{", "}", "[", "]", "#", "'", '"', "&a ", "*a", "<<: *a", "!!int ", "|\n",
        ">", "?", "---\n", "...\n", "%YAML 1.2\n", "\t", "\x00", "\u2028", "\ufeff", "ä", "🙂", "${", "}",
        "${x}", "${hidden_size}", "${div(7, 2)}", "${1 / 0}", "${dims.a}", "null", "true", "~", "-1", "0",
        "1e999", ".nan", "99999999999999999999", "017", "1_000", "12 KiB", "12 K", "$choice", "$place",
        "$append", "{$choice: [1, 2]}", "{$choice: []}", "{$int: {low: 3}}", "x-note: 1\n", "type",
        "type: mamba\n", "extends: fuzzed.yaml\n", "extends: [a, b]\n", "conv", "attn[9]", "0..99", "2*(",
        "100000*(100000*conv)", "scope: layer", "when: true", "name: y\n", "dims: 3\n", "operators: []\n",
    ]
)  # fmt: skip


@st.composite
def edited(draw: st.DrawFn, texts: Mapping[str, str] = TEXTS) -> str:
    text = draw(st.sampled_from(list(texts.values())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        kind = draw(st.sampled_from(["insert", "insert", "cut", "lines", "swap", "character"]))
        if kind == "insert":
            text = text[:at] + draw(SNIPPETS) + text[at:]
        elif kind == "cut":
            text = text[:at] + text[at + draw(st.integers(1, 40)) :]
        elif kind == "character":
            text = text[:at] + draw(st.characters()) + text[at + 1 :]
        else:
            lines = text.split("\n")
            one, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
            if kind == "swap":
                lines[one], lines[other] = lines[other], lines[one]
            else:
                lines.insert(other, lines[one])
            text = "\n".join(lines)
    return text


@given(edited(), st.integers(0, 99))
@LAX
def test_edited_texts(file: Path, text: str, seed: int) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try_file(file, seed)


@given(st.binary(max_size=200))
@LAX
def test_random_bytes(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    assert try_file(file) is not None


@given(st.sampled_from(list(TEXTS.values())), st.binary(min_size=1, max_size=6), st.floats(0, 1))
@LAX
def test_bytes_inside(file: Path, text: str, data: bytes, where: float) -> None:
    whole = text.encode()
    at = int(where * len(whole))
    file.write_bytes(whole[:at] + data + whole[at:])
    try_file(file)


# random changes of the tree

WORDS = [
    "", " ", "x", "conv", "attn", "text", "none", "weights", "kv", "mixer", "a b", "é", "x" * 300, "2..", "-5..", "[1]",
    "7 * conv", "3*(conv", "${hidden_size}", "${nothing}", "${", "${1}", "${'a'}", "${vars}", "${dims}", "${norm.eps}",
    "${dims.hidden_size * 1.5}", "${operators.conv}",
]  # fmt: skip
KEYS = [
    "type", "name", "x", "x-y", "mixer", "channel", "stack", "repeat", "of", "layers", "condition", "size", "check",
    "$choice", "$int", "$float", "$subset", "$perm", "$switch", "$place", "$append", "low", "high", "scope", "when",
    "prior", "on", "cases", "fill", "length", "put", "among", "1", "mixer.type", "mixer.a.b",
]  # fmt: skip
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.0, 1e30, 2**40, 10**30, 10**100]),
    st.sampled_from(WORDS),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)),
    max_leaves=6,
)


def slots(value: Any) -> list[tuple[Any, Any]]:
    """List every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        found.append((value, key))
        found.extend(slots(child))
    return found


def _delete(holder: Any, key: Any, draw: st.DrawFn) -> None:
    del draw
    del holder[key]


def _retype(holder: Any, key: Any, draw: st.DrawFn) -> None:
    holder[key] = draw(VALUES)


def _rename(holder: Any, key: Any, draw: st.DrawFn) -> None:
    if isinstance(holder, dict):
        value = holder.pop(key)
        holder[
            draw(st.sampled_from([f"{key}s", key[:-1] or "k", "type", "x", "$choice", "mixer.x", "none", "a b", "7"]))
        ] = value


def _wrap(holder: Any, key: Any, draw: st.DrawFn) -> None:
    old = holder[key]
    wrapped: list[Any] = [
        {"$choice": [old, 3]},
        {"$choice": [old]},
        {"$choice": [old, None], "scope": "layer"},
        {"$choice": [old, "x"], "when": "1 < 2", "prior": old},
        {"$switch": {"on": "vars.width", "cases": {"32": old}}},
        [old],
        {"x": old},
    ]
    holder[key] = draw(st.sampled_from(wrapped))


def _move(holder: Any, key: Any, draw: st.DrawFn) -> None:
    del draw
    if isinstance(holder, dict):
        holder[f"{key}_too"] = json.loads(json.dumps(holder[key]))
    else:
        holder.append(json.loads(json.dumps(holder[key])))


MUTATIONS: list[Callable[[Any, Any, st.DrawFn], None]] = [_delete, _retype, _retype, _rename, _wrap, _move]


@cache
def tree(text: str) -> str:
    root = read(Source("seed", text), Problems(), Budget())
    assert root is not None
    return json.dumps(plain(root))


@st.composite
def mutated(draw: st.DrawFn, texts: Mapping[str, str] = TEXTS) -> Any:
    content = json.loads(tree(draw(st.sampled_from(list(texts.values())))))
    for _ in range(draw(st.integers(1, 3))):
        places = slots(content)
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        draw(st.sampled_from(MUTATIONS))(holder, key, draw)
    return content


@given(mutated(), st.integers(0, 99))
@settings(LAX, max_examples=400)
def test_mutated_trees(file: Path, content: Any, seed: int) -> None:
    # JSON is YAML; one key a line, so that places differ
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False))
    try_file(file, seed)


def command_files() -> st.SearchStrategy[str]:
    others = {"hw": (PACKAGE / "hardware" / "profiles" / "apple-m4.yaml").read_text()}
    return st.one_of(
        edited(),
        mutated().map(json.dumps),
        edited(others),
        mutated(others).map(lambda each: json.dumps(each, indent=1)),
    )


@given(command_files(), st.sampled_from(["text", "json", "sarif"]))
@settings(LAX, max_examples=100)
def test_the_command_tells_it_too(file: Path, text: str, style: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    result = CliRunner().invoke(check, [str(file), "--format", style], standalone_mode=False)
    assert result.exception is None
    assert result.return_value in (0, 1)
    if style != "text":
        json.loads(result.stdout)


BOMBS = {
    "aliases": "lfm_arch: 1\nkind: model\nname: x\nx-a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"x-{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "depth": "x: " + "[" * 50_000,
    "deep blocks": "".join(f"{' ' * number}k:\n" for number in range(2000)),
    "long line": "x: " + "a" * 900_000,
    "many keys": "".join(f"k{number}: 1\n" for number in range(60_000)),
    "huge": "x: 1\n" * 400_000,
    "repeats": MODEL.replace("stack: 2*conv}", "stack: 100000*(100000*conv)}"),
    "many layers": MODEL.replace("repeat: 2,", "repeat: 1000000000,"),
    "power": MODEL.replace("hidden_size: 32", "hidden_size: ${9 ** 9 ** 9}"),
    "cycle": MODEL.replace("hidden_size: 32", "hidden_size: ${num_heads}").replace(
        "num_heads: 4", "num_heads: ${hidden_size}"
    ),
    "itself": "lfm_arch: 1\nkind: model\nname: x\nextends: fuzzed.yaml\n",
    "nested choices": "lfm_arch: 1\nkind: space\nname: x\nvars: {a: " + "{$choice: [" * 30 + "1" + "]}" * 30 + "}\n",
    "wide product": SPACE.replace("[32, 64], prior: 32", str(list(range(900))) + ", prior: 32"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, file: Path) -> None:
    file.write_text(BOMBS[name])
    started = time.perf_counter()
    refused = try_file(file)
    assert time.perf_counter() - started < 5
    assert refused is not None or name == "wide product"


def test_documents_are_not_changed_by_deciding(file: Path) -> None:
    file.write_text(SPACE)
    space = load_space(file)
    before = [(decision.path, decision.kind) for decision in space.decisions()]
    for seed in range(20):
        draw = random.Random(seed)
        try:
            space.decide(lambda each: draw.choice(each.options) if each.kind == "choice" else each.low)  # noqa: B023
        except SpecError as error:
            check_told(error, file)
    assert [(decision.path, decision.kind) for decision in space.decisions()] == before
    assert isinstance(space.document, Document)
