"""What a file may write, section by section: the keys, their types, and what each means.

Operators, featurizers, heads and norms declare themselves; here is the rest. A decision or expression may stand for any
value, which these models need not say: values are settled before they are read, and JSON Schemas for editors are
widened mechanically.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lfm_arch.core.errors import refuse
from lfm_arch.core.units import Bytes, Count
from lfm_arch.featurizers.registry import FEATURIZERS, HEADS
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.operators.norm import LayerNorm, RMSNorm
from lfm_arch.operators.registry import OPERATORS, plug_in, plug_ins
from lfm_arch.spec.arch import Fusion, Share
from lfm_arch.spec.part import Shape

TOP = (
    "lfm_arch", "kind", "name", "doc", "extends", "dims", "vars", "featurizers", "fusion", "operators", "blocks",
    "norm", "depth_groups", "overrides", "sharing", "moe", "final_norm", "heads", "expect", "constraints",
)  # fmt: skip
"""Keys at the top of a model or space."""

Selector = str | int
"""Layers: `2`, `"4..7"`, `attn`, `attn[-1]`, `odd`; see `lfm-arch explain selectors`."""


class Written(BaseModel):
    """A mapping of a file: strict types, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class WrittenGroup(Written):
    """A named run of layers."""

    name: str
    """What the group is called, in selectors too."""
    stack: str | list[Any]
    """Blocks, as `3*(2*conv attn) conv`, or a list of them."""
    repeat: Annotated[int, Field(ge=1)] = 1
    """How many times the stack is passed."""
    share: Share = "none"
    """What the passes own together: all weights, their mixers, their channel mixers, or nothing."""


class WrittenBlock(Written):
    """A residual layer. A mixer is the name of an operator, or an operator spelled in place."""

    mixer: str | dict[str, Any] | None = None
    """Mixes tokens."""
    channel: str | dict[str, Any] | None = None
    """Mixes channels, token by token."""
    norm: dict[str, Any] | None = None
    """What differs from the norm of the file."""


_Sharable = Literal["mixer", "channel", "norm", "layer"]


class WrittenSharing(Written):
    """Layers that own one copy of weights, or compute a feature once; or featurizers that own one copy of weights."""

    weights: _Sharable | list[_Sharable] | None = None
    """What the layers own together."""
    features: str | None = None
    """What the first layer computes and the others read, as `kv`."""
    featurizers: list[str] | None = None
    """Featurizers that own one copy of their weights."""
    among: Selector | None = None
    """Which layers; `none` shares nothing."""
    group: Annotated[int, Field(ge=1)] | None = None
    """How many of them share at a time, in their order; left out, all of them."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = [name for name in ("weights", "features", "featurizers") if getattr(self, name) is not None]
        if len(said) != 1:
            raise refuse(
                "E210",
                "",
                f"this entry shares {' and '.join(said) if said else 'nothing'}",
                because="an entry says what is shared, one of weights, features, featurizers",
                help="write one entry for each",
            )
        if said == ["featurizers"]:
            for name in ("among", "group"):
                if getattr(self, name) is not None:
                    raise refuse("E210", name, f"`{name}` of featurizers", because="it is about layers")
        elif self.among is None:
            raise refuse("E210", "", "this entry does not say which layers", help="write among: attn, or among: 2..5")
        return self


class WrittenConstraint(Written):
    """What every candidate must satisfy."""

    check: str
    """An expression that is true or false, without `${}`: `active_params <= 1.3 G`."""
    why: str = ""
    """The reason, in words; reports show it."""


class WrittenExpect(Written):
    """What must come out; every build checks it."""

    params: Count | None = None
    active_params: Count | None = None
    layers: Count | None = None
    layout: str | None = None
    """One letter a layer, as `ccAccA`."""
    kv_bytes_per_token: Bytes | None = None
    """Growing cache of all layers, 16 bit elements."""


def _by_type(models: tuple[type[BaseModel], ...]) -> dict[str, type[BaseModel]]:
    return {each.model_fields["type"].default: each for each in models}


_OPERATORS = _by_type(OPERATORS)
_FEATURIZERS = _by_type(FEATURIZERS)
_HEADS = _by_type(HEADS)
_NORMS = _by_type((RMSNorm, LayerNorm))


def _plug_in(word: str) -> type[BaseModel] | None:
    return plug_in(word) if word in plug_ins() else None


OPERATOR = Shape("operator", words=lambda: _OPERATORS, lookup=_plug_in)
FEATURIZER = Shape("featurizer", words=lambda: _FEATURIZERS)
HEAD = Shape("head", words=lambda: _HEADS)
NORM = Shape("norm", words=lambda: _NORMS)
GROUP = Shape("depth group", WrittenGroup)
SHARING = Shape("sharing entry", WrittenSharing)
CONSTRAINT = Shape("constraint", WrittenConstraint)
EXPECT = Shape("list of expectations", WrittenExpect)
MOE = Shape("mixture of experts", MoE)
FUSION = Shape("fusion", Fusion)
