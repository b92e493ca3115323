"""What a stage of the compiler is: a pass over the graph, and the rules that hold of what it makes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lfm_arch.core.errors import Diagnostic
from lfm_arch.graph.graph import Graph
from lfm_arch.spec.arch import ArchSpec

Pass = Callable[[Graph], Graph]
"""Total: what it cannot carry out it leaves as it is, so that the rules can say why, together with everything else."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a rule does not hold; the table of rules adds the code, the spec the place."""

    path: str
    message: str
    because: str = ""
    help: str = ""
    also: tuple[tuple[str, str], ...] = ()
    """(words, path) of other places that belong to the mistake."""


Rule = Callable[[Graph], Iterable[Finding | Diagnostic]]
"""A rule of another room brings its own code, as a whole `Diagnostic`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A pass, and what must hold after it by error code."""

    run: Pass
    rules: Mapping[str, Rule]

    def findings(self, graph: Graph, code: str) -> Iterator[Diagnostic]:
        """Yield everything in `graph` that breaks one rule of this stage."""
        spec = spec_of(graph)
        for found in self.rules[code](graph):
            yield found if isinstance(found, Diagnostic) else located(spec, code, found)


def located(spec: ArchSpec, code: str, found: Finding) -> Diagnostic:
    """Make a diagnostic of a finding: its place, and the other places as notes."""
    notes = tuple(f"{words}: {spec.place(path) or path}" for words, path in found.also)
    return Diagnostic(code, found.message, spec.place(found.path), found.path, found.because, found.help, notes)


def spec_of(graph: Graph) -> ArchSpec:
    """Return the spec that a graph was made from."""
    assert graph.spec is not None, f"graph {graph.name!r} was made without a spec: passes need one"
    return graph.spec


def layer_path(spec: ArchSpec, number: int, slot: str = "mixer") -> str:
    """Return where a layer's mixer or channel mixer is spelled, as well as the spec knows."""
    layer = spec.layers[number]
    written = {"mixer": layer.mixer_path, "channel": layer.channel_path}.get(slot, "")
    return written or f"blocks.{layer.block}"
