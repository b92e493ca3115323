"""What a build directory says of itself: `card.json` with every count, `README.md` for people."""

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.core.units import count as short
from lfm_arch.core.units import size
from lfm_arch.core.work import Workload
from lfm_arch.graph.count import count, slots
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.runtime.architecture import Architecture
from lfm_arch.runtime.directory import CARD
from lfm_arch.runtime.weights import WrittenFile, damaged

FORMAT = 1
CONTEXTS = (4096, 32768)
"""Lengths for which the card states the cache in bytes."""
Origin = Literal["random", "trained", "none"]
"""Where the weights come from; `none` for a build without any."""
Card = dict[str, Any]


def make_card(
    made: Architecture, *, dtype: torch.dtype, seed: int | None, origin: Origin, files: Iterable[WrittenFile] = ()
) -> Card:
    """Put every count of an architecture into plain values. Nothing in it depends on the time or the machine."""
    totals = made.totals
    costs = count(made.graph, Workload())
    return {
        "format": FORMAT,
        "name": made.name,
        "doc": made.spec.doc,
        "architecture_id": made.id,
        "weights": origin,
        "seed": seed,
        "dtype": word(dtype),
        "counts": {
            **asdict(totals),
            "kv_bytes_per_token": totals.kv_bytes_per_token,
            "fixed_state_bytes": totals.fixed_state_bytes,
            "weight_bytes": totals.params * dtype.itemsize,
            "cache_bytes": {str(context): totals.cache_bytes(context) for context in CONTEXTS},
        },
        "parts": [_part(made.graph, node, costs[node.id]) for node in made.graph if node.id in costs],
        "versions": _versions(),
        "files": {file.name: {"size_bytes": file.size_bytes, "sha256": file.sha256} for file in files},
    }


def word(dtype: torch.dtype) -> str:
    """Return the name of a number format, as `bfloat16`."""
    return str(dtype).removeprefix("torch.")


def read_card(directory: Path) -> Card:
    """Read `card.json`.

    Raises:
        BuildError: E812, there is none; E813, it is not a card of ours.
    """
    path = directory / CARD
    try:
        card = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BuildError(
            Diagnostic(
                "E812",
                f"{directory} is no build directory: it has no {CARD}",
                help=f"lfm-arch build SPEC -o {directory}",
            )
        ) from error
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from error
    wanted = {"format", "name", "architecture_id", "weights", "dtype", "files"}
    if not isinstance(card, dict) or not wanted <= card.keys() or card["format"] != FORMAT:
        raise damaged(path, f"it is no card of format {FORMAT}")
    return card


def readme(card: Mapping[str, Any]) -> str:
    """Write the card for people, in Markdown."""
    counts = card["counts"]
    weights = {
        "random": f"Random, from seed {card['seed']}: nothing was trained.",
        "trained": "As they were given to `save`.",
        "none": "None: this was built with `--meta`.",
    }[card["weights"]]
    rows = [
        ("parameters", f"{counts['params']:,}"),
        ("active parameters for a token", f"{counts['active_params']:,}"),
        ("layers", f"{counts['layers']}, `{counts['layout']}`"),
        ("FLOPs for a token on its own", f"{counts['flops_per_token']:,}"),
        ("weights", f"{size(counts['weight_bytes'])} as {card['dtype']}"),
        ("growing cache for a token", size(counts["kv_bytes_per_token"])),
        ("fixed state of a sequence", size(counts["fixed_state_bytes"])),
        *((f"all state after {int(at):,} tokens", size(held)) for at, held in counts["cache_bytes"].items()),
        ("architecture id", f"`{card['architecture_id']}`"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    doc = f"{card['doc']}\n\n" if card["doc"] else ""
    return f"""# {card["name"]}

{doc}Weights: {weights}

| | |
|---|---|
{table}

Cache and state count 16 bit elements, accumulators 32 bit. Every number by part is in `{CARD}`.

```python
import lfm_arch

model = lfm_arch.load("path/to/this/directory")
```
"""


def _part(graph: Graph, node: Node, cost: Cost) -> dict[str, Any]:
    row: dict[str, Any] = {"id": node.id, "kind": node.kind}
    if node.kind == "layer":
        row |= {
            slot: getattr(part, "type", None) for slot in ("mixer", "channel") for part in (getattr(node.part, slot),)
        }
        row["state"] = [
            {"name": slot.name, "shape": list(slot.shape), "limit": slot.limit, "precision": slot.precision}
            for slot in slots(graph)[node.id]
        ]
    else:
        row["type"] = getattr(node.part, "type", None)
    return row | {
        "params": cost.params,
        "active_params": cost.active_params,
        "flops_per_token": cost.flops,
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("lfm-arch", "torch", "safetensors"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def summary(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of a short card for a terminal."""
    counts = card["counts"]
    return [
        ("parameters", f"{counts['params']:,} ({short(counts['params'])})"),
        ("active", f"{counts['active_params']:,} ({short(counts['active_params'])})"),
        ("layers", f"{counts['layers']}  {counts['layout']}"),
        ("FLOPs per token", f"{counts['flops_per_token']:,}"),
        ("weights", f"{size(counts['weight_bytes'])}, {card['dtype']}, {card['weights']}"),
        ("cache per token", size(counts["kv_bytes_per_token"])),
        ("fixed state", size(counts["fixed_state_bytes"])),
        ("architecture id", card["architecture_id"]),
    ]
