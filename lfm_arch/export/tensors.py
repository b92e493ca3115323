"""Tensors of a family's checkpoint on disk, from ours and to ours, one at a time.

A running model holds the experts of a layer stacked; checkpoints on disk name the matrices of each expert. Nothing here
holds more than one tensor of ours in memory, so a model may be larger than memory.

Axes: E experts, F hidden width of an expert, D width.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.export.family import Family
from lfm_arch.graph.graph import Graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.names import foreign_names, own_tensors
from lfm_arch.runtime.weights import INDEX, SINGLE, Entry, Weights


@dataclass(frozen=True, slots=True)
class Cut:
    """A tensor on disk as a piece of one of ours."""

    ours: str
    expert: int | None = None
    rows: tuple[int, int] | None = None
    """First and last row within the expert's matrix, exclusive."""

    def of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the piece."""
        if self.expert is None:
            return shape
        rows = shape[1] if self.rows is None else self.rows[1] - self.rows[0]
        return (rows, *shape[2:])


def disk_names(graph: Graph, family: Family) -> dict[str, Cut]:
    """Map the names of a family's checkpoint on disk to pieces of our tensors; a tied head is left out."""
    outline = lower(graph, device="meta")
    shapes = {name: tuple(tensor.shape) for name, tensor in own_tensors(outline).items()}
    found: dict[str, Cut] = {}
    tied = {
        name
        for node in graph.of("head")
        if "weights" in graph.into(node.id)
        for name in node.part.weight_names.get(family.model_type, {}).values()
    }
    for theirs, ours in foreign_names(graph, outline, family.model_type).items():
        if theirs in tied:
            continue
        names = family.experts
        prefix, stacked, last = theirs.partition(names.stacked) if names is not None else (theirs, "", "")
        if names is None or not stacked:
            found[_renamed(family, theirs)] = Cut(ours)
            continue
        for expert in range(shapes[ours][0]):
            if last == "down_proj":
                found[prefix + names.down.format(expert)] = Cut(ours, expert)
            else:
                half = shapes[ours][1] // 2
                found[prefix + names.gate.format(expert)] = Cut(ours, expert, (0, half))
                found[prefix + names.up.format(expert)] = Cut(ours, expert, (half, 2 * half))
    return found


def _renamed(family: Family, name: str) -> str:
    return name if family.on_disk is None else name.replace(*family.on_disk)


