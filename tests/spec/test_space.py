"""Spaces: what is asked, in which order, and what comes out."""

import random
from pathlib import Path
from typing import Any

import pytest

from lfm_arch.core.errors import SpecError
from lfm_arch.operators.attention.declaration import Attention
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.spec.decision import Decision
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import Space, load_space
from tests.spec.sample import space

ROOT = Path(__file__).parents[2]
EDGE = """\
lfm_arch: 1
kind: space
name: lfm-edge
extends: lfm2-1.2b.yaml

vars:
  width: {$choice: [1536, 1792, 2048], prior: 2048}
  depth: {$int: {low: 14, high: 22, step: 2}}
  globals: {$int: {low: 3, high: 8}}
dims:
  hidden_size: ${vars.width}
  num_heads: ${div(hidden_size, 64)}
  ratio: {$choice: [3, 4, 5]}
  intermediate_size: ${ceil_to(hidden_size * ratio, 256)}
operators:
  conv: {kernel_size: {$choice: [3, 5, 7], scope: layer}}
  attn: {window_size: {$choice: [null, 1024], scope: layer}}
depth_groups:
  - name: trunk
    stack: {$place: {fill: conv, length: "${vars.depth}", put: {attn: "${vars.globals}"}, min_gap: 1, head: [conv, conv], tail: [conv]}}
    share: {$choice: [none, weights]}
sharing:
  - {features: kv, among: attn, group: {$choice: [1, 2]}}        # the first of each group computes, the rest read
moe:
  - {layers: {$choice: [none, "2..", "odd"]}, num_experts: {$choice: [8, 16]}, experts_per_token: 2}
constraints:
  - {check: "num_heads % num_kv_heads == 0", why: each key/value head serves a whole number of query heads}
  - {check: "active_params <= 1.3 G", why: the phone's memory}
expect: null                                                       # the parent's expectations describe the parent
"""  # noqa: E501 - as the language is described


def edge(folder: Path) -> Space:
    (folder / "lfm2-1.2b.yaml").write_text((ROOT / "specs" / "lfm2-1.2b.yaml").read_text())
    path = folder / "lfm-edge.yaml"
    path.write_text(EDGE)
    return load_space(path)


