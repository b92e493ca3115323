"""How many bits a stored number really takes, scales and zero points included.

Quantised files keep some matrices wider than the rest: the output matrix, and an embedding tied to it. Vectors (norms,
biases, convolution taps) are counted like the matrices beside them; they are under 0.1 % of a language model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from lfm_arch.core.errors import Diagnostic, ProfileError


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """Bits per weight by where the weight lies."""

    name: str
    bits: float
    """In the layers, and in everything that is neither embedding nor head."""
    head_bits: float
    """In the output matrix, and in an embedding that is tied to it."""
    embedding_bits: float
    """In an embedding with a table of its own."""
    quantized: bool
    """Whether the arithmetic goes through integer or dequantising kernels rather than plain float ones."""
    note: str = ""
    expert_bits: float | None = None
    """In routed experts; None for those of the layers."""

    @property
    def routed_bits(self) -> float:
        return self.bits if self.expert_bits is None else self.expert_bits


def _even(name: str, bits: float, *, quantized: bool, note: str = "") -> WeightFormat:
    return WeightFormat(name, bits, bits, bits, quantized, note)


_Q6_K = 6.5625
_KEPT = "output matrix and tied embedding in Q6_K"
_MIXED = f"half of the down and value projections one step wider; {_KEPT}"

WEIGHT_FORMATS: Mapping[str, WeightFormat] = {
    each.name: each
    for each in (
        _even("f32", 32, quantized=False),
        _even("bf16", 16, quantized=False),
        _even("f16", 16, quantized=False),
        WeightFormat("fp8", 8, 16, 16, quantized=False, note="head and embedding stay in 16 bits"),
        _even("q8_0", 8.5, quantized=True, note="32 weights and one 16 bit scale in 34 bytes"),
        _even("q6_k", _Q6_K, quantized=True, note="256 weights in 210 bytes"),
        # half of the down and value projections are kept one step wider in the _m mixtures; the rest follows from the
        # share of those matrices in a gated channel mixer of 3.5 widths with grouped attention
        WeightFormat("q5_k_m", 5.65, _Q6_K, 5.5, quantized=True, note=_MIXED),
        WeightFormat("q4_k_m", 4.80, _Q6_K, 4.5, quantized=True, note=_MIXED),
        WeightFormat("q4_0", 4.5, _Q6_K, 4.5, quantized=True, note=f"one 16 bit scale for 32 weights; {_KEPT}"),
        WeightFormat("mxfp4", 4.25, 16, 16, quantized=True, note="one 8 bit scale for 32 weights; 16 bit embedding"),
        WeightFormat(
            "mxfp4_moe", 8.5, 8.5, 8.5, quantized=True, expert_bits=4.25, note="experts in mxfp4, the rest in q8_0"
        ),
        WeightFormat(
            "mxfp4_moe_bf16", 16, 16, 16, quantized=True, expert_bits=4.25, note="experts in mxfp4, the rest in bf16"
        ),
        _even("int8", 8, quantized=True, note="one scale a row"),
        _even("int4_g32", 4.5, quantized=True, note="one 16 bit scale for 32 weights"),
        _even("int4_g64", 4.5, quantized=True, note="16 bit scale and zero point for 64 weights"),
        _even("int4_g128", 4.125, quantized=True, note="one 16 bit scale for 128 weights"),
    )
}
WEIGHT_ALIASES: Mapping[str, str] = {
    "q4": "q4_0",
    "q8": "q8_0",
    "fp16": "f16",
    "fp32": "f32",
    "int4": "int4_g32",
    "4bit": "int4_g64",
}

CACHE_BITS: Mapping[str, float] = {"f32": 32, "f16": 16, "bf16": 16, "fp8": 8, "q8_0": 8.5, "q4_0": 4.5}
"""Formats of the key/value cache."""


def weight_format(name: str) -> WeightFormat:
    """Find a weight format by its name or alias, whatever its case.

    Raises:
        ProfileError: E709, no such format.
    """
    key = name.strip().lower()
    found = WEIGHT_FORMATS.get(WEIGHT_ALIASES.get(key, key))
    if found is None:
        raise _unknown("weight", name, {**WEIGHT_FORMATS, **WEIGHT_ALIASES})
    return found


def cache_bits(name: str) -> float:
    """Return the bits of one cached key or value element.

    Raises:
        ProfileError: E709, no such format.
    """
    bits = CACHE_BITS.get(name.strip().lower())
    if bits is None:
        raise _unknown("cache", name, CACHE_BITS)
    return bits


def _unknown(what: str, name: str, known: Mapping[str, object]) -> ProfileError:
    close = get_close_matches(name.strip().lower(), known, n=1)
    return ProfileError(
        Diagnostic(
            "E709",
            f"unknown {what} format {name!r}",
            help=f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(known)}",
        )
    )
