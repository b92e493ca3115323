"""One residual layer as a module. Axes: B batch, T tokens, D width."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lfm_arch.operators.base import Operator
from lfm_arch.operators.norm import Placement
from lfm_arch.parts.context import Context, State

Taken = Mapping[str, Any] | None
"""What an operator takes from elsewhere in the graph, by port."""


class Block(nn.Module):
    """A token mixer and a channel mixer, each behind its norm, added to the stream.

    Whoever shards or wraps layers wraps this: parameters are used inside its `forward` only. `placement` says where it
    normalises, and so which norms it holds:

        pre        x + f(mixer_norm(x))
        post       mixer_norm(x + f(x))
        sandwich   x + mixer_out_norm(f(mixer_norm(x)))
        parallel   x + mixer(n) + channel(n), n = norm(x)
    """

    def __init__(
        self,
        placement: Placement,
        *,
        mixer: nn.Module | None,
        channel: nn.Module | None,
        norms: Mapping[str, nn.Module],
        clashing: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.placement = placement
        self.slots = tuple(slot for slot, module in (("mixer", mixer), ("channel", channel)) if module is not None)
        self.clashing = clashing
        """State slots that both declare; the channel mixer's are called `channel.<name>` in the layer's state."""
        # in the order in which they run, so that the printed module reads like the layer
        for name, module in (
            ("norm", norms.get("norm")),
            ("mixer_norm", norms.get("mixer_norm")),
            ("mixer", mixer),
            ("mixer_out_norm", norms.get("mixer_out_norm")),
            ("channel_norm", norms.get("channel_norm")),
            ("channel", channel),
            ("channel_out_norm", norms.get("channel_out_norm")),
        ):
            if module is not None:
                self.add_module(name, module)

    def forward(
        self,
        x_BTD: Tensor,
        context: Context,
        state: State | None = None,
        *,
        to_mixer: Taken = None,
        to_channel: Taken = None,
        hand_on: Mapping[str, str] | None = None,
    ) -> Any:
        """Run the layer.

        Args:
            x_BTD: the stream.
            context: facts of this pass.
            state: this layer's slots, continued in place.
            to_mixer: features and conditions for the mixer, by port.
            to_channel: the same for the channel mixer.
            hand_on: features that this layer computes for others, each with the slot that computes it.

        Returns:
            The stream; with `hand_on`, a tuple of the stream and each of those features.
        """
        handed: dict[str, Any] = {}

        def run(slot: str, x_BTD: Tensor, taken: Taken) -> Tensor:
            operator = getattr(self, slot)
            mine = state
            if state is not None and slot == "channel" and self.clashing:
                mine = {**state, **{name: state[f"channel.{name}"] for name in self.clashing}}
            if hand_on is not None and slot in hand_on.values():
                computed = operator.share(x_BTD, context, mine)
                handed.update(computed)
                taken = {**(taken or {}), **computed}
            return operator(x_BTD, context, mine, **taken) if taken else operator(x_BTD, context, mine)

        slots = [(slot, taken) for slot, taken in (("mixer", to_mixer), ("channel", to_channel)) if slot in self.slots]
        if self.placement == "parallel":
            n_BTD = self.get_submodule("norm")(x_BTD)
            for slot, taken in slots:
                x_BTD = x_BTD + run(slot, n_BTD, taken)
        elif self.placement == "post":
            for slot, taken in slots:
                x_BTD = getattr(self, f"{slot}_norm")(x_BTD + run(slot, x_BTD, taken))
        elif self.placement == "sandwich":
            for slot, taken in slots:
                y_BTD = run(slot, getattr(self, f"{slot}_norm")(x_BTD), taken)
                x_BTD = x_BTD + getattr(self, f"{slot}_out_norm")(y_BTD)
        else:
            for slot, taken in slots:
                x_BTD = x_BTD + run(slot, getattr(self, f"{slot}_norm")(x_BTD), taken)
        return (x_BTD, *(handed[feature] for feature in hand_on)) if hand_on is not None else x_BTD

    def extra_repr(self) -> str:
        return f"placement={self.placement}"


def clashing_slots(mixer: Operator | None, channel: Operator | None, width: int) -> frozenset[str]:
    """Return the names of state slots that both operators of a layer declare."""
    both = [{slot.name for slot in operator.state(width)} if operator else set() for operator in (mixer, channel)]
    return frozenset(both[0] & both[1])


def norm_names(placement: Placement, *, mixer: bool, channel: bool) -> tuple[str, ...]:
    """Return the names of the norms that a block holds."""
    if placement == "parallel":
        return ("norm",)
    slots = (*("mixer",) * mixer, *("channel",) * channel)
    after = ("_norm", "_out_norm") if placement == "sandwich" else ("_norm",)
    return tuple(slot + end for slot in slots for end in after)
