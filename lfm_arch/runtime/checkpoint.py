"""A build directory: spec.yaml, model.safetensors, card.json, README.md; written whole or not at all.

Everything goes into a directory beside the target first, and takes its name in one step at the end.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.lower.names import own_tensors
from lfm_arch.runtime.architecture import Architecture
from lfm_arch.runtime.card import Card, Origin, make_card, read_card, readme, word
from lfm_arch.runtime.directory import CARD, README, SPEC, taking_place_of
from lfm_arch.runtime.place import checked_device, checked_dtype
from lfm_arch.runtime.weights import SHARD_BYTES, Entry, Weights, WrittenFile, damaged, write_text
from lfm_arch.runtime.weights import write_weights as write_tensors
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.write import write_spec

Progress = Callable[[int], None]


def save(
    model: Model,
    spec: ArchSpec,
    directory: str | os.PathLike[str],
    *,
    origin: Origin = "trained",
    force: bool = False,
    shard_bytes: int = SHARD_BYTES,
) -> Card:
    """Write a model and the spec that it was built from.

    Args:
        model: as `lfm_arch.build` made it, whatever has become of its weights.
        spec: its architecture.
        directory: new, empty, or with `force` an earlier build.
        origin: what the card says of the weights.
        force: replace an earlier build.
        shard_bytes: largest size of one weight file.

    Raises:
        BuildError: E810, the directory is in use; E811, it cannot be written; E814 to E816, the model is not of this
            architecture.
    """
    made = Architecture(spec, compile_graph(spec))
    tensors = own_tensors(model)
    dtype = next(iter(model.parameters())).dtype
    entries = [Entry.of(name, tensor) for name, tensor in tensors.items()]
    expected = own_tensors(lower(made.graph, device="meta", dtype=dtype))
    _refuse_mismatches([Entry.of(*item) for item in expected.items()], entries, Path(directory))
    return write(
        Path(directory),
        made,
        entries,
        tensors.items(),
        dtype=dtype,
        seed=None,
        origin=origin,
        force=force,
        shard_bytes=shard_bytes,
    )


def write(
    directory: Path,
    made: Architecture,
    entries: Sequence[Entry],
    tensors: Iterable[tuple[str, Tensor]],
    *,
    dtype: torch.dtype,
    seed: int | None,
    origin: Origin,
    force: bool = False,
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = lambda _: None,
) -> Card:
    """Write a build directory; `tensors` may be made while they are written, see `write_weights`."""
    with taking_place_of(directory, sum(entry.size_bytes for entry in entries), force=force) as partial:
        files: list[WrittenFile] = [write_text(partial / SPEC, write_spec(made.spec))]
        if origin != "none":
            files += write_tensors(partial, entries, tensors, limit=shard_bytes, progress=progress)
        card = make_card(made, dtype=dtype, seed=seed, origin=origin, files=files)
        write_text(partial / README, readme(card))
        write_text(partial / CARD, json.dumps(card, indent=1) + "\n")
    return card


def load(
    directory: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    verify: bool = False,
) -> Model:
    """Read a build directory back. Nothing is unpickled, and every tensor is checked against the architecture.

    Args:
        directory: as `lfm-arch build` or `save` wrote it.
        device: where to; `meta` reads no weights.
        dtype: number format to convert parameters to; that of the files by default.
        verify: also compare the hash of every file with the card, which reads everything twice.

    Raises:
        BuildError: E812 to E818, everything that is wrong with the directory.
        SpecError: its spec.yaml breaks rules of the language.
    """
    directory, device = Path(directory), checked_device(device)
    card = read_card(directory)
    spec = read_spec(directory, card)
    graph = compile_graph(spec)
    stored = checked_dtype(card["dtype"])
    if verify:
        _refuse_changed_files(directory, card)
    if device.type == "meta":
        return lower(graph, device=device, dtype=checked_dtype(dtype or stored))
    if card["weights"] == "none":
        raise BuildError(
            Diagnostic(
                "E818",
                f"{directory} was built without weights",
                because="it was built with --meta",
                help="build it again without --meta, or load it with device='meta'",
            )
        )
    weights = Weights.open(directory)
    model = lower(graph, dtype=stored, initialise=False)
    slots = own_tensors(model)
    expected = [Entry.of(name, tensor) for name, tensor in slots.items()]
    _refuse_mismatches(expected, list(weights.entries.values()), directory)
    with torch.no_grad():
        for name, tensor in weights.read():
            slots[name].copy_(tensor)
    converted = checked_dtype(dtype) if dtype is not None else stored
    if converted != stored:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(converted)
    return model if device.type == "cpu" else model.to(device)


def read_spec(directory: Path, card: Card) -> ArchSpec:
    """Read the spec of a build directory, and make sure that it is the one that was built."""
    path = directory / SPEC
    if not path.is_file():
        raise BuildError(Diagnostic("E812", f"{directory} has no {SPEC}", help="build it again"))
    spec = load_spec(path)
    now = architecture_id(compile_graph(spec))
    if now != card["architecture_id"]:
        raise BuildError(
            Diagnostic(
                "E817",
                f"{path} describes architecture {now}, the card {card['architecture_id']}",
                because="weights belong to the architecture that they were made for",
                help="restore spec.yaml, or build the edited spec into another directory",
            )
        )
    return spec


def _refuse_mismatches(expected: Sequence[Entry], found: Sequence[Entry], directory: Path) -> None:
    wanted, there = ({entry.name: entry for entry in entries} for entries in (expected, found))
    mistakes: list[Diagnostic] = []
    mistakes += [Diagnostic("E814", f"{name} is missing", path=str(directory)) for name in wanted if name not in there]
    mistakes += [
        Diagnostic("E814", f"{name} belongs to no part of the architecture", path=str(directory))
        for name in there
        if name not in wanted
    ]
    for name in wanted.keys() & there.keys():
        ours, theirs = wanted[name], there[name]
        if ours.shape != theirs.shape:
            message = f"{name} has shape {list(theirs.shape)}, the architecture has {list(ours.shape)}"
            mistakes.append(Diagnostic("E815", message, path=str(directory)))
        elif ours.dtype != theirs.dtype:
            message = f"{name} is {word(theirs.dtype)}, the card says {word(ours.dtype)}"
            mistakes.append(Diagnostic("E816", message, path=str(directory)))
    if mistakes:
        raise BuildError(mistakes)


def _refuse_changed_files(directory: Path, card: Card) -> None:
    for name, listed in card["files"].items():
        path = directory / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise damaged(path, str(error)) from error
        if found != listed["sha256"]:
            raise damaged(path, f"its SHA-256 is {found}, the card lists {listed['sha256']}")
