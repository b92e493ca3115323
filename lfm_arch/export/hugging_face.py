"""Checkpoints of Hugging Face transformers: written from a build directory, and read into one.

    to_native(directory, target)      for a class that ships with transformers, or E840 with every reason
    to_custom(directory, target)      for `LfmArchForCausalLM`, which holds any language model; see `language_model.py`
    from_native(imported, source, target)      a build directory out of safetensors
    register()                        tells transformers' Auto classes of `LfmArchForCausalLM`

All of them move one tensor at a time and run without transformers; only `register` needs it.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.export.configuration import CONFIG, Imported, read_values
from lfm_arch.export.family import Runtime
from lfm_arch.export.fit import best_fit, refuse_misfit
from lfm_arch.export.tensors import Files, disk_names, match, refuse_pickles, to_disk
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.graph import Graph
from lfm_arch.lower.compile import facts
from lfm_arch.runtime.architecture import Architecture
from lfm_arch.runtime.card import Card, read_card
from lfm_arch.runtime.checkpoint import read_spec, write
from lfm_arch.runtime.directory import taking_place_of
from lfm_arch.runtime.weights import SHARD_BYTES, Entry, write_text, write_weights
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.write import write_spec

GENERATION = "generation_config.json"
BESIDE = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", GENERATION,
)  # fmt: skip
"""Files that go along with the weights as they are."""
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")
MODEL_TYPE = "lfm_arch"
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and who runs it."""

    directory: Path
    model_type: str
    architecture: str
    config: dict[str, Any]
    files: tuple[str, ...]
    size_bytes: int
    runtimes: tuple[Runtime, ...]


def to_native(
    directory: Path,
    target: Path,
    *,
    family: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = lambda _: None,
) -> Exported:
    """Write a build directory as a checkpoint of a class that ships with transformers.

    Args:
        directory: as `lfm-arch build` wrote it.
        target: new or empty.
        family: a `model_type` to insist on; the first that holds the architecture by default.
        shard_bytes: largest size of one weight file.
        progress: told the bytes of every tensor once it is written.

    Raises:
        BuildError: E840, every layer and field that no family has; E810 and E811, the target; E812 to E818, the
            directory.
    """
    card, _, graph = opened(directory)
    found = best_fit(graph, family)
    refuse_misfit(found)
    config = {"architectures": [found.family.architecture], "model_type": found.family.model_type, **found.config}
    names = disk_names(graph, found.family)
    runtimes = (
        Runtime("transformers", True, f"{found.family.since} or newer, AutoModelForCausalLM.from_pretrained"),
        *found.family.runtimes(graph),
    )
    with Files(directory) as files:
        entries, tensors = to_disk(files, names)
        written = _write(directory, target, card, config, entries, tensors, None, shard_bytes, progress)
    return Exported(target, found.family.model_type, found.family.architecture, config, *written, runtimes=runtimes)


def to_custom(
    directory: Path, target: Path, *, shard_bytes: int = SHARD_BYTES, progress: Progress = lambda _: None
) -> Exported:
    """Write a build directory as a checkpoint of `LfmArchForCausalLM`.

    Raises:
        BuildError: E847, it is no model of token ids with scores of the next token; others as for `to_native`.
    """
    card, spec, graph = opened(directory)
    config = {"architectures": [ARCHITECTURE], "model_type": MODEL_TYPE, **custom_fields(spec, graph)}
    runtimes = (Runtime("transformers", True, "after lfm_arch.export.hugging_face.register(); Trainer, PEFT, lm-eval"),)
    with Files(directory) as files:
        entries = [Entry(f"model.{name}", entry.dtype, entry.shape) for name, entry in files.entries.items()]
        tensors = ((entry.name, files.read(entry.name.removeprefix("model."))) for entry in entries)
        written = _write(directory, target, card, config, entries, tensors, spec, shard_bytes, progress)
    return Exported(target, MODEL_TYPE, ARCHITECTURE, config, *written, runtimes=runtimes)


ARCHITECTURE = "LfmArchForCausalLM"


