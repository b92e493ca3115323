"""The lowered model: a `torch.fx.GraphModule` that knows its slots and its signature."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import fx, nn

from lfm_arch.core.state import StateSlot
from lfm_arch.core.tensor import TensorType


@dataclass(frozen=True)
class Facts:
    """What callers of a model must know and its parameters do not tell."""

    name: str
    width: int
    inputs: Mapping[str, TensorType]
    """Raw inputs by name, in the order of the model's arguments."""
    outputs: Mapping[str, TensorType]
    """By head; `stream` for a model without heads."""
    slots: Mapping[str, tuple[StateSlot, ...]] = field(default_factory=dict)
    """Layer id to what the layer remembers; a layer that remembers nothing is left out."""
    causal: bool = True
    """Whether every layer can decode."""
    text_input: str = ""
    """The input of token ids that a language model head predicts; empty when there is none."""
    text_output: str = ""
    prefix: tuple[str, ...] = ()
    """Streams in the order in which a prefix fusion joins them; empty for any other model."""
    vocab_size: int | None = None
    """Token ids that `text_input` takes."""


class Model(fx.GraphModule):
    """A whole model. `print(model.code)` shows its forward, one line a part.

    Call `model(ids)`, or by name: inputs as in `facts.inputs`, then

        mask      true at real tokens, over past and new positions
        state     a `ModelState`, continued in place
        keep      positions at the end to give outputs for; heads that pool over the sequence ignore it
        observed  an empty dictionary, to be filled with what layers show a trainer, as router logits

    One head gives a tensor, several a dictionary.
    """

    @property
    def facts(self) -> Facts:
        return self.meta["facts"]

    @property
    def slots(self) -> Mapping[str, tuple[StateSlot, ...]]:
        """Layer id to what the layer remembers, for layers that do."""
        return self.facts.slots

    @property
    def blocks(self) -> dict[str, nn.Module]:
        """The distinct layers by the id of the layer that owns them, in order of depth; what one shards or wraps."""
        layers = self.get_submodule("layers") if hasattr(self, "layers") else nn.Module()
        return {f"layers.{number}": block for number, block in layers.named_children()}

    def __repr__(self) -> str:
        """Print the parts; the code is `model.code`."""
        return nn.Module.__repr__(self)
