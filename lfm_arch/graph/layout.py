"""A stack as a word, one letter a layer, from top to bottom: `ccAccA`.

The letter is the initial of the last word of the mixer's type (`short_conv` c, `gated_linear_attention` a, `mamba2` m):

- upper case when it sees every earlier token: it remembers them all, or its work for each token grows with their
  number (`attention` A);
- `S`, sliding, when it remembers the tokens of a window;
- lower case when what it remembers has a fixed size, or nothing (`short_conv` c);
- `-` for a layer that has no mixer.

A layer that reads keys and values from an earlier layer has that layer's letter.
"""

from lfm_arch.core.work import Workload
from lfm_arch.graph.graph import Graph, Node
from lfm_arch.graph.memory import remembered
from lfm_arch.operators.base import Operator
from lfm_arch.spec.arch import Layer

_TOKENS = 1024


def layout(graph: Graph) -> str:
    """Return the letters of a graph's layers."""
    return "".join(letter(graph, node) for node in graph.layers)


def letter(graph: Graph, node: Node) -> str:
    """Return the letter of one layer."""
    mixer = computing_layer(graph, node).mixer
    return "-" if mixer is None else _letter(mixer, graph.width)


def computing_layer(graph: Graph, node: Node) -> Layer:
    """Return the layer whose mixer computes what this one's mixes with: itself, or the owner of a feature it takes."""
    for port, source in graph.into(node.id).items():
        if port.startswith("mixer.") and not port.endswith(".weights") and graph[source].kind == "shared":
            return graph[graph.owner(source)].part
    return node.part


def is_windowed(mixer: Operator, width: int) -> bool:
    """Whether a mixer remembers the tokens of a window and no more."""
    kept = [slot for slot in mixer.state(width) if "context" in slot.shape]
    return bool(kept) and not any(slot.grows for slot in kept)


@remembered
def _letter(mixer: Operator, width: int) -> str:
    initial = str(getattr(mixer, "type", type(mixer).__name__)).rsplit("_", 1)[-1][:1]
    if any(slot.grows for slot in mixer.state(width)):
        return initial.upper()
    if is_windowed(mixer, width):
        return "S"
    if not mixer.causal:
        # nothing is remembered for a second pass, so ask whether twice the tokens are more than twice the work
        once, twice = (mixer.cost(width, Workload(tokens=tokens)).mixing_flops for tokens in (_TOKENS, 2 * _TOKENS))
        return initial.upper() if twice > 2 * once else initial.lower()
    return initial.lower()
