"""Constraints over names of the file, fields of layers and counts."""

from typing import Any

import pytest

from lfm_arch.core.errors import GraphError
from lfm_arch.graph import constraint as room
from lfm_arch.graph.compile import check_constraints, compile_graph
from lfm_arch.graph.constraint import COUNTS, Violation
from lfm_arch.graph.count import totals
from lfm_arch.spec.arch import Constraint
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

PARAMS = totals(compile_graph(spec())).params


def violations(*checks: str, **fields: Any) -> list[Violation]:
    written = tuple(Constraint(check=check, why="because", path=f"constraints[{n}]") for n, check in enumerate(checks))
    made = spec(**{"dims": {"depth": 2, "ratio": 3}, **fields, "constraints": written})
    return check_constraints(compile_graph(made), made)


HOLDS = [
    "depth == 2",
    "layers == depth",
    "hidden_size % 8 == 0 and ratio < 4",
    "num_heads % num_kv_heads == 0",
    "params <= 1.3 G",
    f"params == {PARAMS}",
    "active_params <= params",
    "kv_bytes_per_token == 2 * kv_elements_per_token",
    "fixed_state_elements > 0",
    "flops_per_token > 2 * params - 200_000",
    "intermediate_size == 96",
    "mixer.kernel_size == 3 or true",
    "rope.theta >= 1000",
    "layout == 'cA'",
    "'A' in ['A'] and count([1, 1]) == 2",
    "vars.width == 7",
]


@pytest.mark.parametrize("check", HOLDS)
def test_holds(check: str) -> None:
    if check.startswith("mixer.kernel_size"):
        # attention has no kernel: ask a model of convolutions
        assert violations(check, layers=(layer(),)) == []
    else:
        assert violations(check, vars={"width": 7}) == []


def test_says_the_two_sides_of_what_does_not_hold() -> None:
    (found,) = violations("params <= 10 k")
    assert found == Violation("params <= 10 k", "because", PARAMS, 10_000, None, "constraints[0]")


def test_says_the_first_layer_where_it_does_not_hold() -> None:
    few = ATTENTION.model_copy(update={"num_kv_heads": 1})
    (found,) = violations("num_kv_heads >= 2", layers=(layer(ATTENTION), layer(CONV), layer(few), layer(few)))
    assert (found.layer, found.value, found.limit) == (2, 1, 2)


def test_layers_without_the_field_do_not_count() -> None:
    assert violations("kernel_size >= 3", layers=(layer(ATTENTION), layer(CONV))) == []


def test_names_of_the_file_come_first() -> None:
    assert violations("intermediate_size == 5", dims={"intermediate_size": 5}) == []


def test_a_mixer_and_its_channel_mixer_are_compared_in_one_layer() -> None:
    narrow = layer(ATTENTION, SWIGLU.model_copy(update={"intermediate_size": 8}))
    (found,) = violations("intermediate_size >= num_heads * head_dim", layers=(layer(ATTENTION), narrow))
    assert found.layer == 1


def test_an_expression_that_is_no_comparison_has_no_sides() -> None:
    (found,) = violations("not (params > 0)")
    assert (found.value, found.limit) == (None, None)


def test_reports_all_and_the_cheap_first() -> None:
    found = violations("params < 0", "depth < 0", "num_heads < 0")
    assert [each.check for each in found] == ["depth < 0", "num_heads < 0", "params < 0"]


def test_counts_nothing_when_nothing_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: object) -> None:
        raise AssertionError("counted")

    monkeypatch.setattr(room, "totals", never)
    assert len(violations("depth > 9", "num_heads > 9", "layers > 9")) == 3
    with pytest.raises(AssertionError, match="counted"):
        violations("params > 0")


@pytest.mark.parametrize("name", COUNTS)
def test_every_count_has_a_value(name: str) -> None:
    assert violations(f"{name} == {name}") == []


WRONG = {
    "params + 1": "E510",
    "null": "E510",
    "prams < 3": "E305",
    "params <": "E301",
    "params < 'many'": "E308",
}


@pytest.mark.parametrize(("check", "code"), WRONG.items())
def test_a_constraint_that_says_nothing_is_a_mistake(check: str, code: str) -> None:
    with pytest.raises(GraphError) as caught:
        violations(check)
    (found,) = caught.value.diagnostics
    assert found.code[:2] == code[:2]
    assert found.path.startswith("constraints[0]")
    if code == "E305":
        assert found.help == "did you mean `params`?"
    if code == "E510":
        assert found.code == code


def test_a_rule_about_layers_that_are_not_there_holds() -> None:
    assert not violations("num_experts % experts_per_token == 0")


def test_a_model_is_told_which_constraint_it_breaks() -> None:
    made = spec()
    (found,) = violations("layers <= 1")
    told = found.diagnostic(made)
    assert (told.code, told.message, told.because) == ("E511", "`layers <= 1` does not hold: 2 and 1", "because")
