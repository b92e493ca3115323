"""A small model that stands for a large one: narrower, shallower, over bytes, otherwise the same architecture.

The rule is fixed by divisors, not by target sizes, so a larger candidate has a larger replica:

    width        hidden_size / width_divisor, to a multiple of 8; intermediate sizes, ranks and condition sizes likewise
    depth        layers / depth_divisor; which layers, see `depth.py`
    heads        head_dim, key_dim and state_size / head_divisor; as many heads as keep
                 num_heads * head_dim / hidden_size; the number of key/value heads or groups that divides them and is
                 nearest to the original share
    windows      window_size / context_divisor: the training's sequences are shorter than the deployment's
    experts      at most `max_experts`, as many per token as keep the share that is active
    vocabulary   the 256 bytes
    kept         order of the layers, kernel sizes, norms, rotary bases, which layers share or have experts

What a replica measures is how such a mix of layers learns from little data at small size. It is not the candidate's
quality after full training.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any

from pydantic import ValidationError

from lfm_arch.core.errors import Diagnostic, QualityError
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.operators.base import Part
from lfm_arch.quality.depth import kept_layers
from lfm_arch.quality.settings import Reduction
from lfm_arch.quality.sharing import shared_features, shared_weights
from lfm_arch.spec.arch import ArchSpec, ExpertPlacement, Layer

VOCAB_SIZE = 256
_WIDTHS = ("intermediate_size", "shared_intermediate_size")
_RANKS = ("rank", "gate_rank", "step_rank", "size")
_DIMS = ("head_dim", "key_dim", "state_size")
_SERVING = ("num_kv_heads", "num_key_heads", "num_groups")
"""Each serves the same whole number of heads."""


@dataclass(frozen=True)
class Replica:
    """The small architecture, and what was done to get it."""

    spec: ArchSpec
    words: str
    numbers: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the reduction could not keep."""


def replica(spec: ArchSpec, rule: Reduction) -> Replica:
    """Reduce `spec`.

    Raises:
        QualityError: E911, the architecture cannot be reduced to a text model over bytes.
    """
    notes: list[str] = []
    text, head = _text_and_head(spec, notes)
    kept, groups = kept_layers(spec, rule.depth_divisor)
    width = max(8, 8 * round(spec.hidden_size / rule.width_divisor / 8))
    scale = _Scale(spec.hidden_size, width, rule)
    # also those that are left out: a model is not what it would be without what they read
    reduced = [scale.layer(layer, number) for number, layer in enumerate(spec.layers)]
    layers = tuple(reduced[number] for number in kept)
    notes += _lost(spec, kept)
    new = {number: place for place, number in enumerate(kept)}
    moe: list[ExpertPlacement] = []
    for entry in spec.moe:
        places = tuple(new[number] for number in entry.layers if number in new)
        if places:
            moe.append(ExpertPlacement(layers=places, experts=scale.fields(entry.experts), path=entry.path))
        else:
            notes.append(f"none of the {len(entry.layers)} layers with experts was kept")
    untied = {} if head.tied_to is not None else {"vocab_size": VOCAB_SIZE}
    try:
        small = ArchSpec(
            name=f"{spec.name}-replica",
            hidden_size=width,
            featurizers={text: scale.part(spec.featurizers[text], {"vocab_size": VOCAB_SIZE})},
            layers=layers,
            groups=groups,
            shared_weights=shared_weights(spec, kept, layers, notes),
            shared_features=shared_features(spec, kept, layers, notes),
            moe=tuple(moe),
            final_norm=spec.final_norm,
            heads={name: scale.part(each, untied) for name, each in spec.heads.items() if each is head},
        )
    except ValidationError as error:
        raise _impossible(f"the reduced architecture is not legal: {_first(error)}") from error
    return Replica(small, _words(spec, small, rule), _numbers(spec, small, kept, rule), tuple(notes))