def custom_fields(spec: ArchSpec, graph: Graph) -> dict[str, Any]:
    """Return the fields of an `LfmArchConfig`.

    Raises:
        BuildError: E847.
    """
    known = facts(graph)
    if not known.text_output or len(known.outputs) != 1 or len(known.inputs) != 1:
        inputs, outputs = ", ".join(known.inputs), ", ".join(known.outputs)
        raise BuildError(
            Diagnostic(
                "E847",
                f"{graph.name!r} takes {inputs} and gives {outputs}",
                because="a causal language model takes token ids and gives scores of the next token, nothing else",
                help="load it with lfm_arch.load",
            )
        )
    return {
        "architecture": spec.model_dump(mode="json"),
        "vocab_size": known.vocab_size,
        "hidden_size": graph.width,
        "num_hidden_layers": len(graph.layers),
        # heads tied to an embedding take its table at every call, inside the model
        "tie_word_embeddings": False,
    }


def from_native(
    imported: Imported,
    source: Path,
    target: Path,
    *,
    force: bool = False,
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = lambda _: None,
) -> tuple[Card, tuple[str, ...]]:
    """Write a build directory out of a Hugging Face checkpoint.

    Args:
        imported: its architecture.
        source: directory with its safetensors.
        target: new, empty, or with `force` an earlier build.
        force: replace an earlier build.
        shard_bytes: largest size of one weight file.
        progress: told the bytes of every tensor once it is written.

    Returns:
        The card, and the names of tensors that no model computes with.

    Raises:
        BuildError: E806, the tensors are not those of the architecture; E845, they are pickled; E812, there are none.
    """
    refuse_pickles(source)
    made = Architecture(imported.spec, compile_graph(imported.spec))
    with Files(source) as files:
        found = match(made.graph, imported.family, files)
        card = write(
            target,
            made,
            found.entries,
            found.tensors(files),
            dtype=found.dtype,
            seed=None,
            origin="trained",
            force=force,
            shard_bytes=shard_bytes,
            progress=progress,
        )
    _copy_beside(source, target)
    if not (target / GENERATION).exists():
        tokens = {key: value for key, value in read_values(imported.source).items() if key in TOKENS}
        if tokens:
            write_text(target / GENERATION, json.dumps(tokens, indent=1) + "\n")
    return card, found.unused


def register() -> None:
    """Tell `AutoConfig` and `AutoModelForCausalLM` of our class; calling it again changes nothing.

    Raises:
        BuildError: E846, transformers is not installed.
    """
    if find_spec("transformers") is None:
        raise BuildError(Diagnostic("E846", "transformers is not installed", help="pip install 'lfm-arch[hf]'"))
    from transformers import AutoConfig, AutoModelForCausalLM

    from lfm_arch.export.language_model import LfmArchConfig, LfmArchForCausalLM

    AutoConfig.register(MODEL_TYPE, LfmArchConfig, exist_ok=True)
    AutoModelForCausalLM.register(LfmArchConfig, LfmArchForCausalLM, exist_ok=True)


def opened(directory: Path) -> tuple[Card, ArchSpec, Graph]:
    """Read card, spec and graph of a build directory with weights.

    Raises:
        BuildError: E812 to E818.
    """
    card = read_card(directory)
    if card["weights"] == "none":
        raise BuildError(
            Diagnostic(
                "E818",
                f"{directory} was built without weights",
                because="it was built with --meta",
                help="build it again without --meta",
            )
        )
    spec = read_spec(directory, card)
    return card, spec, compile_graph(spec)


def _write(
    directory: Path,
    target: Path,
    card: Card,
    config: dict[str, Any],
    entries: list[Entry],
    tensors: Any,
    spec: ArchSpec | None,
    shard_bytes: int,
    progress: Progress,
) -> tuple[tuple[str, ...], int]:
    tokens: dict[str, Any] = dict.fromkeys(TOKENS)
    if (directory / GENERATION).is_file():
        given = read_values(directory / GENERATION)
        tokens |= {key: given[key] for key in TOKENS if key in given}
    config |= {**tokens, "dtype": card["dtype"], "torch_dtype": card["dtype"]}
    size_bytes = sum(entry.size_bytes for entry in entries)
    with taking_place_of(target, size_bytes, force=False) as partial:
        write_text(partial / CONFIG, json.dumps(config, indent=2) + "\n")
        if spec is not None:
            # for people; the model is made from the config
            write_text(partial / "spec.yaml", write_spec(spec))
        write_weights(partial, entries, tensors, limit=shard_bytes, progress=progress)
        _copy_beside(directory, partial)
        names = tuple(sorted(path.name for path in partial.iterdir()))
    return names, size_bytes


def _copy_beside(source: Path, target: Path) -> None:
    for name in BESIDE:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
