"""A part in a few words, for pictures: `attention 32 heads, 8 kv, window 256`."""

from collections.abc import Callable, Mapping

from lfm_arch.operators.base import Part

_WORDS: Mapping[str, Callable[[int], str]] = {
    "num_heads": lambda n: f"{n} heads",
    "num_kv_heads": lambda n: f"{n} kv",
    "head_dim": lambda n: f"of {n}",
    "intermediate_size": lambda n: f"{n} wide",
    "num_experts": lambda n: f"{n} experts",
    "experts_per_token": lambda n: f"{n} chosen",
    "num_shared_experts": lambda n: f"{n} shared",
    "kernel_size": lambda n: f"kernel {n}",
    "window_size": lambda n: f"window {n}",
    "vocab_size": lambda n: f"{n:,} words",
    "patch_size": lambda n: f"patch {n}",
    "num_classes": lambda n: f"{n} classes",
}
"""What Hugging Face's words for sizes are in a picture; a size without a word here keeps its name."""


def brief(part: Part) -> str:
    """Return the type of a part and its sizes; switches, rates and whatever is at its default are left out."""
    sizes: list[str] = []
    inside: list[str] = []
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if name == "type" or value == field.default:
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            sizes.append(_WORDS[name](value) if name in _WORDS else f"{name.replace('_', ' ')} {value}")
        elif isinstance(value, Part) and name != "rope":
            inside.append(f"({brief(value)})")
    word = str(getattr(part, "type", type(part).__name__))
    return " ".join([word, *((", ".join(sizes),) if sizes else ()), *inside])