class Drawn:
    """Answers at random, and remembers what was asked."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.asked: list[Decision] = []

    def __call__(self, decision: Decision) -> Any:
        self.asked.append(decision)
        if decision.kind == "choice":
            return self.rng.choice(decision.options)
        assert decision.low is not None
        assert decision.high is not None
        if decision.kind == "int":
            return self.rng.randrange(int(decision.low), int(decision.high) + 1, decision.step or 1)
        return self.rng.uniform(decision.low, decision.high)


def test_the_space_as_described(tmp_path: Path) -> None:
    found = edge(tmp_path)
    decisions = {each.path: each for each in found.decisions()}
    assert decisions["vars.width"] == Decision("vars.width", "choice", (1536, 1792, 2048), prior=2048)
    assert decisions["vars.depth"] == Decision("vars.depth", "int", low=14, high=22, step=2, prior=14)
    # one for each layer of the deepest candidate
    assert [f"operators.conv.kernel_size@{layer}" in decisions for layer in (0, 21, 22)] == [True, True, False]
    # one for each placed layer of the fullest
    assert [f"depth_groups[0].stack[{number}]" in decisions for number in (0, 7, 8)] == [True, True, False]
    spec = found.default().spec
    assert len(spec.layers) == 14
    assert [layer.block for layer in spec.layers].count("attn") == 3
    assert spec.expect is None
    assert [each.check for each in spec.constraints] == ["num_heads % num_kv_heads == 0", "active_params <= 1.3 G"]


def test_every_draw_is_a_model_or_breaks_a_rule(tmp_path: Path) -> None:
    found = edge(tmp_path)
    known = {each.path for each in found.decisions()}
    good = 0
    for seed in range(60):
        ask = Drawn(seed)
        try:
            candidate = found.decide(ask)
        except SpecError as error:
            # 28 heads with 8 key/value heads, or a layout that has no room
            assert {each.code for each in error.diagnostics} <= {"E230", "E340"}  # noqa: PT017 - some draws are good
            continue
        good += 1
        paths = [each.path for each in ask.asked]
        assert len(paths) == len(set(paths))
        assert list(candidate.genome) == paths
        assert set(paths) <= known
        # only the kernels of layers that are convolutions were asked for
        convs = [number for number, layer in enumerate(candidate.spec.layers) if layer.block == "conv"]
        asked = [int(path.split("@")[1]) for path in paths if path.startswith("operators.conv.kernel_size@")]
        assert sorted(asked) == convs
        experts = len(candidate.spec.moe)
        assert bool(experts) == (candidate.genome["moe[0].layers"] != "none")
        assert ("moe[0].num_experts" in candidate.genome) == bool(experts)
    assert good > 20


def test_a_genome_gives_its_candidate_again(tmp_path: Path) -> None:
    found = edge(tmp_path)
    candidate = found.decide(Drawn(3))
    again = found.of({**candidate.genome, "something.unread": 7})
    assert again.spec == candidate.spec
    assert again.genome == candidate.genome
    path = tmp_path / "candidate.yaml"
    path.write_text(candidate.text)
    assert load_spec(path) == candidate.spec


def test_candidates_do_not_change_each_other(tmp_path: Path) -> None:
    found = edge(tmp_path)
    seeds = (3, 4, 5, 11, 3, 5)
    first = [found.decide(Drawn(seed)).spec for seed in (3, 3)]
    assert first[0] == first[1]
    fresh: dict[int, Any] = {}
    for seed in seeds:
        try:
            spec = found.decide(Drawn(seed)).spec
        except SpecError:
            continue
        assert fresh.setdefault(seed, edge(tmp_path).decide(Drawn(seed)).spec) == spec


@pytest.mark.parametrize(("path", "value"), [("vars.width", 1000), ("vars.width", "2048"), ("vars.depth", 15)])
def test_a_wrong_answer_is_refused(path: str, value: object, tmp_path: Path) -> None:
    found = edge(tmp_path)
    genome = found.default().genome
    with pytest.raises(SpecError, match="E612"):
        found.of({**genome, path: value})


def test_a_model_is_a_space_without_decisions() -> None:
    found = load_space(ROOT / "specs" / "lfm2-350m.yaml")
    assert found.decisions() == ()
    assert found.default().genome == {}
    assert found.default().spec == load_spec(ROOT / "specs" / "lfm2-350m.yaml")


def test_the_shipped_space_begins_with_the_model_that_it_extends() -> None:
    found = load_space(ROOT / "specs" / "spaces" / "lfm-edge.yaml")
    spec = found.default().spec
    model = load_spec(ROOT / "specs" / "lfm2-1.2b.yaml")
    assert [(each.mixer, each.channel) for each in spec.layers] == [(each.mixer, each.channel) for each in model.layers]


# scopes


def kernels(found: Space, ask: Any) -> list[int]:
    layers = found.decide(ask).spec.layers
    return [layer.mixer.kernel_size for layer in layers if isinstance(layer.mixer, ShortConv)]


@pytest.mark.parametrize(
    ("scope", "paths"),
    [
        ("spec", [""]),
        ("layer", ["@0", "@1", "@3", "@5"]),
        ("group(2)", ["@0..1", "@2..3", "@4..5"]),
        ("use", ["@blocks.conv.mixer"]),
    ],
)
def test_a_scope_says_how_often_is_asked(scope: str, paths: list[str], tmp_path: Path) -> None:
    # conv conv attn conv attn conv
    found = space(tmp_path, f"operators: {{conv: {{kernel_size: {{$choice: [3, 5, 7], scope: {scope}}}}}}}")
    ask = Drawn()
    sizes = kernels(found, ask)
    assert [each.path for each in ask.asked] == [f"operators.conv.kernel_size{path}" for path in paths]
    assert len(sizes) == 4
    if scope in ("spec", "use"):
        assert len(set(sizes)) == 1


def test_a_use_of_a_block_is_a_mention_in_the_stack(tmp_path: Path) -> None:
    text = (
        "blocks: {conv: {mixer: {type: short_conv, kernel_size: {$choice: [3, 5], scope: use}}}}\n"
        "depth_groups: [{name: trunk, stack: 2*conv attn conv, repeat: 2}]"
    )
    found = space(tmp_path, text)
    ask = Drawn()
    kernels(found, ask)
    base = "blocks.conv.mixer.kernel_size"
    assert [each.path for each in ask.asked] == [f"{base}@trunk.0", f"{base}@trunk.2"]
    assert [each.path for each in found.decisions()] == [f"{base}@trunk.0", f"{base}@trunk.2"]


def test_a_use_of_an_operator_is_a_block_that_names_it(tmp_path: Path) -> None:
    text = (
        "operators: {conv: {kernel_size: {$choice: [3, 5], scope: use}}}\n"
        "blocks: {other: {mixer: conv, channel: ffn}}\n"
        "overrides: {'4': {mixer: conv}}\n"
        "depth_groups: [{name: trunk, stack: conv other conv other attn}]"
    )
    found = space(tmp_path, text)
    ask = Drawn()
    kernels(found, ask)
    expected = [
        f"operators.conv.kernel_size@{use}" for use in ("blocks.conv.mixer", "blocks.other.mixer", "overrides.4.mixer")
    ]
    assert [each.path for each in ask.asked] == expected
    assert sorted(each.path for each in found.decisions()) == sorted(expected)


# kinds of decisions


def dims(found: Space, **answers: Any) -> dict[str, Any]:
    return found.decide(lambda decision: answers.get(decision.path, decision.prior)).spec.dims


def test_options_may_be_whole_operators_with_decisions_of_their_own(tmp_path: Path) -> None:
    text = (
        "blocks:\n  conv:\n    mixer:\n      $choice:\n"
        "        - conv\n"
        "        - {type: attention, num_heads: 4, num_kv_heads: {$choice: [1, 4]}, head_dim: 16}\n"
        "      scope: layer\n"
    )
    found = space(tmp_path, text)
    base = "blocks.conv.mixer"
    paths = [each.path for each in found.decisions()]
    assert paths == [*(f"{base}@{layer}" for layer in range(6)), f"{base}(attention).num_kv_heads"]
    genome = {f"{base}@{layer}": "conv" for layer in (0, 1, 3)} | {f"{base}@5": "attention"}
    layers = found.of({**genome, f"{base}(attention).num_kv_heads": 1}).spec.layers
    assert isinstance(layers[0].mixer, ShortConv)
    assert isinstance(layers[5].mixer, Attention)
    assert layers[5].mixer.num_kv_heads == 1
    # where no layer takes it, it is not asked
    assert found.of(genome | {f"{base}@5": "conv"}).genome.keys() == genome.keys()


def test_when(tmp_path: Path) -> None:
    text = (
        "vars: {big: {$choice: [false, true]}}\n"
        "operators:\n"
        "  attn: {window_size: {$choice: [8, 16], when: vars.big}}\n"
        "  ffn: {intermediate_size: {$choice: [128, 256, 512], prior: 256, when: not vars.big}}\n"
    )
    found = space(tmp_path, text)

    def parts(big: bool) -> tuple[Any, Any, list[str]]:
        ask = Drawn(1)
        candidate = found.decide(lambda decision: big if decision.path == "vars.big" else ask(decision))
        attn = candidate.spec.layers[2]
        return attn.mixer, attn.channel, list(candidate.genome)

    mixer, channel, asked = parts(big=True)
    assert mixer.window_size in (8, 16)
    # not taken, so the prior stands
    assert channel.intermediate_size == 256
    assert "operators.ffn.intermediate_size" not in asked
    mixer, _, asked = parts(big=False)
    # not taken and without a prior: as if it were not written
    assert mixer.window_size is None
    assert "operators.attn.window_size" not in asked


def test_switch(tmp_path: Path) -> None:
    text = (
        "vars: {kind: {$choice: [small, large]}, deep: {$choice: [false, true]}}\n"
        "dims: {hidden_size: {$switch: {on: vars.kind, cases: {small: 64, large: {$choice: [128, 256]}}}},\n"
        "  extra: {$switch: {on: '${vars.deep}', cases: {true: 1, false: 0}}}}\n"
    )
    found = space(tmp_path, text)
    assert dims(found)["hidden_size"] == 64
    answers = {"vars.kind": "large", "dims.hidden_size(large)": 256, "vars.deep": True}
    assert dims(found, **answers) | {"num_heads": 4} == {"hidden_size": 256, "num_heads": 4, "extra": 1}
    assert "dims.hidden_size(large)" not in found.default().genome


def test_numbers(tmp_path: Path) -> None:
    text = (
        "dims: {hidden_size: {$int: {low: 64, high: '${base * 2}', step: 32}}, base: 64,\n"
        "  eps: {$float: {low: 1.0e-6, high: 1.0e-4, log: true}, prior: 1.0e-5}}\nnorm: {eps: '${eps}'}\n"
    )
    found = space(tmp_path, text)
    assert found.decisions() == (
        Decision("dims.hidden_size", "int", low=64, high=128, step=32, prior=64),
        Decision("dims.eps", "float", low=1e-6, high=1e-4, log=True, prior=1e-5),
    )
    candidate = found.of({"dims.hidden_size": 96, "dims.eps": 2e-5})
    assert candidate.spec.dims["hidden_size"] == 96
    assert candidate.spec.layers[0].norm.eps == 2e-5


def test_subset_and_perm_are_always_legal(tmp_path: Path) -> None:
    text = (
        "vars: {some: {$subset: {of: [conv, attn, other], min: 1, max: 2}, prior: [attn]},\n"
        "  order: {$perm: [conv, attn, other], prior: [other, conv, attn]}}\n"
        "blocks: {other: {mixer: conv}}\n"
        "depth_groups: [{name: a, stack: '${vars.some}'}, {name: b, stack: '${vars.order}'}]\n"
    )
    found = space(tmp_path, text)
    assert [layer.block for layer in found.default().spec.layers] == ["attn", "other", "conv", "attn"]
    seen: set[tuple[str, ...]] = set()
    for seed in range(200):
        layers = found.decide(Drawn(seed)).spec.layers
        some = [layer.block for layer in layers if layer.group == "a"]
        order = [layer.block for layer in layers if layer.group == "b"]
        assert 1 <= len(some) <= 2
        assert sorted(order) == ["attn", "conv", "other"]
        seen |= {tuple(some), tuple(order)}
    # three of one, three of two, six orders
    assert len(seen) == 12


def test_place(tmp_path: Path) -> None:
    text = (
        "depth_groups: [{name: a, stack: {$place: {fill: conv, length: 8, put: {attn: 2}, min_gap: 2, head: [conv]},\n"
        "  prior: 2*conv attn 3*conv attn conv}}]"
    )
    found = space(tmp_path, text)
    assert "".join(layer.block[0] for layer in found.default().spec.layers) == "ccacccac"
    layouts = set()
    for seed in range(300):
        names = "".join(layer.block[0] for layer in found.decide(Drawn(seed)).spec.layers)
        assert len(names) == 8
        assert names[0] == "c"
        assert names.count("a") == 2
        assert "aa" not in names
        assert "aca" not in names
        layouts.add(names)
    # 3 fill layers that no rule needs, before, between and behind
    assert len(layouts) == 10


def test_one_name_is_one_decision(tmp_path: Path) -> None:
    text = "dims: {a: {$choice: [1, 2], name: k}, b: {$choice: [1, 2], name: k}}"
    found = space(tmp_path, text)
    assert [each.path for each in found.decisions()] == ["k"]
    assert dims(found, k=2) | {"hidden_size": 64} == {"hidden_size": 64, "num_heads": 4, "a": 2, "b": 2}


def test_labels_of_options_are_told_apart(tmp_path: Path) -> None:
    text = (
        "operators: {attn: {rope: {$choice: [null, {theta: 100.0}, {theta: 100.0, fraction: 0.5}, "
        "{type: proportional, theta: 7.0}]}}}"
    )
    [decision] = space(tmp_path, text).decisions()
    assert decision.options == (None, "{theta: 100.0}", "{theta: 100.0, fraction: 0.5}", "proportional")


def test_vars_that_are_read_are_told(tmp_path: Path) -> None:
    text = (
        "vars: {used: {$choice: [64, 128]}, checked: {$choice: [1, 2]}, unused: {$choice: [1, 2]}}\n"
        "dims: {hidden_size: '${vars.used}'}\nconstraints: [{check: vars.checked < 3}]\n"
    )
    candidate = space(tmp_path, text).default()
    assert candidate.spec.vars == {"used": 64, "checked": 1}
    assert "vars.unused" not in candidate.genome
