"""A whole architecture in plain values: what a spec means once every hole, expression and repeat is settled.

This is all that later rooms see of a YAML file. Layers are already expanded and overridden; sharing and expert
placement name layer numbers, and the graph's passes carry them out.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from lfm_arch.core.errors import Place
from lfm_arch.featurizers.registry import AnyFeaturizer, AnyHead
from lfm_arch.operators.base import Part
from lfm_arch.operators.norm import AnyNorm, Placement
from lfm_arch.operators.registry import AnyOperator

Positive = Annotated[int, Field(ge=1)]
Share = Literal["none", "weights", "mixer", "channel"]


_WHERE = frozenset({"path", "mixer_path", "channel_path"})


class Spelled(Part):
    """A part that knows where it is written, which is no part of what it is: files may spell one architecture twice."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        theirs = other.__dict__
        return all(theirs[name] == value for name, value in self.__dict__.items() if name not in _WHERE)

    def __hash__(self) -> int:
        return hash(tuple(value for name, value in self.__dict__.items() if name not in _WHERE))


class Layer(Spelled):
    """One residual layer: a token mixer, then a channel mixer, each behind its norm."""

    block: str
    """Name of the block it was made from."""
    group: str
    """Name of its depth group."""
    mixer: AnyOperator | None = None
    channel: AnyOperator | None = None
    norm: AnyNorm
    placement: Placement = "pre"
    mixer_path: str = ""
    """Where in the document the mixer is spelled, as `operators.attn` or `blocks.attn.mixer`; for messages."""
    channel_path: str = ""


class DepthGroup(Part):
    """A named run of layers: `layers[start:stop]`, made of `repeat` equal passes over a stack."""

    name: str
    start: int
    stop: int
    repeat: Positive = 1
    share: Share = "none"
    """What the passes own together."""


class SharedWeights(Spelled):
    """Layers that own one copy of some weights; the first in the list owns, the others read."""

    what: tuple[Literal["mixer", "channel", "norm", "layer"], ...]
    """`norm` is all norms of the layer, `layer` is everything."""
    layers: tuple[int, ...]
    path: str = ""


class SharedFeatures(Spelled):
    """Layers that compute a feature once: the first computes and hands on, the others read."""

    feature: str
    """As the owner's operator declares it in `computes`: `kv`, `condition`."""
    layers: tuple[int, ...]
    path: str = ""


class SharedFeaturizers(Spelled):
    """Featurizers that own one copy of some weights; the first in the list owns."""

    featurizers: tuple[str, ...]
    path: str = ""


class ExpertPlacement(Spelled):
    """Layers that get experts in place of their channel mixer."""

    layers: tuple[int, ...]
    experts: dict[str, Any]
    """Fields of the `moe` operator as written; sizes left out are taken from the channel mixer that is replaced."""
    path: str = ""


class Fusion(Part):
    """How several featurizers' streams become one.

    `prefix`: concatenated in the order of `streams`. `interleave`: each stream's vectors replace the positions where
    the text has that stream's placeholder token. `cross_attention`: read through cross-attention ports.
    """

    type: Literal["prefix", "interleave", "cross_attention"]
    streams: tuple[str, ...] = ()
    placeholders: dict[str, int] = {}
    """Stream name -> token id, for `interleave`."""


class Expect(Part):
    """What the file says must come out; every build checks it."""

    params: int | None = None
    active_params: int | None = None
    layers: int | None = None
    layout: str | None = None
    """One letter a layer, as `ccAccA`: see `lfm-arch explain layout`."""
    kv_bytes_per_token: int | None = None
    """Growing cache of all layers, 16 bit elements."""


class Constraint(Spelled):
    """A rule every candidate must satisfy, kept as text until the counts are known."""

    check: str
    why: str = ""
    path: str = ""


class ArchSpec(Spelled):
    """A whole architecture, every number settled."""

    name: str
    doc: str = ""
    hidden_size: Positive
    featurizers: dict[str, AnyFeaturizer] = {}
    fusion: Fusion | None = None
    layers: tuple[Layer, ...]
    groups: tuple[DepthGroup, ...] = ()
    shared_weights: tuple[SharedWeights, ...] = ()
    shared_features: tuple[SharedFeatures, ...] = ()
    shared_featurizers: tuple[SharedFeaturizers, ...] = ()
    moe: tuple[ExpertPlacement, ...] = ()
    final_norm: AnyNorm | None = None
    heads: dict[str, AnyHead] = {}
    expect: Expect | None = None
    constraints: tuple[Constraint, ...] = ()
    dims: dict[str, int | float | str | bool | None] = {}
    """Named numbers, for constraints and reports."""
    vars: dict[str, Any] = {}
    """Named decisions as they came out, those that were taken."""

    # a function as the default would be bound like a method, and hide one that is set later
    _locate: Callable[[str], Place | None] | None = PrivateAttr(default=None)

    def __getstate__(self) -> dict[Any, Any]:
        # what goes to another process does not take the file along
        return super().__getstate__() | {"__pydantic_private__": {"_locate": None}}

    def place(self, path: str) -> Place | None:
        """Return where a dotted path was written; None for a spec that was made in Python."""
        return None if self._locate is None else self._locate(path)