@dataclass(frozen=True)
class _Scale:
    before: int
    after: int
    rule: Reduction

    def layer(self, layer: Layer, number: int) -> Layer:
        for operator in (layer.mixer, layer.channel):
            if operator is not None and operator.reads:
                read = ", ".join(operator.reads.values())
                raise _impossible(f"layer {number} reads {read}, which a text of bytes cannot feed")
        mixer, channel = (None if each is None else self.part(each) for each in (layer.mixer, layer.channel))
        return layer.model_copy(update={"mixer": mixer, "channel": channel})

    def part(self, part: Part, changes: Mapping[str, Any] | None = None) -> Any:
        fields = self.fields(part.model_dump()) | dict(changes or {})
        try:
            return type(part).model_validate(fields)
        except ValidationError as error:
            raise _impossible(f"{getattr(part, 'type', part)} has no legal reduction: {_first(error)}") from error

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Scale the fields that are known by name, down through nested ones; keep the others."""
        scaled = {name: self._value(name, value) for name, value in fields.items()}
        if isinstance(fields.get("num_heads"), int):
            scaled |= self._heads(fields)
        if isinstance(fields.get("num_experts"), int):
            experts = min(fields["num_experts"], self.rule.max_experts)
            scaled["num_experts"] = experts
            if isinstance(fields.get("experts_per_token"), int):
                share = fields["experts_per_token"] / fields["num_experts"]
                scaled["experts_per_token"] = min(experts, max(1, round(share * experts)))
        return scaled

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self.fields(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        if name in _WIDTHS:
            return max(8, 8 * round(value * self.after / self.before / 8))
        if name in _RANKS:
            return max(2, round(value * self.after / self.before))
        if name == "window_size":
            return max(2, round(value / self.rule.context_divisor))
        return self._dim(value) if name in _DIMS else value

    def _dim(self, value: int) -> int:
        # rotations turn pairs, of which a quarter may be meant to turn
        return max(4, 2 * round(value / self.rule.head_divisor / 2))

    def _heads(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        old_dim = fields.get("head_dim")
        if not isinstance(old_dim, int):
            old_dim = self.before // fields["num_heads"]
        dim = self._dim(old_dim)
        heads = max(1, round(fields["num_heads"] * old_dim / self.before * self.after / dim))
        found: dict[str, Any] = {"num_heads": heads}
        divisors = [count for count in range(1, heads + 1) if heads % count == 0]
        for name in _SERVING:
            if isinstance(fields.get(name), int):
                wanted = fields[name] / fields["num_heads"] * heads
                found[name] = min(divisors, key=lambda count: abs(log(count / wanted)))
        if isinstance(fields.get("scale"), float):
            found["scale"] = fields["scale"] * sqrt(old_dim / dim)
        return found


def _text_and_head(spec: ArchSpec, notes: list[str]) -> tuple[str, Any]:
    texts = [name for name, each in spec.featurizers.items() if isinstance(each, TokenEmbedding)]
    heads = [each for each in spec.heads.values() if getattr(each, "type", "") == "lm_head"]
    if len(texts) != 1 or len(heads) != 1:
        raise _impossible(
            f"it has {len(texts)} token embeddings and {len(heads)} language model heads, one each is needed"
        )
    dropped = [name for name in spec.featurizers if name not in texts]
    if dropped:
        notes.append(f"without the inputs {', '.join(dropped)}: only its text side is measured")
    return texts[0], heads[0]


def _lost(spec: ArchSpec, kept: tuple[int, ...]) -> list[str]:
    """Name the pairs of mixer and channel mixer that no kept layer has."""

    def pair(layer: Layer) -> str:
        parts = (getattr(part, "type", None) for part in (layer.mixer, layer.channel))
        return " with ".join(part for part in parts if part)

    there = {pair(spec.layers[number]) for number in kept}
    gone = [pair(layer) for layer in spec.layers if pair(layer) not in there]
    return [f"none of the {gone.count(each)} layers of {each} was kept" for each in dict.fromkeys(gone)]


def _impossible(message: str) -> QualityError:
    return QualityError(
        Diagnostic(
            "E911",
            message,
            because="quality is measured on a narrower, shallower replica that predicts the next byte of a text",
            help="see `lfm-arch explain E911`; `quality: none` in a study searches on costs alone",
        )
    )


def _first(error: ValidationError) -> str:
    each = error.errors()[0]
    return f"{'.'.join(map(str, each['loc']))}: {each['msg']}"


def layout(spec: ArchSpec) -> str:
    """Write the mixers as one letter each: A attention, S windowed attention, the first letter of others, - none."""
    letters = []
    for layer in spec.layers:
        mixer = layer.mixer
        kind = "-" if mixer is None else getattr(mixer, "type", "?")
        if kind == "attention":
            kind = "A" if getattr(mixer, "window_size", None) is None else "S"
        letters.append({"short_conv": "c"}.get(kind, kind[0]))
    return "".join(letters)


def _words(spec: ArchSpec, small: ArchSpec, rule: Reduction) -> str:
    return (
        f"hidden_size {spec.hidden_size} -> {small.hidden_size} (1/{rule.width_divisor:g}, inner sizes likewise), "
        f"{len(spec.layers)} -> {len(small.layers)} layers (1/{rule.depth_divisor:g}, each mixer keeps its share and "
        f"the order), head_dim 1/{rule.head_divisor:g}, windows 1/{rule.context_divisor:g}, at most "
        f"{rule.max_experts} experts, {VOCAB_SIZE} bytes as vocabulary; kernel sizes, norms, sharing and expert "
        f"placement kept"
    )


def _numbers(spec: ArchSpec, small: ArchSpec, kept: tuple[int, ...], rule: Reduction) -> dict[str, Any]:
    return {
        "rule": rule.model_dump(),
        "hidden_size": [spec.hidden_size, small.hidden_size],
        "layers": [len(spec.layers), len(small.layers)],
        "layout": [layout(spec), layout(small)],
        "kept": list(kept),
    }
