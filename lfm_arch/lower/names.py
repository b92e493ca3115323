"""Names of tensors: ours in a checkpoint, and those of foreign model families.

Parts say what their tensors are called elsewhere (`weight_names`), relative to their layer; a family adds where layers
stand and what their norms are called. A family is a row of this table, and nothing else knows of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.lower.model import Model
from lfm_arch.lower.sharing import same_module
from lfm_arch.operators.base import WeightNames


@dataclass(frozen=True, slots=True)
class Family:
    """How a foreign family names what is no part of its own."""

    layer: str
    """Prefix of a layer, with `{}` for its number."""
    norms: Mapping[str, str]
    """Norm of a `Block` -> its name in the layer."""
    final_norm: str


_LFM = Family(
    layer="model.layers.{}.",
    norms={
        "mixer_norm": "operator_norm",
        "channel_norm": "ffn_norm",
        "mixer_out_norm": "post_operator_norm",
        "channel_out_norm": "post_ffn_norm",
    },
    final_norm="model.embedding_norm",
)
_LLAMA = Family(
    layer="model.layers.{}.",
    norms={"mixer_norm": "input_layernorm", "channel_norm": "post_attention_layernorm"},
    final_norm="model.norm",
)
_MAMBA = Family(layer="backbone.layers.{}.", norms={"mixer_norm": "norm"}, final_norm="backbone.norm_f")
FAMILIES: Mapping[str, Family] = {
    **dict.fromkeys(("lfm2", "lfm2_moe", "lfm3"), _LFM),
    **dict.fromkeys(("mamba", "mamba2", "falcon_mamba"), _MAMBA),
    **dict.fromkeys(("llama", "mistral", "mixtral", "qwen3", "qwen3_moe"), _LLAMA),
}
"""By Hugging Face `model_type`."""


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint: parameters and persistent buffers, a shared one under its first name."""
    kept = module.state_dict().keys()
    found = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensor.detach() for name, tensor in found.items() if name in kept}


def foreign_names(graph: Graph, model: Model, family: str) -> dict[str, str]:
    """Map the names of a foreign family's `state_dict` to ours; several of theirs can stand for one of ours.

    Raises:
        BuildError: E805, parts whose names in this family nobody has said.
    """
    if family not in FAMILIES:
        raise BuildError(
            Diagnostic(
                "E805", f"no family is called {family!r}", help=f"families that are known: {', '.join(FAMILIES)}"
            )
        )
    found: dict[str, str] = {}
    unnamed: list[str] = []
    for node in graph:
        if node.kind not in ("featurizer", "layer", "norm", "head"):
            continue
        target = same_module(graph, node)
        tables = list(_tables(graph, node, family))
        for name in _tensor_names(model, target):
            theirs = next((theirs for theirs in (_looked_up(name, *table) for table in tables) if theirs), None)
            if theirs is None:
                unnamed.append(f"{target}.{name}")
            else:
                found[theirs] = f"{target}.{name}"
        if node.kind == "head" and "weights" in graph.into(node.id):
            tied = same_module(graph, graph[graph.into(node.id)["weights"]])
            theirs = _looked_up("weight", *tables[0])
            if theirs is not None:
                found[theirs] = f"{tied}.weight"
    if unnamed:
        raise BuildError(
            Diagnostic(
                "E805",
                f"{name} has no name in the family {family!r}",
                because="every tensor must be named, none is guessed",
                help=f"an operator names its weights for {family!r} in its `weight_names`",
            )
            for name in unnamed
        )
    return found


def to_foreign(graph: Graph, model: Model, family: str) -> dict[str, Tensor]:
    """Return the model's tensors under the names of a foreign family."""
    ours = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers(remove_duplicate=False))}
    return {theirs: ours[name].detach() for theirs, name in foreign_names(graph, model, family).items()}


@torch.no_grad()
def load_foreign(graph: Graph, model: Model, family: str, tensors: Mapping[str, Tensor]) -> None:
    """Copy a foreign family's tensors into the model.

    Raises:
        BuildError: E805, as `foreign_names`; E806, every tensor that is missing, left over, or of another shape.
    """
    names = foreign_names(graph, model, family)
    ours = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers(remove_duplicate=False))}
    given = {names[theirs] for theirs in tensors if theirs in names}
    mistakes = [f"{theirs} is not a tensor of this architecture" for theirs in tensors if theirs not in names]
    mistakes += [f"{theirs} is missing" for theirs, name in names.items() if name not in given]
    mistakes += [
        f"{theirs} has shape {list(tensors[theirs].shape)}, ours {list(ours[name].shape)}"
        for theirs, name in names.items()
        if theirs in tensors and tensors[theirs].shape != ours[name].shape
    ]
    if mistakes:
        raise BuildError(
            Diagnostic("E806", mistake, help="compare the spec with the checkpoint's config.json")
            for mistake in mistakes
        )
    for theirs, name in names.items():
        if theirs in tensors:
            ours[name].copy_(tensors[theirs])


def _tables(graph: Graph, node: Node, family: str) -> Iterator[tuple[str, WeightNames, str]]:
    """Yield (our prefix, names, their prefix) for the pieces of a node."""
    known = FAMILIES[family]
    if node.kind == "norm":
        yield "", {"": known.final_norm}, ""
    elif node.kind == "layer":
        prefix = known.layer.format(node.id.removeprefix("layers."))
        for slot in ("mixer", "channel"):
            operator = getattr(node.part, slot)
            if operator is not None:
                yield f"{slot}.", operator.weight_names.get(family, {}), prefix
        yield "", known.norms, prefix
    else:
        yield "", node.part.weight_names.get(family, {}), ""


def _looked_up(name: str, prefix: str, names: WeightNames, their_prefix: str) -> str | None:
    """Translate a tensor's name by the longest entry that names it or a module around it."""
    if not name.startswith(prefix):
        return None
    words = name.removeprefix(prefix).split(".")
    for length in range(len(words), -1, -1):
        theirs = names.get(".".join(words[:length]))
        if theirs is not None:
            return ".".join([their_prefix + theirs, *words[length:]])
    return None


def _tensor_names(model: Model, target: str) -> list[str]:
    module = model.get_submodule(target)
    return list(module.state_dict())
