"""A spec, read and counted, without torch: `lfm_arch.read("spec.yaml")`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfm_arch.core.cost import Cost
from lfm_arch.core.work import Workload
from lfm_arch.graph.compile import check_promises, compile_graph
from lfm_arch.graph.count import Totals, count, totals
from lfm_arch.graph.graph import Graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec

if TYPE_CHECKING:
    from lfm_arch.hardware.estimate import Estimate

Source = str | PathLike[str] | ArchSpec
"""A spec file, or an architecture made in Python."""


@dataclass(frozen=True)
class Architecture:
    """What a spec means: the settled values, the graph, and its exact counts."""

    spec: ArchSpec
    graph: Graph

    @property
    def name(self) -> str:
        return self.spec.name

    @cached_property
    def totals(self) -> Totals:
        """Parameters, active parameters, layers, layout, FLOPs, cache and state of the whole model."""
        return totals(self.graph)

    @cached_property
    def id(self) -> str:
        """The architecture's id: equal for equal architectures, whatever they are called."""
        return architecture_id(self.graph)

    def counts(self, *, batch: int = 1, tokens: int = 1, past: int = 0) -> dict[str, Cost]:
        """Count one forward pass, by part: `text`, `layers.0`, ..., `final_norm`, `lm`."""
        return count(self.graph, Workload(batch, tokens, past))

    def cost(self, hw: str, *, runtime: str | None = None, **scenario: Any) -> "Estimate":
        """Predict speed and memory on a hardware profile.

        Args:
            hw: name of a profile, an alias such as `apple`, or the path of a profile file.
            runtime: one of the profile's runtimes; the first it lists by default.
            scenario: fields of `lfm_arch.hardware.scenario.Scenario`: `prompt`, `generate`, `batch`, `weights`, ...
        """
        from lfm_arch.hardware.estimate import estimate
        from lfm_arch.hardware.profile import load_profile
        from lfm_arch.hardware.scenario import Scenario

        return estimate(self.graph, load_profile(hw), Scenario(**scenario), runtime=runtime)


def read(source: Source, *, sets: Iterable[str] = ()) -> Architecture:
    """Read a model spec, compile its graph and check what it expects of itself, and its constraints.

    Args:
        source: a file, or an `ArchSpec`.
        sets: edits as the command line's `--set` takes them, `dims.hidden_size=1024`.

    Raises:
        SpecError: the file breaks rules of the language, all of them at once.
        GraphError: the architecture breaks rules, is not what `expect` says, or breaks a constraint.
    """
    spec = source if isinstance(source, ArchSpec) else load_spec(Path(source), tuple(sets))
    graph = compile_graph(spec)
    check_promises(graph, spec)
    return Architecture(spec, graph)
