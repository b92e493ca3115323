"""The operators that ship, in one tuple. A new one adds its import and its line; plug-ins come by entry point.

A plug-in package names its operators under the entry point group `lfm_arch.operators`, the word that specs write as the
name: `long_conv = "their_package.long_conv:LongConv"`. They are looked up when a spec says a word that does not ship.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field, SerializeAsAny, WrapValidator
from pydantic_core import PydanticCustomError

from lfm_arch.core.errors import refuse
from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv, SharedAdaptiveConv
from lfm_arch.operators.adaptive_experts.declaration import AdaptiveExperts, SharedAdaptiveExperts
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear, SharedAdaptiveLinear
from lfm_arch.operators.attention.declaration import Attention, SharedKVAttention
from lfm_arch.operators.base import Operator
from lfm_arch.operators.full_adaptive_experts.declaration import FullAdaptiveExperts
from lfm_arch.operators.full_adaptive_linear.declaration import FullAdaptiveLinear
from lfm_arch.operators.gated_delta_net.declaration import GatedDeltaNet
from lfm_arch.operators.gated_linear_attention.declaration import GatedLinearAttention
from lfm_arch.operators.kimi_delta_attention.declaration import KimiDeltaAttention
from lfm_arch.operators.lightning_attention.declaration import LightningAttention
from lfm_arch.operators.mamba.declaration import Mamba
from lfm_arch.operators.mamba2.declaration import Mamba2
from lfm_arch.operators.mlp.declaration import MLP
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import GeGLU, SwiGLU

OPERATORS: tuple[type[Operator], ...] = (
    Attention,
    SharedKVAttention,
    ShortConv,
    GatedLinearAttention,
    Mamba,
    Mamba2,
    GatedDeltaNet,
    KimiDeltaAttention,
    LightningAttention,
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
def plug_ins() -> Mapping[str, EntryPoint]:
    """Find the operators of installed plug-in packages, by the word that specs write; nothing is imported."""
    return {point.name: point for point in entry_points(group="lfm_arch.operators") if point.name not in _SHIPPED}


@cache
def plug_in(word: str) -> type[Operator]:
    """Import one of them.

    Raises:
        PydanticCustomError: E235, the plug-in is broken.
    """
    point = plug_ins()[word]
    try:
        found = point.load()
    except Exception as error:
        raise _broken(point, f"cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Operator)):
        raise _broken(point, f"is {found!r}, not an Operator")
    declared = found.model_fields["type"].default if "type" in found.model_fields else None
    if declared != word:
        raise _broken(point, f"declares the type {declared!r}")
    return found


def _broken(point: EntryPoint, complaint: str) -> PydanticCustomError:
    return refuse(
        "E235",
        "type",
        f"the plug-in operator {point.name!r} ({point.value}) {complaint}",
        because="an entry point of lfm_arch.operators names an Operator class whose type is the entry point's name",
        help=f"repair or uninstall {point.dist.name if point.dist else 'the package that brings it'}",
    )


def operators() -> dict[str, type[Operator]]:
    """Return every operator that a spec may name: those that ship, then plug-ins that work."""
    found = dict(_SHIPPED)
    for word in plug_ins():
        with suppress(PydanticCustomError):
            found[word] = plug_in(word)
    return found


def _or_plug_in(value: Any, shipped: Callable[[Any], Any]) -> Any:
    word = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    # the installed packages are only searched for a word that is not ours
    if isinstance(word, str) and word not in _SHIPPED and word in plug_ins():
        return plug_in(word).model_validate(value)
    return shipped(value)


if TYPE_CHECKING:
    AnyOperator = Operator
else:
    AnyOperator = SerializeAsAny[
        Annotated[Union[OPERATORS], Field(discriminator="type"), WrapValidator(_or_plug_in)]  # noqa: UP007
    ]
