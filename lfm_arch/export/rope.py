"""Rotary embeddings as configurations spell them: `rope_parameters` today, `rope_theta` and `rope_scaling` before."""

from collections.abc import Mapping
from typing import Any

from lfm_arch.export.family import Key, Reading, is_number
from lfm_arch.operators.attention.declaration import Rope

ROPE_KEYS = (
    Key("rope_parameters", None, "dict"),
    Key("rope_scaling", None, "dict"),
    Key("rope_theta", None, "float"),
    Key("partial_rotary_factor", None, "float"),
)
_READ = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}


def read_rope(reading: Reading, *, theta: float, of: Mapping[str, Any] | None = None) -> Rope | None:
    """Read how queries and keys turn; None after a problem.

    Args:
        reading: where problems go.
        theta: what the family assumes.
        of: the entry of one kind of layer, for a family that has one for each.
    """
    key = "rope_scaling" if reading["rope_scaling"] else "rope_parameters"
    given = reading[key] or {} if of is None else of
    kind = given.get("rope_type", given.get("type", "default"))
    base = given.get("rope_theta", reading["rope_theta"] if reading["rope_theta"] is not None else theta)
    fraction = given.get("partial_rotary_factor", reading["partial_rotary_factor"])
    fraction = 1.0 if fraction is None else fraction
    if kind not in ("default", "proportional"):
        reading.refuse(
            "E844",
            key,
            f"{key} asks for the rotation {kind!r}",
            because="the language has the rotations default and proportional",
        )
        return None
    unknown = [name for name in given if name not in _READ and not (name == "factor" and given[name] == 1)]
    for name in unknown:
        reading.refuse(
            "E842", key, f"{key}.{name} is nothing that a {kind} rotation reads", help=f"remove {name} if it is unused"
        )
    if kind == "default" and fraction != 1:
        # transformers passes over the factor here, which is unlikely to be how the weights were trained
        reading.refuse(
            "E844",
            key,
            f"partial_rotary_factor={fraction} with the rotation 'default'",
            because="transformers turns whole heads here, whatever the factor says",
            help="write rope_type: proportional, or remove the factor: whichever the weights were trained with",
        )
        return None
    numbers = {"theta": base, "fraction": fraction}
    if unknown or not all(is_number(each) for each in numbers.values()):
        for name, each in numbers.items():
            if not is_number(each):
                reading.refuse("E841", key, f"{key} has {name}={each!r}, expected a number")
        return None
    return reading.make(Rope, type=kind, **{name: float(each) for name, each in numbers.items()})


def write_rope(rope: Rope | None, *, theta: float) -> dict[str, Any]:
    """Return `rope_parameters` for a rotation; for none, those that come closest."""
    if rope is None:
        return {"rope_type": "default", "rope_theta": theta}
    written: dict[str, Any] = {"rope_type": rope.type, "rope_theta": rope.theta}
    return written if rope.type == "default" else written | {"partial_rotary_factor": rope.fraction}
