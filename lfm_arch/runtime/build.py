"""From a spec to a module in memory, or straight to a directory on disk."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from lfm_arch.graph.graph import Graph
from lfm_arch.lower.compile import lower, parts
from lfm_arch.lower.initial import Part
from lfm_arch.lower.model import Model
from lfm_arch.lower.names import own_tensors
from lfm_arch.lower.sharing import borrowed
from lfm_arch.runtime.architecture import Architecture, Source, read
from lfm_arch.runtime.card import Card, make_card
from lfm_arch.runtime.checkpoint import write
from lfm_arch.runtime.directory import refuse_in_use
from lfm_arch.runtime.place import checked_device, checked_dtype
from lfm_arch.runtime.weights import SHARD_BYTES, Entry


def build(
    source: Source,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
    seed: int = 0,
    sets: Iterable[str] = (),
) -> Model:
    """Compile a spec to a torch module with random first weights.

    Args:
        source: a model spec file, or an `ArchSpec`.
        device: `cpu`, an accelerator, or `meta` to allocate nothing.
        dtype: of the parameters; float32, bfloat16 or float16.
        seed: first values are a function of it and of the parameter's name.
        sets: edits as the command line's `--set` takes them.

    Raises:
        SpecError: the file breaks rules of the language.
        GraphError: the architecture breaks rules, or is not what its `expect` says.
        BuildError: E823, the device or the number format is not there.
    """
    made = read(source, sets=sets)
    return lower(made.graph, device=checked_device(device), dtype=checked_dtype(dtype), seed=seed)


def build_directory(
    made: Architecture,
    directory: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
    seed: int = 0,
    force: bool = False,
    shard_bytes: int = SHARD_BYTES,
    announce: Callable[[int], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> Card:
    """Write a build directory without ever holding more than one part of the model.

    Args:
        made: the architecture.
        directory: where to.
        device: on which parts are placed before they are written; `meta` writes no weights.
        dtype: as for `build`.
        seed: as for `build`; the weights are those that `build` makes.
        force: replace an earlier build.
        shard_bytes: largest size of one weight file.
        announce: told the bytes of all weights before the first is made.
        progress: told the bytes of every tensor once it is written.
    """
    place, dtype = checked_device(device), checked_dtype(dtype)
    refuse_in_use(directory.absolute(), force=force)
    outline = lower(made.graph, device="meta", dtype=dtype)
    _check_counts(made, outline)
    entries = [Entry.of(name, tensor) for name, tensor in own_tensors(outline).items()]
    meta = place.type == "meta"
    announce(0 if meta else sum(entry.size_bytes for entry in entries))
    order = {entry.name: entry for entry in entries}
    tensors = first_tensors(made.graph, device=place, dtype=dtype, seed=seed)
    if not meta:
        # the order in which parts are made, not that of the module's names
        entries = [order[name] for name in _names_in_order(made.graph)]
        assert len(entries) == len(order), f"{len(entries)} tensors will be written, the module has {len(order)}"
    return write(
        directory,
        made,
        [] if meta else entries,
        tensors,
        dtype=dtype,
        seed=seed,
        origin="none" if meta else "random",
        force=force,
        shard_bytes=shard_bytes,
        progress=progress,
    )


def build_outline(made: Architecture, *, dtype: str | torch.dtype = torch.float32, seed: int = 0) -> Card:
    """Build on the meta device, compare the module with the graph's counts, and return the card of it."""
    dtype = checked_dtype(dtype)
    _check_counts(made, lower(made.graph, device="meta", dtype=dtype))
    return make_card(made, dtype=dtype, seed=seed, origin="none")


def _check_counts(made: Architecture, outline: Model) -> None:
    counted, built = made.totals.params, sum(parameter.numel() for parameter in outline.parameters())
    assert built == counted, f"the module has {built:,} parameters, the graph counts {counted:,}"


def first_tensors(graph: Graph, *, device: torch.device, dtype: torch.dtype, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Make a model's tensors part by part, each under the name that the whole model has for it."""
    for part in parts(graph, device=device, dtype=dtype, seed=seed):
        yield from _own_tensors_of(part, tuple(borrowed(graph, graph[part.name])))
        # a part is forgotten before the next one is made
        del part


def _own_tensors_of(part: Part, borrowed_prefixes: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in own_tensors(part.module).items():
        if not name.startswith(borrowed_prefixes):
            yield f"{part.name}.{name}", tensor


def _names_in_order(graph: Graph) -> Iterator[str]:
    for name, _ in first_tensors(graph, device=torch.device("meta"), dtype=torch.float32, seed=0):
        yield name
