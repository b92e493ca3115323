"""What a file expects, compared with what comes out."""

import pytest

from lfm_arch.core.errors import GraphError
from lfm_arch.graph.compile import check_expect, compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.graph.expect import EXPECTATIONS
from lfm_arch.spec.arch import ArchSpec, Expect
from tests.graph.example import LFM2_12B, lfm2, spec

WRONG = {"params": 1, "active_params": 1, "layers": 1, "layout": "cc", "kv_bytes_per_token": 1}


def expecting(made: ArchSpec, **expected: object) -> ArchSpec:
    return made.model_copy(update={"expect": Expect(**expected)})  # pyright: ignore[reportArgumentType]


def mistakes(made: ArchSpec) -> GraphError:
    with pytest.raises(GraphError) as caught:
        check_expect(compile_graph(made), made)
    return caught.value


def test_all_that_is_expected_comes_out() -> None:
    made = lfm2(LFM2_12B, hidden_size=2048, num_heads=32, intermediate_size=8192)
    expected = {"params": 1_170_340_608, "layers": 16, "layout": LFM2_12B, "kv_bytes_per_token": 12 * 1024}
    check_expect(compile_graph(made), expecting(made, **expected))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("E501", "params"),
        ("E502", "active_params"),
        ("E503", "layers"),
        ("E504", "layout"),
        ("E505", "kv_bytes_per_token"),
    ],
)
def test_each_expectation_is_checked(code: str, name: str) -> None:
    (found,) = mistakes(expecting(spec(), **{name: WRONG[name]})).diagnostics
    assert (found.code, found.path) == (code, f"expect.{name}")


def test_says_both_numbers_and_how_far_they_are_apart() -> None:
    params = totals(compile_graph(spec())).params
    (found,) = mistakes(expecting(spec(), params=params + 1000)).diagnostics
    assert found.message == f"{params:,} parameters, expected {params + 1000:,} (-1,000)"
    assert f"`params: {params:_}`" in found.help


def test_says_which_layer_is_another() -> None:
    (found,) = mistakes(expecting(spec(), layout="cc")).diagnostics
    assert found.message == "layout cA, expected cc: layer 1 is A, not c"


def test_says_what_every_part_contributes() -> None:
    made = lfm2("ccA", hidden_size=64, num_heads=8, intermediate_size=96)
    (found,) = mistakes(expecting(made, layers=4)).diagnostics
    rows = [" ".join(line.split()) for line in found.notes]
    assert rows == [
        "part parameters active cache B/token",
        "text 4,194,304 4,194,304 0",
        "layers 0..1 c 35,136 35,136 0 each",
        "layer 2 A 149,760 149,760 2,048",
        "final_norm 64 64 0",
        "lm 0 0 0",
        "in total 4,414,400 4,414,400 2,048",
    ]


def test_says_everything_that_is_not_as_expected() -> None:
    found = mistakes(expecting(spec(), **WRONG)).diagnostics
    assert [each.code for each in found] == list(EXPECTATIONS)
    assert [bool(each.notes) for each in found] == [True, False, False, False, False], "one table is enough"
