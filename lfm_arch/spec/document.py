"""From files to one located tree: read, inherit, edit. What the values mean is not asked here.

document = load_document("specs/lfm2-1.2b.yaml", sets=["dims.hidden_size=1024"])
document.place("operators.attn.num_kv_heads")      -> Place
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lfm_arch.core.errors import Place
from lfm_arch.spec.extend import is_hole, merge
from lfm_arch.spec.locate import explain
from lfm_arch.spec.path import find, mark
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.scalar import Value
from lfm_arch.spec.text_error import did_you_mean
from lfm_arch.spec.tree import List, Map, Mark, Node, Scalar, Source, lines_of, plain, walk

MAX_BYTES = 2**20
MAX_FILES = 32
VERSION = 1
KINDS = ("model", "space", "study", "hw")
HEADER = ("lfm_arch", "kind", "name", "doc", "extends")
_FAMILY = {"model": ("model", "space"), "space": ("model", "space"), "study": ("study",), "hw": ("hw",)}


Model = TypeVar("Model", bound=BaseModel)


class Document:
    """A file with everything that it inherits, and the mistakes found so far."""

    def __init__(self, path: str, root: Map, problems: Problems, files: tuple[str, ...]) -> None:
        self.path = path
        self.root = root
        self.problems = problems
        self.files = files
        """Every file that was read, the named one first."""

    def header(self, key: str) -> Value:
        node = self.root.get(key)
        return node.value if isinstance(node, Scalar) else None

    @property
    def kind(self) -> str:
        return str(self.header("kind"))

    def section(self, key: str) -> Node | None:
        """Return a top-level value; one that is null is as good as not written."""
        node = self.root.get(key)
        return None if isinstance(node, Scalar) and node.value is None else node

    def place(self, path: str) -> Place | None:
        """Return where a dotted path was written, or the part of it that was."""
        found = find(self.root, path)
        return None if found.node is self.root and path else mark(found).place()


def load_document(path: str | Path, sets: Sequence[str] = ()) -> Document:
    """Read a file with its ancestors and the command line's edits.

    Raises:
        SpecError: E1xx, with every mistake that is one of the files' form.
    """
    document = open_document(path, sets)
    document.problems.raise_errors()
    return document


def open_document(path: str | Path, sets: Sequence[str] = (), kinds: Sequence[str] = KINDS) -> Document:
    """As `load_document`, but go on after mistakes that leave a tree, noting them in `document.problems`.

    Raises:
        SpecError: there is no tree at all.
    """
    problems = Problems()
    loader = _Loader(problems)
    root = loader.load(os.fspath(path), None)
    if root is None:
        problems.raise_errors()
    assert root is not None, f"{path} gave neither a tree nor a mistake"
    _check_kind(root, kinds, problems)
    if sets:
        from lfm_arch.spec.sets import apply_sets

        root = apply_sets(root, sets, problems, loader.budget)
    return Document(os.fspath(path), root, problems, tuple(loader.files))


def load_model(path: str | Path, cls: type[Model], *, kind: str, sets: Sequence[str] = ()) -> Model:
    """Return the instance of a pydantic model that a YAML file writes, as a hardware profile or a study.

    Header keys go to fields of their names, where the model has them. Values are plain: nothing is computed or decided.

    Raises:
        SpecError: every mistake of the file.
    """
    document = open_document(path, sets, (kind,))
    fields = {field.alias or name for name, field in cls.model_fields.items()}
    root = Map(document.root.mark)
    for key, node in document.root.entries.items():
        if not key.startswith("x-") and (key not in HEADER or key in fields):
            root.entries[key], root.keys[key] = node, document.root.keys[key]
    for node_path, node in walk(root):
        node.path = node_path
        if isinstance(node, Map):
            for key, child in node.entries.items():
                child.key = node.keys[key]
    made = None
    try:
        made = cls.model_validate_json(json.dumps(_without_notes(plain(root))))
    except ValidationError as error:
        explain(error.errors(include_url=False), root, cls, document.problems, lambda node: node)
    document.problems.raise_errors()
    assert made is not None, f"{path}: pydantic complains and nothing was said"
    return made


def _without_notes(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_notes(each) for key, each in value.items() if not key.startswith("x-")}
    return [_without_notes(each) for each in value] if isinstance(value, list) else value


def read_source(name: str, problems: Problems, via: Mark | None = None) -> Source | None:
    """Return a file's text; None when it cannot be read, with the reason in `problems`."""

    def refuse(code: str, message: str, *, because: str = "", help: str = "") -> None:
        problems.add(code, message, via, because=because, help=help)

    try:
        with Path(name).open("rb") as file:
            # one byte more than allowed tells too much without reading all of it
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        refuse("E101", f"there is no file `{name}`", help=_nearby(name))
        return None
    except IsADirectoryError:
        refuse("E102", f"`{name}` is a directory", because="a spec is one file", help=f"name a file in it: {name}/...")
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        refuse("E103", f"`{name}` cannot be read: {reason}")
        return None
    if len(data) > MAX_BYTES:
        refuse("E116", f"`{name}` is larger than 1 MiB", because="a spec says an architecture, not its weights")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = lines_of(data[: error.start].decode("utf-8-sig", "replace"))
        line, column = len(before) - 1, len(before[-1])
        source = Source(name, data.decode("utf-8-sig", "replace"), via)
        problems.add(
            "E115",
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            Mark(source, line, column, column + 1),
            help="save the file as UTF-8",
        )
        return None
    return Source(name, text, via)