class Files:
    """The safetensors files of a directory, open for reading tensors and parts of tensors in any order."""

    def __init__(self, directory: Path) -> None:
        self.weights = Weights.open(directory)
        self._stack = ExitStack()
        self._open: dict[str, Any] = {}

    def __enter__(self) -> "Files":
        for name in dict.fromkeys(self.weights.place.values()):
            self._open[name] = self._stack.enter_context(safe_open(self.weights.directory / name, framework="pt"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.clear()
        self._stack.close()

    @property
    def entries(self) -> Mapping[str, Entry]:
        return self.weights.entries

    def read(self, name: str) -> Tensor:
        """Read a whole tensor."""
        return self._open[self.weights.place[name]].get_tensor(name)

    def cut(self, name: str, cut: Cut) -> Tensor:
        """Read a piece of a tensor."""
        if cut.expert is None:
            return self.read(name)
        piece = self._open[self.weights.place[name]].get_slice(name)
        rows = slice(None) if cut.rows is None else slice(*cut.rows)
        return piece[cut.expert, rows]


def to_disk(files: Files, names: Mapping[str, Cut]) -> tuple[list[Entry], Iterator[tuple[str, Tensor]]]:
    """Return what will be written under a family's names, and the tensors as they are asked for."""
    entries: list[Entry] = []
    for theirs, cut in names.items():
        ours = files.entries[cut.ours]
        entries.append(Entry(theirs, ours.dtype, cut.of(ours.shape)))
    return entries, ((theirs, files.cut(cut.ours, cut)) for theirs, cut in names.items())


@dataclass(frozen=True, slots=True)
class Incoming:
    """A family's checkpoint on disk, matched with our tensors."""

    entries: list[Entry]
    """Ours, in the number formats that they will have."""
    dtype: torch.dtype
    """Of the parameters: the widest in the files, so that nothing is rounded."""
    sources: Mapping[str, dict[str, Cut]]
    """Ours -> the tensors on disk that make it up."""
    unused: tuple[str, ...]
    """Tensors on disk that no model computes with: what is recomputed, or tied."""

    def tensors(self, files: Files) -> Iterator[tuple[str, Tensor]]:
        """Make our tensors one after the other."""
        for entry in self.entries:
            parts = self.sources[entry.name]
            (name, cut), *others = parts.items()
            if not others and cut.expert is None:
                yield entry.name, files.read(name).to(entry.dtype)
                continue
            whole = torch.empty(entry.shape, dtype=entry.dtype)
            for name, cut in parts.items():
                assert cut.expert is not None, f"{name} is one of several and no expert"
                whole[cut.expert, slice(None) if cut.rows is None else slice(*cut.rows)] = files.read(name)
            yield entry.name, whole
            del whole


def match(graph: Graph, family: Family, files: Files) -> Incoming:
    """Match the tensors of a checkpoint with an architecture.

    Raises:
        BuildError: E806, every tensor that is missing, left over, or of another shape.
    """
    outline = lower(graph, device="meta")
    wanted = own_tensors(outline)
    parameters = {name for name, _ in outline.named_parameters()}
    sources: dict[str, dict[str, Cut]] = {}
    mistakes: list[str] = []
    left = dict(files.entries)
    running = foreign_names(graph, outline, family.model_type)
    whole_of = {ours: theirs for theirs, ours in running.items()}
    for theirs, cut in disk_names(graph, family).items():
        whole = whole_of[cut.ours]
        if cut.expert is not None and whole in files.entries:
            # saved as the running model holds it
            if whole in left:
                sources[cut.ours] = {whole: Cut(cut.ours)}
                mistakes += _shape(left.pop(whole), tuple(wanted[cut.ours].shape))
            continue
        # a tool that saves what runs writes the running model's spelling
        spelled = whole if cut.expert is None and theirs not in left and whole in left else theirs
        found = left.pop(spelled, None)
        if found is None:
            mistakes.append(f"{theirs} is missing")
            continue
        sources.setdefault(cut.ours, {})[spelled] = cut
        mistakes += _shape(found, cut.of(tuple(wanted[cut.ours].shape)))
    unused = tuple(name for name in left if name.endswith("rotary_emb.inv_freq") or name in running)
    mistakes += [f"{name} is not a tensor of this architecture" for name in left if name not in unused]
    if mistakes:
        raise BuildError(
            Diagnostic("E806", mistake, path=str(files.weights.directory), help="compare it with its config.json")
            for mistake in mistakes
        )
    formats = [files.entries[name].dtype for ours in parameters for name in sources[ours]]
    dtype = _widest(formats)
    entries = [
        Entry(name, dtype if name in parameters else tensor.dtype, tuple(tensor.shape))
        for name, tensor in wanted.items()
    ]
    return Incoming(entries, dtype, sources, unused)


def _shape(found: Entry, wanted: tuple[int, ...]) -> Iterator[str]:
    if found.shape != wanted:
        yield f"{found.name} has shape {list(found.shape)}, the architecture has {list(wanted)}"


def _widest(formats: list[torch.dtype]) -> torch.dtype:
    kinds = set(formats)
    if len(kinds) == 1 and kinds <= {torch.float32, torch.bfloat16, torch.float16}:
        return kinds.pop()
    return torch.float32


def refuse_pickles(directory: Path) -> None:
    """Refuse a directory whose weights are pickles only.

    Raises:
        BuildError: E845.
    """
    if (directory / SINGLE).exists() or (directory / INDEX).exists():
        return
    pickles = sorted(
        each.name for each in directory.glob("*") if each.suffix in (".bin", ".pt", ".pth", ".ckpt", ".msgpack", ".h5")
    )
    if pickles:
        raise BuildError(
            Diagnostic(
                "E845",
                f"{directory} holds {', '.join(pickles[:3])} and no {SINGLE}",
                because="weights are read as safetensors only; reading a pickle runs whatever program is in it",
                help="where you trust the file, save it anew from transformers: save_pretrained writes safetensors",
            )
        )
