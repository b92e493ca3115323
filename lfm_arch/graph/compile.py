"""From a settled spec to a complete graph, in passes; and what must hold after each.

    ArchSpec -> resolve -> place_experts -> share -> tie_heads -> infer_types -> Graph

Every mistake of a spec is reported at once: a pass leaves what it cannot carry out as it is, and the rules say why.
Only when names collide or parts wait for each other is there no graph to go on with.
"""

from lfm_arch.core.errors import Diagnostic, GraphError
from lfm_arch.graph.constraint import Violation, check_constraints
from lfm_arch.graph.expect import check_expect
from lfm_arch.graph.experts import (
    experts_are_legal,
    experts_are_placed_once,
    experts_replace_a_channel_mixer,
    place_experts,
)
from lfm_arch.graph.graph import Graph
from lfm_arch.graph.inference import (
    conditions_are_causal,
    heads_resolve,
    infer_types,
    language_models_are_causal,
    ports_fit,
    streams_have_the_width,
    tie_heads,
)
from lfm_arch.graph.resolve import resolve
from lfm_arch.graph.resolve_rule import (
    featurizers_are_used,
    fusion_fits,
    has_layers,
    layers_do_something,
    names_are_distinct,
    names_are_known,
    nothing_waits_for_itself,
    roles_fit,
    streams_meet,
)
from lfm_arch.graph.rule import Stage
from lfm_arch.graph.sharing import share
from lfm_arch.graph.sharing_rule import (
    features_agree,
    features_are_computed,
    features_are_shared_once,
    features_arrive,
    groups_divide,
    owners_come_first,
    shared_featurizers_are_equal,
    shared_weights_are_equal,
    sharing_names_layers,
)
from lfm_arch.spec.arch import ArchSpec

__all__ = ["PASSES", "Violation", "check_constraints", "check_expect", "check_promises", "compile_graph"]

PASSES: tuple[Stage, ...] = (
    Stage(
        resolve,
        {
            "E402": names_are_distinct,
            "E403": nothing_waits_for_itself,
            "E401": has_layers,
            "E404": names_are_known,
            "E405": layers_do_something,
            "E406": roles_fit,
            "E407": streams_meet,
            "E408": fusion_fits,
            "E409": featurizers_are_used,
        },
    ),
    Stage(
        place_experts,
        {
            "E420": experts_replace_a_channel_mixer,
            "E421": experts_are_placed_once,
            "E422": experts_are_legal,
        },
    ),
    Stage(
        share,
        {
            "E430": sharing_names_layers,
            "E431": groups_divide,
            "E432": shared_weights_are_equal,
            "E433": owners_come_first,
            "E434": features_are_shared_once,
            "E435": features_are_computed,
            "E436": features_agree,
            "E437": features_arrive,
            "E438": shared_featurizers_are_equal,
        },
    ),
    Stage(
        tie_heads,
        {"E222": heads_resolve},
    ),
    Stage(
        infer_types,
        {
            "E440": streams_have_the_width,
            "E441": ports_fit,
            "E442": language_models_are_causal,
            "E443": conditions_are_causal,
        },
    ),
)
_NOTHING_TO_GO_ON_WITH = frozenset({"E402", "E403"})


def compile_graph(spec: ArchSpec) -> Graph:
    """Make the graph of a spec: parts and edges, experts and sharing carried out, all types known.

    Raises:
        GraphError: E4xx, every rule that the spec breaks, each at its place.
    """
    graph = Graph({}, (), name=spec.name, width=spec.hidden_size, spec=spec)
    found: list[Diagnostic] = []
    for stage in PASSES:
        graph = stage.run(graph)
        for code in stage.rules:
            found.extend(stage.findings(graph, code))
            if found and code in _NOTHING_TO_GO_ON_WITH:
                raise GraphError(found)
    if found:
        raise GraphError(found)
    return graph


def check_promises(graph: Graph, spec: ArchSpec) -> None:
    """Check everything that a model file says of itself: what it expects, and its constraints.

    Raises:
        GraphError: E501 to E505 and E511, all of them at once; E510 and E3xx, a constraint says nothing.
    """
    found: list[Diagnostic] = []
    try:
        check_expect(graph, spec)
    except GraphError as error:
        found.extend(error.diagnostics)
    try:
        found.extend(violation.diagnostic(spec) for violation in check_constraints(graph, spec))
    except GraphError as error:
        found.extend(error.diagnostics)
    if found:
        raise GraphError(found)
