"""A small model that tests change, and how they read it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lfm_arch.core.errors import Diagnostic, SpecError
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import Space, load_space

TINY = """\
lfm_arch: 1
kind: model
name: tiny
dims: {hidden_size: 64, num_heads: 4}
featurizers: {text: {type: token_embedding, vocab_size: 256}}
operators:
  conv: {type: short_conv, kernel_size: 3}
  attn: {type: attention, num_heads: "${num_heads}", num_kv_heads: 2, head_dim: 16}
  ffn: {type: swiglu, intermediate_size: 128}
norm: {type: rms_norm, eps: 1.0e-5}
blocks:
  conv: {mixer: conv, channel: ffn}
  attn: {mixer: attn, channel: ffn}
depth_groups: [{name: trunk, stack: 2*conv attn conv attn conv}]
heads: {lm: {type: lm_head, tied_to: text}}
"""
CHILD = "lfm_arch: 1\nkind: {kind}\nname: child\nextends: tiny.yaml\n"


def write(folder: Path, text: str, *, kind: str = "model", files: Mapping[str, str] | None = None) -> Path:
    """Write a file that inherits the small model, and return its path; a text with a header stands alone."""
    (folder / "tiny.yaml").write_text(TINY)
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
    path = folder / "child.yaml"
    path.write_text(text if "lfm_arch:" in text else CHILD.format(kind=kind) + text)
    return path


def model(folder: Path, text: str, sets: Sequence[str] = ()) -> ArchSpec:
    return load_spec(write(folder, text), sets)


def space(folder: Path, text: str) -> Space:
    return load_space(write(folder, text, kind="space"))


def mistakes(path: Path, sets: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a file; nothing when it is right."""
    try:
        load_space(path, sets)
    except SpecError as error:
        return error.diagnostics
    return ()


def model_mistakes(folder: Path, text: str, *, kind: str = "model") -> tuple[Diagnostic, ...]:
    return mistakes(write(folder, text, kind=kind))


def pointed_at(each: Diagnostic) -> str:
    """Return the characters above the caret."""
    assert each.place is not None, each
    return each.place.excerpt[each.place.column - 1 : each.place.end_column - 1]
