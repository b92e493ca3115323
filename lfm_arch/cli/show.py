"""`lfm-arch show`: draw an architecture with its counts."""

import json as json_text
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from lfm_arch.graph.graph import Graph

EPILOG = """\b
Examples:
  lfm-arch show specs/lfm2-1.2b.yaml
  lfm-arch show specs/lfm3-1.7b.yaml --layers all --prompt 32768
  lfm-arch show specs/lfm2-350m.yaml --set operators.conv.kernel_size=5 --set expect=null
  lfm-arch show specs/lfm2-8b-a1b.yaml --json | jq .totals
"""


@click.command(epilog=EPILOG)
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "--prompt", type=click.IntRange(min=0), default=1024, show_default=True, metavar="TOKENS",
    help="Context behind which the FLOPs of one more token are counted.",
)  # fmt: skip
@click.option(
    "--layers", type=click.Choice(["folded", "all"]), default="folded", show_default=True,
    help="Draw what repeats once, or every layer.",
)  # fmt: skip
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Edit the spec before it is read.")
@click.option("--json", "as_json", is_flag=True, help="Print all counts as JSON.")
def show(*, spec: Path, prompt: int, layers: Literal["folded", "all"], sets: tuple[str, ...], as_json: bool) -> None:
    """Draw the architecture of SPEC: what its layers are, what they share, and what each costs.

    A space is drawn with every decision at its prior.
    """
    from lfm_arch.cli.candidate import choose
    from lfm_arch.core.errors import GraphError
    from lfm_arch.graph.compile import check_promises, compile_graph
    from lfm_arch.graph.identity import architecture_id

    chosen = choose(spec, sets)
    graph = compile_graph(chosen.spec)
    if as_json:
        click.echo(json_text.dumps(_as_json(graph, prompt, chosen.kind, chosen.genome), indent=2))
    else:
        from lfm_arch.cli.drawing import draw, remarks, title
        from lfm_arch.cli.output import console

        out = console()
        if chosen.kind == "space":
            many = (
                "1 decision at its prior"
                if len(chosen.genome) == 1
                else f"{len(chosen.genome)} decisions at their priors"
            )
            out.print(f"a space, drawn with {many}", style="yellow")
        for line in title(graph, architecture_id(graph)):
            out.print(line)
        out.print()
        for line in draw(graph, out, past=prompt, unfolded=layers == "all"):
            out.print(line, soft_wrap=True)
        out.print()
        for line in remarks(graph, prompt):
            out.print(line)
    try:
        check_promises(graph, chosen.spec)
    except GraphError as error:
        # of a space's candidate it is no mistake: others may keep the promises
        if chosen.kind == "model":
            raise
        click.echo(f"this candidate breaks {len(error.diagnostics)} constraints or expectations", err=True)


def _as_json(graph: "Graph", prompt: int, kind: str, genome: dict[str, Any]) -> dict[str, Any]:
    from lfm_arch.core.work import Workload
    from lfm_arch.graph.count import count, slots, totals
    from lfm_arch.graph.identity import architecture_id
    from lfm_arch.graph.picture import fold
    from lfm_arch.graph.rule import spec_of
    from lfm_arch.graph.text import describe
    from lfm_arch.spec.arch import Layer

    work = Workload(tokens=1, past=prompt)
    costs, remembered, counted = count(graph, work), slots(graph), totals(graph)
    nodes = []
    for node in graph:
        ports = dict(sorted(graph.into(node.id).items()))
        entry: dict[str, Any] = {"id": node.id, "kind": node.kind, "reads": ports}
        if node.type is not None:
            entry["type"] = str(node.type)
        if isinstance(node.part, Layer):
            entry |= {
                slot: describe(part) for slot in ("mixer", "channel", "norm") if (part := getattr(node.part, slot))
            }
            entry["placement"] = node.part.placement
        elif node.kind in ("featurizer", "head", "norm", "fusion"):
            entry["part"] = describe(node.part)
        if node.id in costs:
            entry["cost"] = asdict(costs[node.id])
        if remembered.get(node.id):
            entry["slots"] = [asdict(slot) for slot in remembered[node.id]]
        nodes.append(entry)
    return {
        "name": graph.name,
        "doc": spec_of(graph).doc,
        "kind": kind,
        "genome": genome,
        "id": architecture_id(graph),
        "hidden_size": graph.width,
        "prompt": prompt,
        "totals": {
            **asdict(counted),
            "kv_bytes_per_token": counted.kv_bytes_per_token,
            "fixed_state_bytes": counted.fixed_state_bytes,
            "weight_bytes_bf16": 2 * counted.params,
            "flops_behind_prompt": sum(cost.flops for cost in costs.values()),
            "cache_bytes_behind_prompt": counted.cache_bytes(prompt),
        },
        "stack": fold(graph, work),
        "nodes": nodes,
    }
