"""Specs made in Python, the published ones among them."""

from typing import Any

from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.base import Operator
from lfm_arch.operators.norm import Placement, RMSNorm
from lfm_arch.operators.short_conv.declaration import ShortConv
from lfm_arch.operators.swiglu.declaration import SwiGLU
from lfm_arch.spec.arch import ArchSpec, ExpertPlacement, Layer

NORM = RMSNorm(eps=1e-5)
CONV = ShortConv(kernel_size=3)
ATTENTION = Attention(num_heads=4, num_kv_heads=2, head_dim=8, qk_norm="rms", rope=Rope(theta=1e6))
SWIGLU = SwiGLU(intermediate_size=96)


def layer(mixer: Operator | None = CONV, channel: Operator | None = SWIGLU, *, placement: Placement = "pre") -> Layer:
    """Make a layer whose block is named after its mixer."""
    word = getattr(mixer, "type", "none")
    return Layer(
        block=str(word),
        group="trunk",
        mixer=mixer,
        channel=channel,
        norm=NORM,
        placement=placement,
        mixer_path=f"operators.{word}",
        channel_path="operators.channel",
    )


def spec(*layers: Layer, **fields: Any) -> ArchSpec:
    """Make a language model of 32 wide layers around an embedding of 64 tokens; `fields` replace what it is made of."""
    made: dict[str, Any] = {
        "name": "small",
        "hidden_size": 32,
        "featurizers": {"text": TokenEmbedding(vocab_size=64)},
        "layers": layers or (layer(), layer(ATTENTION)),
        "final_norm": NORM,
        "heads": {"lm": LMHead(tied_to="text")},
    }
    return ArchSpec(**(made | fields))


def lfm2(
    layout: str, *, hidden_size: int, num_heads: int, intermediate_size: int, moe: dict[str, Any] | None = None
) -> ArchSpec:
    """Make a published LFM2; `moe` are the fields of the experts from the third layer on."""
    attention = Attention(num_heads=num_heads, num_kv_heads=8, head_dim=64, qk_norm="rms", rope=Rope(theta=1e6))
    swiglu = SwiGLU(intermediate_size=intermediate_size)
    placed = ExpertPlacement(layers=tuple(range(2, len(layout))), experts=moe, path="moe[0]") if moe else None
    return spec(
        *(layer({"c": CONV, "A": attention}[letter], swiglu) for letter in layout),
        name="lfm2",
        hidden_size=hidden_size,
        featurizers={"text": TokenEmbedding(vocab_size=65536)},
        moe=(placed,) if placed else (),
    )


def lfm3() -> ArchSpec:
    """Make LFM3-1.7B."""
    heads: dict[str, Any] = {"num_heads": 16, "num_kv_heads": 4, "head_dim": 128, "qk_norm": "rms", "gate": "per_head"}
    mixers = {
        "c": ShortConv(kernel_size=7),
        "A": Attention(rope=Rope(type="proportional", theta=1e6, fraction=0.5), **heads),
        "S": Attention(rope=Rope(theta=1e4), window_size=256, **heads),
    }
    swiglu = SwiGLU(intermediate_size=7680)
    return spec(
        *(layer(mixers[letter], swiglu, placement="sandwich") for letter in "ccAcScAcScAcScAcScAcScAc"),
        name="lfm3-1.7b",
        hidden_size=2048,
        featurizers={"text": TokenEmbedding(vocab_size=128_000)},
    )


LFM2_12B = "ccAccAccAcAcAcAc"
