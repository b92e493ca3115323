"""Whatever a spec says, compiling it gives a graph or a message, and a graph can be counted, drawn and compared."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lfm_arch.core.errors import GraphError
from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.codes import CODES
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.graph.diff import diff
from lfm_arch.graph.graph import Graph
from lfm_arch.graph.picture import fold
from lfm_arch.graph.text import dump
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.condition import FeaturizerCondition, RunningMeanCondition
from lfm_arch.spec.arch import (
    ArchSpec,
    DepthGroup,
    ExpertPlacement,
    Fusion,
    SharedFeatures,
    SharedFeaturizers,
    SharedWeights,
)
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

NAMES = ("text", "image", "user", "topic", "other")
FEATURIZERS: dict[str, Any] = {
    "text": TokenEmbedding(vocab_size=64),
    "image": ImagePatches(patch_size=4),
    "user": Features(size=8),
    "topic": Pooled(source="text", size=8),
    "other": Pooled(source="image", size=8),
}
MIXERS = (None, CONV, ATTENTION, ATTENTION.model_copy(update={"num_kv_heads": 1}), ATTENTION.reader("kv"), SWIGLU)
CHANNELS = (
    None,
    SWIGLU,
    AdaptiveLinear(rank=2, condition=RunningMeanCondition(size=4)),
    *(AdaptiveLinear(rank=2, condition=FeaturizerCondition(name=name, size=8)) for name in ("user", "topic", "nobody")),
)
layers = st.tuples(*[st.integers(-1, 6)] * 2) | st.lists(st.integers(-1, 6), max_size=4).map(tuple)


@st.composite
def specs(draw: st.DrawFn) -> ArchSpec:
    """Draw specs of which many are wrong, in many ways."""
    placements = st.sampled_from(["pre", "post", "sandwich", "parallel"])
    stack = draw(
        st.lists(st.builds(lambda m, c, p: layer(m, c, placement=p), st.sampled_from(MIXERS), st.sampled_from(CHANNELS),
                           placements), max_size=5)
    )  # fmt: skip
    present = draw(st.sets(st.sampled_from(NAMES)))
    fused = st.lists(st.sampled_from(NAMES), max_size=3).map(tuple)
    kinds = st.sampled_from(["prefix", "interleave", "cross_attention"])
    placeholders = st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 70), max_size=2)
    whats = st.sampled_from([("mixer",), ("channel", "mixer"), ("norm",), ("layer",)])
    made = spec(
        featurizers={name: FEATURIZERS[name] for name in NAMES if name in present},
        fusion=draw(st.none() | st.builds(Fusion, type=kinds, streams=fused, placeholders=placeholders)),
        shared_weights=draw(st.lists(st.builds(SharedWeights, what=whats, layers=layers), max_size=2).map(tuple)),
        shared_features=draw(
            st.lists(
                st.builds(SharedFeatures, feature=st.sampled_from(["kv", "condition", "x"]), layers=layers), max_size=2
            ).map(tuple)
        ),
        shared_featurizers=draw(st.lists(st.builds(SharedFeaturizers, featurizers=fused), max_size=1).map(tuple)),
        moe=draw(
            st.lists(
                st.builds(
                    ExpertPlacement,
                    layers=layers,
                    experts=st.fixed_dictionaries(
                        {"num_experts": st.integers(1, 4)}, optional={"experts_per_token": st.integers(1, 4)}
                    ),
                ),
                max_size=1,
            ).map(tuple)
        ),
        heads=draw(
            st.sampled_from(
                [
                    {},
                    {"lm": LMHead(tied_to="text")},
                    {"lm": LMHead(tied_to="nobody")},
                    {"text": Classifier(num_classes=2, pool="mean")},
                    {"topics": Classifier(num_classes=2, pool="mean")},
                ]
            )
        ),
        groups=draw(
            st.lists(
                st.builds(
                    lambda repeat, share: DepthGroup(name="g", start=0, stop=len(stack), repeat=repeat, share=share),
                    st.integers(1, 3),
                    st.sampled_from(["none", "weights", "mixer"]),
                ),
                max_size=1,
            ).map(tuple)
        ),
    )
    return made.model_copy(update={"layers": tuple(stack)})


CODES_OF_OTHERS = {"E222", "E230", "E234"}


def compiled(made: ArchSpec) -> Graph | GraphError:
    try:
        return compile_graph(made)
    except GraphError as error:
        return error


@given(specs())
@settings(max_examples=200, deadline=None)
def test_a_spec_is_a_graph_or_a_message(made: ArchSpec) -> None:
    graph = compiled(made)
    if isinstance(graph, GraphError):
        known = {code.code for code in CODES} | CODES_OF_OTHERS
        assert {each.code for each in graph.diagnostics} <= known
        assert all(each.message for each in graph.diagnostics)
        return
    assert totals(graph).params >= 0
    assert sum(len(row["indices"]) for row in fold(graph)) == len(made.layers)
    assert dump(graph)
    assert diff(graph, graph).equal
