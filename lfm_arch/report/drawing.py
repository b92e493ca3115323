"""A folded picture of a stack of layers: tiles, with a frame and a number around what repeats.

It is HTML boxes that wrap, not one wide drawing, so that forty layers stay readable on a phone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lfm_arch.core.units import count
from lfm_arch.report.markup import Markup, element

_KINDS = {
    "short_conv": "conv",
    "long_conv": "conv",
    "attention": "attention",
    "shared_kv_attention": "attention",
    "latent_attention": "attention",
    "gated_linear_attention": "linear",
    "mamba": "linear",
    "mamba2": "linear",
    "gated_delta_net": "linear",
    "kimi_delta_attention": "linear",
    "lightning_attention": "linear",
}


def kind_of(operator_type: str, *, windowed: bool = False) -> str:
    """Return the colour class of an operator type; what the page has no colour for is `other`."""
    if windowed:
        return "window"
    if "adaptive" in operator_type:
        return "adaptive"
    return _KINDS.get(operator_type, "other")


def stack(rows: Sequence[Mapping[str, Any]], *, before: str = "", after: str = "") -> Markup:
    """Draw folded rows.

    Args:
        rows: as the graph room folds them; a leaf has `mixer` and `channel`, a repeat `repeat` and `children`.
        before: what stands in front of the stack, as `text`.
        after: what stands behind it, as `lm`.
    """
    return element(
        "div",
        element("div", before, class_="end") if before else None,
        *(_row(row) for row in rows),
        element("div", after, class_="end") if after else None,
        class_="stack",
    )


def _row(row: Mapping[str, Any]) -> Markup:
    children = row.get("children")
    repeat = int(row.get("repeat", 1))
    if children:
        inner = (_row(child) for child in children)
        if repeat == 1:
            return element("div", *inner, class_="repeat")
        return element("div", element("span", f"{repeat} ×", class_="times"), *inner, class_="repeat")
    tile = _tile(row)
    if repeat == 1:
        return tile
    return element("div", element("span", f"{repeat} ×", class_="times"), tile, class_="repeat")


def _tile(row: Mapping[str, Any]) -> Markup:
    mixer, channel = str(row.get("mixer") or ""), str(row.get("channel") or "")
    kind = kind_of(str(row.get("mixer_type") or mixer.split()[0] if mixer else ""), windowed=bool(row.get("windowed")))
    links = [str(link) for link in row.get("links", ())]
    numbers = [f"layers {row['layers']}"] if row.get("layers") else []
    params = (row.get("each") or row).get("params")
    if params:
        numbers.append(f"{count(float(params))} parameters each")
    return element(
        "div",
        element("div", mixer.replace("_", " ") or "no mixer", class_=f"mixer {kind}"),
        element(
            "div",
            channel.replace("_", " "),
            class_="channel moe" if "expert" in channel or "moe" in channel else "channel",
        )
        if channel
        else None,
        *(element("div", link, class_="link") for link in links),
        class_="layer",
        title=" · ".join([str(row.get("name", "")), *numbers]),
    )
