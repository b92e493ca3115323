"""The operators that ship, in one tuple. A new one adds its import and its line; plug-ins come by entry point.

A plug-in package names its operators under the entry point group `lfm_arch.operators`, the word that specs write as the
name: `long_conv = "their_package.long_conv:LongConv"`. They are looked up when a spec says a word that does not ship.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field, SerializeAsAny, WrapValidator

from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv, SharedAdaptiveConv
from lfm_arch.operators.adaptive_experts.declaration import AdaptiveExperts, SharedAdaptiveExperts
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear, SharedAdaptiveLinear
from lfm_arch.operators.attention.declaration import Attention, SharedKVAttention
from lfm_arch.operators.base import Operator
from lfm_arch.operators.full_adaptive_experts.declaration import FullAdaptiveExperts
from lfm_arch.operators.full_adaptive_linear.declaration import FullAdaptiveLinear
from lfm_arch.operators.mlp.declaration import MLP
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import GeGLU, SwiGLU

OPERATORS: tuple[type[Operator], ...] = (
    Attention,
    SharedKVAttention,
    ShortConv,
    SwiGLU,
    GeGLU,
    MLP,
    MoE,
    AdaptiveLinear,
    SharedAdaptiveLinear,
    FullAdaptiveLinear,
    AdaptiveExperts,
    SharedAdaptiveExperts,
    FullAdaptiveExperts,
    AdaptiveConv,
    SharedAdaptiveConv,
)
_SHIPPED: Mapping[str, type[Operator]] = {each.model_fields["type"].default: each for each in OPERATORS}


@cache
def plug_ins() -> Mapping[str, type[Operator]]:
    """Load the operators of installed plug-in packages, by the word that specs write."""
    found = {point.name: point.load() for point in entry_points(group="lfm_arch.operators")}
    for word, operator in found.items():
        assert issubclass(operator, Operator), f"plug-in {word!r} is {operator!r}, not an Operator"
        declared = operator.model_fields["type"].default
        assert declared == word, f"plug-in {word!r} declares type {declared!r}"
        assert word not in _SHIPPED, f"plug-in {word!r} has the name of an operator that ships"
    return found


def operators() -> dict[str, type[Operator]]:
    """Return every operator that a spec may name: those that ship, then plug-ins."""
    return {**_SHIPPED, **plug_ins()}


def _or_plug_in(value: Any, shipped: Callable[[Any], Any]) -> Any:
    word = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    # the installed packages are only searched for a word that is not ours
    if isinstance(word, str) and word not in _SHIPPED and word in plug_ins():
        return plug_ins()[word].model_validate(value)
    return shipped(value)


if TYPE_CHECKING:
    AnyOperator = Operator
else:
    AnyOperator = SerializeAsAny[
        Annotated[Union[OPERATORS], Field(discriminator="type"), WrapValidator(_or_plug_in)]  # noqa: UP007
    ]
