"""Settled architectures from what a family's reader found, and facts of graphs for its writer. No torch."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lfm_arch.export.family import Reading
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.base import Operator
from lfm_arch.operators.norm import Placement, RMSNorm
from lfm_arch.spec.arch import ArchSpec, DepthGroup, Layer

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Named:
    """An operator under the name that the spec will give it; None in place of one that could not be made."""

    name: str
    operator: Operator | None


@dataclass(frozen=True, slots=True)
class Rows:
    """One layer of a family."""

    block: str
    mixer: Named
    channel: Named


def assemble(
    reading: Reading,
    rows: Sequence[Rows],
    *,
    eps: float,
    placement: Placement = "pre",
    dims: Mapping[str, int],
) -> ArchSpec | None:
    """Make the architecture of a decoder of tokens; None when a problem was found.

    Args:
        reading: with `hidden_size`, `vocab_size` and `tie_word_embeddings`.
        rows: the layers.
        eps: of every norm over the width.
        placement: of the norms.
        dims: numbers to name in the spec.
    """
    norm = reading.make(RMSNorm, eps=float(eps))
    embedding = reading.make(TokenEmbedding, vocab_size=reading["vocab_size"])
    tied = reading["tie_word_embeddings"]
    head = reading.make(LMHead, tied_to="text") if tied else reading.make(LMHead, vocab_size=reading["vocab_size"])
    if reading["num_hidden_layers"] < 1:
        reading.refuse("E844", "num_hidden_layers", "a model without layers", because="a spec has at least one")
    if reading["hidden_size"] < 1:
        reading.refuse("E844", "hidden_size", f"hidden_size={reading['hidden_size']}", because="a width is at least 1")
    if reading.problems:
        return None
    layers = tuple(
        Layer(
            block=row.block,
            group="trunk",
            mixer=row.mixer.operator,
            channel=row.channel.operator,
            norm=norm,
            placement=placement,
            mixer_path=f"operators.{row.mixer.name}",
            channel_path=f"operators.{row.channel.name}",
        )
        for row in rows
    )
    return ArchSpec(
        name=reading.name,
        hidden_size=reading["hidden_size"],
        featurizers={"text": embedding},
        layers=layers,
        groups=(DepthGroup(name="trunk", start=0, stop=len(layers)),),
        final_norm=norm,
        heads={"lm": head},
        dims={"hidden_size": reading["hidden_size"], **dims},
    )


def layer_words(reading: Reading, words: Sequence[str] | None, known: Iterable[str]) -> list[str]:
    """Check a `layer_types` list: one known word a layer; an empty list after a problem."""
    wanted, known = reading["num_hidden_layers"], tuple(known)
    found = [] if words is None else list(words)
    if len(found) != wanted:
        reading.refuse(
            "E844", "layer_types", f"layer_types has {len(found)} entries, num_hidden_layers={wanted}",
            because="every layer has one",
        )  # fmt: skip
        return []
    words = [str(each) for each in found]
    for word in dict.fromkeys(words):
        if word not in known:
            number = words.index(word)
            reading.refuse(
                "E844", "layer_types", f"layer {number} is a {word!r}",
                because=f"the layers of {reading.family.model_type} that can be read are {', '.join(known)}",
            )  # fmt: skip
    return words if {*words} <= {*known} else []


def heads_of(reading: Reading, *, width: int | None = None) -> dict[str, Any]:
    """Return num_heads, num_kv_heads and head_dim; `width` when the head size follows from it."""
    heads, kv = reading["num_attention_heads"], reading["num_key_value_heads"]
    head_dim = reading["head_dim"]
    if head_dim is None and width is not None and heads > 0:
        if width % heads:
            reading.refuse(
                "E844", "num_attention_heads", f"hidden_size={width} is no multiple of num_attention_heads={heads}",
                because="without head_dim a head has hidden_size / num_attention_heads dimensions",
            )  # fmt: skip
        head_dim = width // heads
    return {"num_heads": heads, "num_kv_heads": heads if kv is None else kv, "head_dim": head_dim or 0}


def operators(graph: Graph, slot: str, kind: type[Part]) -> Iterator[Part]:
    """Yield the operators of one type in one place of the layers."""
    for node in graph.layers:
        part = getattr(node.part, slot)
        if isinstance(part, kind):
            yield part


def commonest(values: Iterable[Any], default: Any) -> Any:
    """Return the value that most have; the default of none."""
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else default


def outline(graph: Graph) -> dict[str, Any]:
    """Return the keys that every family of decoders has."""
    embedding = next((node.part for node in graph.of("featurizer") if isinstance(node.part, TokenEmbedding)), None)
    head = next((node.part for node in graph.of("head") if isinstance(node.part, LMHead)), None)
    return {
        "vocab_size": 1 if embedding is None else embedding.vocab_size,
        "hidden_size": graph.width,
        "num_hidden_layers": len(graph.layers),
        "tie_word_embeddings": head is None or head.tied_to is not None,
    }


def eps_of(graph: Graph) -> float:
    """Return the epsilon that most norms have."""
    return commonest((node.part.norm.eps for node in graph.layers), 1e-5)