def _nearby(name: str) -> str:
    folder = Path(name).parent
    try:
        names = [
            each.name for each, _ in zip(folder.iterdir(), range(500), strict=False) if each.suffix in (".yaml", ".yml")
        ]
    except (OSError, ValueError):
        return ""
    return did_you_mean(Path(name).name, names)


class _Loader:
    """Reads a file and what it extends."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.budget = Budget()
        self.files: list[str] = []

    def load(self, name: str, via: Mark | None, chain: tuple[str, ...] = (), kind: str = "") -> Map | None:
        """Return the tree of a file laid over those of its ancestors."""
        if len(self.files) >= MAX_FILES:
            self.problems.add("E117", f"more than {MAX_FILES} files", via, because="a chain that long helps no reader")
            return None
        source = read_source(name, self.problems, via)
        if source is None:
            return None
        self.files.append(name)
        root = read(source, self.problems, self.budget)
        if root is None:
            return None
        _check_header(root, self.problems, kind)
        own_kind = root.get("kind")
        below = own_kind.value if isinstance(own_kind, Scalar) and isinstance(own_kind.value, str) else kind
        base: Node | None = None
        for entry in self.parents(root):
            path = os.path.normpath(os.path.join(os.path.dirname(name), str(entry.value)))  # noqa: PTH118, PTH120 - shown as typed
            real = os.path.realpath(path)
            ancestry = (*chain, os.path.realpath(name))
            if real in ancestry:
                shown = " -> ".join(os.path.basename(each) for each in (*ancestry[ancestry.index(real) :], real))  # noqa: PTH119
                self.problems.add("E117", f"a file that extends itself: {shown}", entry, "extends")
                continue
            parent = self.load(path, entry.mark, ancestry, below)
            if parent is not None:
                base = _without_header(parent) if base is None else merge(base, _without_header(parent), self.problems)
        merged = merge(base, root, self.problems)
        assert isinstance(merged, Map), "a map over a map is a map"
        if base is not None:
            # what a file says of itself comes first, as it stands there
            for key in reversed(HEADER):
                if key in merged.entries:
                    merged.entries = {key: merged.entries[key]} | merged.entries
        return merged

    def parents(self, root: Map) -> list[Scalar]:
        written = root.get("extends")
        if written is None or (isinstance(written, Scalar) and written.value is None):
            return []
        entries = written.items if isinstance(written, List) else [written]
        good: list[Scalar] = []
        for number, entry in enumerate(entries):
            path = f"extends[{number}]" if isinstance(written, List) else "extends"
            if not isinstance(entry, Scalar) or not isinstance(entry.value, str) or not entry.value:
                self.problems.add("E118", "`extends` names a file, or lists files", entry, path)
            elif "://" in entry.value or is_hole(entry) or entry.value.startswith("${"):
                self.problems.add(
                    "E118",
                    f"`{entry.value[:80]}` is no path",
                    entry,
                    path,
                    because="a spec is made of files beside it, so that it means the same everywhere",
                    help="copy the file and name it relative to this one",
                )
            else:
                good.append(entry)
        return good


def _without_header(root: Map) -> Map:
    """Return what is inherited: a file's name, its description and its notes are its own."""
    rest = Map(root.mark, flow=root.flow)
    rest.entries = {key: node for key, node in root.entries.items() if key not in HEADER and not key.startswith("x-")}
    rest.keys = dict(root.keys)
    return rest


def _check_header(root: Map, problems: Problems, child_kind: str) -> None:
    version = root.get("lfm_arch")
    start = next(iter(root.keys.values()), root.mark)
    if version is None:
        problems.add(
            "E119", "`lfm_arch` is missing", start, "lfm_arch", because="a file says which language it is written in",
            help=f"begin with `lfm_arch: {VERSION}`",
        )  # fmt: skip
    elif not isinstance(version, Scalar) or version.value != VERSION or isinstance(version.value, bool | float):
        said = version.text[:40] if isinstance(version, Scalar) else "something else"
        problems.add(
            "E119",
            f"version {said} of the language",
            version,
            "lfm_arch",
            because=f"this lfm-arch reads version {VERSION}",
            help=f"write `lfm_arch: {VERSION}`",
        )
    kind = root.get("kind")
    known = kind.value if isinstance(kind, Scalar) else None
    if known not in KINDS:
        what = "`kind` is missing" if kind is None else f"unknown kind `{known}`"
        hint = f"write one of {', '.join(KINDS)}" if kind is None else did_you_mean(str(known), KINDS)
        problems.add("E120", what, kind or start, "kind", help=hint)
    elif child_kind in _FAMILY and known not in _FAMILY[child_kind]:
        problems.add(
            "E120",
            f"a {child_kind} that extends a {known}",
            root.mark.source.via,
            "extends",
            because="only files of one kind can be laid over each other (models and spaces count as one)",
        )


def _check_kind(root: Map, kinds: Sequence[str], problems: Problems) -> None:
    kind = root.get("kind")
    if isinstance(kind, Scalar) and kind.value in KINDS and kind.value not in kinds:
        problems.add(
            "E120",
            f"this is a {kind.value}, where {' or '.join(f'a {each}' for each in kinds)} is needed",
            kind,
            "kind",
        )
