"""Equal architectures have equal ids whatever they are called; others do not."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.base import Operator
from lfm_arch.operators.condition import FeaturizerCondition
from lfm_arch.operators.norm import RMSNorm
from lfm_arch.spec.arch import (
    ArchSpec,
    Constraint,
    DepthGroup,
    Expect,
    ExpertPlacement,
    Fusion,
    SharedFeatures,
    SharedWeights,
)
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

MIXERS = (CONV, CONV.model_copy(update={"kernel_size": 5}), ATTENTION, ATTENTION.model_copy(update={"window_size": 4}))
CHANNELS = (SWIGLU, SWIGLU.model_copy(update={"intermediate_size": 64}))


def id_of(made: ArchSpec) -> str:
    return architecture_id(compile_graph(made))


def conditioned(name: str) -> Operator:
    return AdaptiveLinear(rank=4, condition=FeaturizerCondition(name=name, size=8))


def multimodal(text: str, image: str, user: str, head: str, *, heads: tuple[str, ...] = ("lm", "topic")) -> ArchSpec:
    """One architecture, with names for everything that has one; `heads` says in which order heads are written."""
    made = {"lm": (head, LMHead(tied_to=text)), "topic": ("topic", Classifier(num_classes=3, pool="mean"))}
    return spec(
        layer(CONV, conditioned(user)),
        layer(ATTENTION),
        featurizers={
            user: Features(size=8),
            text: TokenEmbedding(vocab_size=64),
            image: ImagePatches(patch_size=4),
        },
        fusion=Fusion(type="prefix", streams=(image, text)),
        heads=dict(made[each] for each in heads),
    )


@st.composite
def stacks(draw: st.DrawFn) -> list[tuple[int, int]]:
    return draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=5))


def build(stack: list[tuple[int, int]], **fields: Any) -> ArchSpec:
    return spec(*(layer(MIXERS[mixer], CHANNELS[channel]) for mixer, channel in stack), **fields)


@given(stacks(), st.text("abc", min_size=1), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_names_docs_and_places_are_not_the_architecture(
    stack: list[tuple[int, int]], name: str, chance: random.Random
) -> None:
    plain = build(stack)
    renamed = build(
        stack,
        name=name,
        doc=name,
        dims={name: 3},
        expect=Expect(layers=len(stack)),
        heads={name: LMHead(tied_to="text")},
    )
    layers = tuple(
        each.model_copy(update={"block": chance.choice("xyz"), "group": name, "mixer_path": name})
        for each in renamed.layers
    )
    group = DepthGroup(name=name, start=0, stop=len(stack))
    constraint = Constraint(check="params > 0")
    assert id_of(plain) == id_of(
        renamed.model_copy(update={"layers": layers, "groups": (group,), "constraints": (constraint,)})
    )


@given(stacks(), stacks())
@settings(max_examples=100, deadline=None)
def test_stacks_are_told_apart(mine: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> None:
    assert (id_of(build(mine)) == id_of(build(theirs))) == (mine == theirs)


@given(stacks(), st.sets(st.integers(0, 4), min_size=2), st.sampled_from(["mixer", "channel", "norm", "layer"]))
@settings(max_examples=60, deadline=None)
def test_sharing_is_part_of_the_architecture(stack: list[tuple[int, int]], members: set[int], what: Any) -> None:
    same = [stack[0]] * 5
    shared = SharedWeights(what=(what,), layers=tuple(sorted(members)), path="sharing[3]")
    assert id_of(build(same, shared_weights=(shared,))) != id_of(build(same))
    again = SharedWeights(what=(what,), layers=tuple(sorted(members, reverse=True)), path="elsewhere")
    assert id_of(build(same, shared_weights=(shared,))) == id_of(build(same, shared_weights=(again,)))


@given(st.permutations(["a", "b", "pooled", "features"]))
@settings(deadline=None)
def test_featurizers_may_have_any_name(names: list[str]) -> None:
    """`features` is also the type of one of them."""
    assert id_of(multimodal(*names)) == id_of(multimodal("text", "image", "user", "lm"))


DIFFERENT = {
    "width": lambda: spec(hidden_size=40),
    "vocabulary": lambda: spec(featurizers={"text": TokenEmbedding(vocab_size=65)}),
    "own head": lambda: spec(heads={"lm": LMHead(vocab_size=64)}),
    "no final norm": lambda: spec(final_norm=None),
    "another final norm": lambda: spec(final_norm=RMSNorm(eps=1e-6)),
    "placement": lambda: spec(layer(placement="post"), layer(ATTENTION)),
    "order": lambda: spec(layer(ATTENTION), layer()),
    "experts": lambda: spec(moe=(ExpertPlacement(layers=(0,), experts={"num_experts": 4, "experts_per_token": 2}),)),
    "shared keys": lambda: spec(
        layer(ATTENTION), layer(ATTENTION), shared_features=(SharedFeatures(feature="kv", layers=(0, 1)),)
    ),
    "own keys": lambda: spec(layer(ATTENTION), layer(ATTENTION)),
    "images in front": lambda: multimodal("text", "image", "user", "lm"),
    "images behind": lambda: multimodal("text", "image", "user", "lm").model_copy(
        update={"fusion": Fusion(type="prefix", streams=("text", "image"))}
    ),
    "images inside": lambda: multimodal("text", "image", "user", "lm").model_copy(
        update={"fusion": Fusion(type="interleave", streams=("text", "image"), placeholders={"image": 5})}
    ),
    "images at another token": lambda: multimodal("text", "image", "user", "lm").model_copy(
        update={"fusion": Fusion(type="interleave", streams=("text", "image"), placeholders={"image": 6})}
    ),
}


def test_differences_are_seen() -> None:
    ids = {name: id_of(make()) for name, make in {"plain": spec, **DIFFERENT}.items()}
    assert len(set(ids.values())) == len(ids), ids


def test_the_order_of_heads_does_not_matter() -> None:
    assert id_of(multimodal("t", "i", "u", "lm")) == id_of(multimodal("t", "i", "u", "lm", heads=("topic", "lm")))


def test_a_layer_is_its_residual_steps() -> None:
    """X + mixer(norm(x)), then + channel(norm(.)): in one layer or in two."""
    one = spec(layer(CONV, SWIGLU))
    two = spec(layer(CONV, None), layer(None, SWIGLU))
    assert id_of(one) == id_of(two)
    assert id_of(one) != id_of(spec(layer(CONV, SWIGLU, placement="parallel")))


def test_steps_that_share_are_the_same_in_one_layer_or_two() -> None:
    one = spec(layer(), layer(), shared_weights=(SharedWeights(what=("layer",), layers=(0, 1)),))
    halves = (layer(CONV, None), layer(None, SWIGLU))
    pairs = (SharedWeights(what=("layer",), layers=(0, 2)), SharedWeights(what=("layer",), layers=(1, 3)))
    assert id_of(one) == id_of(spec(*halves, *halves, shared_weights=pairs))


def test_passes_written_out_are_the_passes() -> None:
    group = DepthGroup(name="trunk", start=0, stop=4, repeat=2, share="weights")
    shared = (SharedWeights(what=("layer",), layers=(0, 2)), SharedWeights(what=("layer",), layers=(1, 3)))
    layers = (layer(), layer(ATTENTION), layer(), layer(ATTENTION))
    assert id_of(spec(*layers, groups=(group,))) == id_of(spec(*layers, shared_weights=shared))


def test_a_default_is_the_same_written_or_not() -> None:
    written = ATTENTION.model_copy(update={"direction": "causal", "window_size": None})
    assert id_of(spec(layer(written))) == id_of(spec(layer(ATTENTION)))


def test_which_of_two_equal_featurizers_is_read_matters() -> None:
    def reading(source: str) -> ArchSpec:
        return spec(
            layer(CONV, conditioned("topic")),
            featurizers={
                "left": TokenEmbedding(vocab_size=64),
                "right": TokenEmbedding(vocab_size=64),
                "topic": Pooled(source=source, size=8),
            },
            fusion=Fusion(type="prefix", streams=("left", "right")),
            heads={"topics": Classifier(num_classes=3, pool="mean")},
        )

    assert id_of(reading("left")) != id_of(reading("right"))


@pytest.mark.parametrize("seed", [0, 1])
def test_an_id_is_the_same_in_every_process(seed: int) -> None:
    """The golden files hold ids; this one says that hashing of strings has no part in it."""
    import subprocess
    import sys

    program = "from tests.graph.example import spec\nfrom tests.graph.test_identity import id_of\nprint(id_of(spec()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == id_of(spec()), done.stderr
