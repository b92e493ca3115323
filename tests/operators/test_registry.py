"""Specs name operators that ship and operators of installed plug-ins."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.operators import registry
from lfm_arch.operators.base import Operator, Part
from lfm_arch.operators.registry import OPERATORS, AnyOperator
from lfm_arch.operators.short_conv.declaration import ShortConv


class Plugged(Operator):
    """What a plug-in package would bring."""

    type: Literal["plugged"] = "plugged"
    taps: int

    def cost(self, width: int, work: Workload) -> Cost:
        return Cost(params=width * self.taps * (work.batch > 0))

    def build(self, width: int) -> Any:
        raise NotImplementedError(width)


class Misnamed(Plugged):
    type: Literal["plugged"] = "plugged"


class Holder(Part):
    part: AnyOperator


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def install(**operators: str) -> None:
        points = [EntryPoint(name, f"{__name__}:{value}", "lfm_arch.operators") for name, value in operators.items()]
        monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__(__name__))
        monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "lfm_arch.operators" else [])
        registry.plug_ins.cache_clear()
        registry.plug_in.cache_clear()

    yield install
    monkeypatch.undo()
    registry.plug_ins.cache_clear()
    registry.plug_in.cache_clear()


def complaint(error: ValidationError) -> tuple[str, str]:
    context = error.errors()[0].get("ctx", {})
    return context.get("code", ""), context.get("message", "")


def test_words_are_unique() -> None:
    words = [each.model_fields["type"].default for each in OPERATORS]
    assert len(set(words)) == len(words)


def test_a_word_chooses_its_operator() -> None:
    adapter: TypeAdapter[Operator] = TypeAdapter(AnyOperator)
    assert adapter.validate_python({"type": "short_conv", "kernel_size": 3}) == ShortConv(kernel_size=3)


def test_an_unknown_word_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"part": {"type": "short_cnov"}})
    assert caught.value.errors()[0]["type"] == "union_tag_invalid"
    assert "short_conv" in caught.value.errors()[0]["msg"]


def test_a_plug_in_is_an_operator_like_any_other(plug: Any) -> None:
    plug(plugged="Plugged")
    held = Holder.model_validate({"part": {"type": "plugged", "taps": 5}})
    assert held.part.params(4) == 20
    assert held.model_dump() == {"part": {"type": "plugged", "taps": 5}}
    assert Holder.model_validate(held.model_dump()) == held
    assert registry.operators()["plugged"].params(held.part, 4) == 20


def test_mistakes_in_a_plug_in_operator_keep_their_place(plug: Any) -> None:
    plug(plugged="Plugged")
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"part": {"type": "plugged", "taps": "many", "tops": 1}})
    assert {error["loc"] for error in caught.value.errors()} == {("part", "taps"), ("part", "tops")}


@pytest.mark.parametrize(
    ("value", "says"),
    [("Nowhere", "cannot be imported"), ("complaint", "not an Operator"), ("Misnamed", "declares the type 'plugged'")],
)
def test_a_broken_plug_in_is_refused(plug: Any, value: str, says: str) -> None:
    plug(other=value)
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"part": {"type": "other"}})
    code, message = complaint(caught.value)
    assert code == "E235"
    assert says in message
    assert "other" not in registry.operators()


def test_a_plug_in_cannot_take_a_word_that_ships(plug: Any) -> None:
    plug(short_conv="Plugged")
    assert registry.operators()["short_conv"] is ShortConv


def test_declarations_import_no_torch() -> None:
    code = "import sys, lfm_arch.operators.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
