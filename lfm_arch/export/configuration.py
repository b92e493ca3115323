"""A Hugging Face config.json -> a readable spec. No torch."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfm_arch.core.errors import BuildError, Diagnostic, Place
from lfm_arch.export.families import FAMILIES
from lfm_arch.export.family import Family, check_keys
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.spec.arch import ArchSpec, Expect
from lfm_arch.spec.emit import emit
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.write import spec_fields

CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class Imported:
    """An architecture out of a configuration."""

    spec: ArchSpec
    family: Family
    source: Path
    ignored: tuple[str, ...]
    """Keys of the file that change nothing."""
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The spec as YAML, with numbers by name and a header that says where it comes from."""
        lines = [f"# Imported from {self.source.name}: {self.family.architecture} of Hugging Face transformers."]
        lines += [f"# {note}." for note in self.notes]
        return "\n".join(lines) + "\n" + emit(_by_name(spec_fields(self.spec)))


def import_config(source: str | Path, *, name: str | None = None) -> Imported:
    """Read a config.json, or the one in a directory.

    Args:
        source: file or directory.
        name: of the model; the directory's by default.

    Raises:
        BuildError: E841 to E844, everything in the file that keeps it from being held exactly.
        GraphError: the architecture breaks a rule of the language.
    """
    path = Path(source)
    path = path / CONFIG if path.is_dir() else path
    text, values = _json(path)
    family = _family(path, text, values)
    wanted = name or _name(values.get("_name_or_path"), path)
    reading = check_keys(family, values, name=wanted, locate=lambda key: _place(path, text, key))
    spec = family.read(reading)
    reading.finish()
    assert spec is not None, f"{path}: no architecture and no problem"
    counted = totals(compile_graph(spec))
    expect = Expect(
        params=counted.params,
        active_params=None if counted.active_params == counted.params else counted.active_params,
        layout=counted.layout,
        kv_bytes_per_token=counted.kv_bytes_per_token,
    )
    spec = spec.model_copy(update={"expect": expect})
    ignored = tuple(sorted(reading.ignored))
    return Imported(spec, family, path, ignored, tuple(reading.notes))


def read_values(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        BuildError: E841.
    """
    return _json(path)[1]


def _json(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"it is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise _unreadable(path, "it is no JSON object")
    return text, values


def _unreadable(path: Path, why: str) -> BuildError:
    return BuildError(
        Diagnostic(
            "E841",
            f"{path} cannot be read: {why}",
            help="give a config.json of Hugging Face transformers, or a directory with one",
        )
    )


def _family(path: Path, text: str, values: Mapping[str, Any]) -> Family:
    word = values.get("model_type")
    if isinstance(word, str) and word in FAMILIES:
        return FAMILIES[word]
    known = ", ".join(FAMILIES)
    if not isinstance(word, str):
        raise BuildError(
            Diagnostic(
                "E841",
                f"{path} does not say its model_type",
                _place(path, text, "model_type"),
                "model_type",
                help=f"families that can be read: {known}",
            )
        )
    raise BuildError(
        Diagnostic(
            "E843",
            f"the family {word!r} cannot be read",
            _place(path, text, "model_type"),
            "model_type",
            because=f"families that can be read: {known}",
            help=did_you_mean(word, FAMILIES) or "write the spec by hand: `lfm-arch explain` lists what there is",
        )
    )


def _place(path: Path, text: str, key: str) -> Place | None:
    """Find a key's line in the file by its spelling."""
    found = re.search(rf'"{re.escape(key.partition(".")[0])}"\s*:', text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    start = text.rfind("\n", 0, found.start()) + 1
    excerpt = text[start:].partition("\n")[0]
    column = found.start() - start + 1
    return Place(str(path), line, column, column + len(found[0].rstrip(": \t")), excerpt)


def _name(given: Any, path: Path) -> str:
    """Name the model after the repository that it was downloaded from, or its directory."""
    word = given.rstrip("/").rpartition("/")[2] if isinstance(given, str) else ""
    if not word:
        word = path.absolute().parent.name if path.name == CONFIG else path.stem
    word = re.sub(r"[^A-Za-z0-9_.-]+", "-", word).strip("-.").lower()
    return word or "imported"


def _by_name(fields: dict[str, Any]) -> dict[str, Any]:
    """Write `${num_heads}` where a field of an operator has the value of the dim of its name."""
    dims = fields["dims"]

    def named(part: dict[str, Any]) -> dict[str, Any]:
        return {
            key: f"${{{key}}}" if key in dims and value == dims[key] and type(value) is type(dims[key]) else value
            for key, value in part.items()
        }

    return {**fields, "operators": {name: named(part) for name, part in fields["operators"].items()}}
