"""A graph becomes a module that does what the graph says: every operator, every placement, every kind of sharing."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from lfm_arch.core.errors import BuildError
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.regression.declaration import Regression
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import count, totals
from lfm_arch.graph.graph import Graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.operators.adaptive_conv.declaration import AdaptiveConv
from lfm_arch.operators.adaptive_linear.declaration import AdaptiveLinear
from lfm_arch.operators.base import Operator
from lfm_arch.operators.condition import FeaturizerCondition, RunningMeanCondition, TokenCondition
from lfm_arch.operators.norm import Placement
from lfm_arch.runtime.state import new_state
from lfm_arch.spec.arch import (
    ArchSpec,
    DepthGroup,
    Fusion,
    Layer,
    SharedFeatures,
    SharedFeaturizers,
    SharedWeights,
)
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec
from tests.operators.test_contract import EXAMPLES, Example

TOKENS, VOCAB = 11, 64
IMAGE = {"text": TokenEmbedding(vocab_size=VOCAB), "image": ImagePatches(patch_size=4)}
SPEAKER = {"text": TokenEmbedding(vocab_size=VOCAB), "speaker": Features(size=5)}


def lowered(architecture: ArchSpec, **options: Any) -> tuple[Graph, Model]:
    graph = compile_graph(architecture)
    return graph, loud(lower(graph, **options))


def loud(model: Model) -> Model:
    """Make matrices large enough that every part shows in the output."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter.shape[-1] ** -0.5, generator=generator)
            else:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def ids(batch: int = 2, tokens: int = TOKENS) -> Tensor:
    return torch.randint(0, VOCAB, (batch, tokens), generator=torch.Generator().manual_seed(5))


def streamed(model: Model, ids_BT: Tensor, chunks: tuple[int, ...], **others: Tensor) -> Tensor:
    """Run chunk by chunk; other inputs are given with the first."""
    state = new_state(model, batch=ids_BT.shape[0], capacity=ids_BT.shape[1])
    pieces = []
    for number, piece in enumerate(ids_BT.split(chunks, dim=1)):
        pieces.append(model(piece, state=state, **(others if number == 0 else {})))
    return torch.cat(pieces, dim=1)


def of_example(example: Example) -> ArchSpec:
    """Put an operator behind the layer whose features it takes, if it takes any, in a model of its own."""

    def of(operator: Operator) -> Layer:
        return layer(operator, None) if "mixer" in operator.roles else layer(CONV, operator)

    layers = [layer(), *([of(example.owner)] if example.owner is not None else []), of(example.operator), layer()]
    shared = []
    if example.owner is not None:
        # the graph makes the reader of what the owner is
        layers[2] = (
            of(example.owner) if example.owner.reader(example.operator.takes[0]) == example.operator else layers[2]
        )
        shared = [SharedFeatures(feature=example.operator.takes[0], layers=(1, 2), path="sharing[0]")]
    reads = {name for each in (example.operator, example.owner) if each for name in each.reads.values()}
    featurizers: dict[str, Any] = {"text": TokenEmbedding(vocab_size=VOCAB)}
    featurizers |= {name: Features(size=5) for name in reads}
    heads = {"lm": LMHead(tied_to="text")} if example.operator.causal else {"value": Regression(size=7)}
    return spec(*layers, featurizers=featurizers, shared_features=tuple(shared), heads=heads)


@torch.no_grad()
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_every_operator_counts_and_streams(example: Example) -> None:
    graph, model = lowered(of_example(example))
    assert sum(parameter.numel() for parameter in model.parameters()) == totals(graph).params
    others = {name: torch.randn(2, 5) for name in model.facts.inputs if name != "text"}
    whole = model(ids(), **others)
    assert whole.isfinite().all()
    moved = model(ids().roll(1, dims=1), **others)
    assert not torch.allclose(moved, whole, atol=1e-3)
    assert model.facts.causal == example.operator.causal
    if model.facts.causal:
        for chunks in ((1,) * TOKENS, (4, 5, 2)):
            torch.testing.assert_close(streamed(model, ids(), chunks, **others), whole, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("placement", ["pre", "post", "sandwich", "parallel"])
def test_placements_are_what_they_are_called(placement: Placement) -> None:
    graph, model = lowered(spec(layer(CONV, SWIGLU, placement=placement), final_norm=None))
    block: Any = model.blocks["layers.0"]
    x_BTD = torch.randn(2, TOKENS, 32)
    from lfm_arch.parts.context import Context

    context = Context.begin(TOKENS)

    def mixer(y: Tensor) -> Tensor:
        return block.mixer(y, context)

    def channel(y: Tensor) -> Tensor:
        return block.channel(y, context)

    if placement == "pre":
        y = x_BTD + mixer(block.mixer_norm(x_BTD))
        y = y + channel(block.channel_norm(y))
    elif placement == "post":
        y = block.mixer_norm(x_BTD + mixer(x_BTD))
        y = block.channel_norm(y + channel(y))
    elif placement == "sandwich":
        y = x_BTD + block.mixer_out_norm(mixer(block.mixer_norm(x_BTD)))
        y = y + block.channel_out_norm(channel(block.channel_norm(y)))
    else:
        n = block.norm(x_BTD)
        y = x_BTD + mixer(n) + channel(n)
    torch.testing.assert_close(block(x_BTD, context), y)
    assert sum(parameter.numel() for parameter in block.parameters()) == count(graph, Workload())["layers.0"].params


SHARED: dict[str, ArchSpec] = {
    "passes share everything": spec(
        *(layer(), layer(ATTENTION), layer(), layer(ATTENTION)),
        groups=(DepthGroup(name="trunk", start=0, stop=4, repeat=2, share="weights"),),
    ),
    "passes share the mixer": spec(
        *(layer(), layer(ATTENTION), layer(), layer(ATTENTION)),
        groups=(DepthGroup(name="trunk", start=0, stop=4, repeat=2, share="mixer"),),
    ),
    "three layers own one channel mixer": spec(
        *(layer(), layer(ATTENTION), layer(), layer()),
        shared_weights=(SharedWeights(what=("channel",), layers=(0, 1, 3), path="sharing[0]"),),
    ),
    "one set of norms": spec(
        *(layer(), layer(ATTENTION)),
        shared_weights=(SharedWeights(what=("norm",), layers=(0, 1), path="sharing[0]"),),
    ),
    "keys and values are read": spec(
        *(layer(), layer(ATTENTION), layer(ATTENTION), layer(ATTENTION)),
        shared_features=(SharedFeatures(feature="kv", layers=(1, 3), path="sharing[0]"),),
    ),
    "keys and values are read twice": spec(
        *(layer(ATTENTION), layer(), layer(ATTENTION), layer(ATTENTION)),
        shared_features=(SharedFeatures(feature="kv", layers=(0, 2, 3), path="sharing[0]"),),
        shared_weights=(SharedWeights(what=("mixer",), layers=(2, 3), path="sharing[1]"),),
    ),
    "the condition is read": spec(
        layer(CONV, AdaptiveLinear(rank=4, condition=TokenCondition(size=5))),
        layer(ATTENTION, AdaptiveLinear(rank=4, condition=TokenCondition(size=5))),
        shared_features=(SharedFeatures(feature="condition", layers=(0, 1), path="sharing[0]"),),
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("architecture", SHARED.values(), ids=SHARED.keys())
def test_sharing_counts_streams_and_trains_one_copy(architecture: ArchSpec) -> None:
    graph, model = lowered(architecture)
    assert sum(parameter.numel() for parameter in model.parameters()) == totals(graph).params
    alone = spec(*architecture.layers)
    assert totals(graph).params < totals(compile_graph(alone)).params
    whole = model(ids())
    torch.testing.assert_close(streamed(model, ids(), (1,) * TOKENS), whole, rtol=1e-4, atol=1e-4)
    again = copy.deepcopy(model)
    assert len(list(again.parameters())) == len(list(model.parameters()))
    torch.testing.assert_close(again(ids()), whole)
    with torch.enable_grad():
        model(ids()).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_shared_pass_calls_its_owner_with_slots_of_its_own() -> None:
    _, model = lowered(SHARED["passes share everything"])
    assert list(model.blocks) == ["layers.0", "layers.1"]
    assert list(model.slots) == ["layers.0", "layers.1", "layers.2", "layers.3"]
    assert 'layers_2 = getattr(self.layers, "0")(layers_1, context, layers_2_slots)' in model.code


@torch.no_grad()
def test_a_shared_pass_equals_the_layer_written_twice() -> None:
    """The oracle is a model without sharing whose second pass holds a copy of the first's weights."""
    shared_spec = SHARED["passes share everything"]
    _, model = lowered(shared_spec)
    _, plain = lowered(spec(*shared_spec.layers))
    weights = model.state_dict()
    for name in plain.state_dict():
        source = name.replace("layers.2.", "layers.0.").replace("layers.3.", "layers.1.")
        plain.state_dict()[name].copy_(weights[source])
    torch.testing.assert_close(model(ids()), plain(ids()))


@torch.no_grad()
def test_a_reader_sees_the_keys_of_its_owner() -> None:
    _, model = lowered(SHARED["keys and values are read"])
    assert "k_proj" not in dict(model.blocks["layers.3"].get_submodule("mixer").named_children())
    before = model(ids())
    model.blocks["layers.1"].get_parameter("mixer.out_proj.weight").zero_()
    # with its own output silenced, the owner's keys still reach the last position through the reader
    silenced = model(ids())
    model.blocks["layers.1"].get_parameter("mixer.k_proj.weight").mul_(-1)
    assert not torch.allclose(model(ids()), silenced)
    assert not torch.allclose(before, silenced)


@torch.no_grad()
def test_two_conditions_in_one_layer_keep_states_apart() -> None:
    """Both the mixer and the channel mixer remember a running mean under the same name."""
    running = RunningMeanCondition(size=5)
    mixer = AdaptiveConv(kernel_size=3, num_heads=4, head_dim=8, condition=running)
    _, model = lowered(spec(layer(mixer, AdaptiveLinear(rank=4, condition=running))))
    names = [slot.name for slot in model.slots["layers.0"]]
    assert len(set(names)) == len(names) == 5
    torch.testing.assert_close(streamed(model, ids(), (3, 1, 7)), model(ids()), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_what_conditions_a_prompt_conditions_all_that_follows() -> None:
    condition = FeaturizerCondition(name="speaker", size=5)
    _, model = lowered(spec(layer(CONV, AdaptiveLinear(rank=4, condition=condition)), featurizers=SPEAKER))
    speaker = torch.randn(2, 5)
    whole = model(ids(), speaker=speaker)
    torch.testing.assert_close(streamed(model, ids(), (5, 6), speaker=speaker), whole, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model(ids(), speaker=-speaker), whole)
    with pytest.raises(BuildError, match="E801"):
        model(ids())


@torch.no_grad()
def test_a_pooled_condition_leaves_padding_out() -> None:
    featurizers = {
        "text": TokenEmbedding(vocab_size=VOCAB),
        "gist": Pooled(source="text", size=5),
    }
    condition = FeaturizerCondition(name="gist", size=5)
    architecture = spec(
        layer(CONV, AdaptiveLinear(rank=4, condition=condition)),
        featurizers=featurizers,
        heads={"mood": Classifier(num_classes=3, pool="last")},
    )
    _, model = lowered(architecture)
    alone = model(ids(1))
    padded = torch.cat([torch.zeros(1, 4, dtype=torch.long), ids(1)], dim=1)
    mask = torch.arange(TOKENS + 4)[None] >= 4
    torch.testing.assert_close(model(padded, mask=mask), alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model(padded), alone, atol=1e-3)


@torch.no_grad()
def test_a_mask_over_the_text_is_none_over_a_picture_that_conditions_it() -> None:
    featurizers = {
        "text": TokenEmbedding(vocab_size=VOCAB),
        "image": ImagePatches(patch_size=4),
        "gist": Pooled(source="image", size=5),
    }
    condition = FeaturizerCondition(name="gist", size=5)
    _, model = lowered(spec(layer(CONV, AdaptiveLinear(rank=4, condition=condition)), featurizers=featurizers))
    pixels = torch.randn(1, 3, 8, 8)
    alone = model(ids(1), image=pixels)
    padded = torch.cat([torch.zeros(1, 4, dtype=torch.long), ids(1)], dim=1)
    mask = torch.arange(TOKENS + 4)[None] >= 4
    torch.testing.assert_close(model(padded, image=pixels, mask=mask)[:, 4:], alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_pooled_prefix_leaves_its_own_padding_out() -> None:
    """With streams in a row each has its own columns of the mask."""
    featurizers = {**IMAGE, "gist": Pooled(source="text", size=5)}
    condition = FeaturizerCondition(name="gist", size=5)
    architecture = spec(
        layer(None, AdaptiveLinear(rank=4, condition=condition)),
        featurizers=featurizers,
        fusion=Fusion(type="prefix", streams=("image", "text")),
        heads={"mood": Classifier(num_classes=3, pool="last")},
    )
    _, model = lowered(architecture)
    pixels = torch.randn(1, 3, 8, 8)
    alone = model(ids(1), image=pixels)
    padded = torch.cat([torch.zeros(1, 4, dtype=torch.long), ids(1)], dim=1)
    mask = torch.ones(1, 4 + 4 + TOKENS, dtype=torch.bool)
    mask[:, 4:8] = False
    torch.testing.assert_close(model(padded, image=pixels, mask=mask), alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model(padded, image=pixels), alone, atol=1e-3)


def test_the_text_of_a_language_model_is_that_of_its_head() -> None:
    featurizers = {"hint": TokenEmbedding(vocab_size=VOCAB), "text": TokenEmbedding(vocab_size=VOCAB)}
    _, model = lowered(spec(layer(), featurizers=featurizers, fusion=Fusion(type="prefix", streams=("hint", "text"))))
    assert (model.facts.text_input, model.facts.text_output, model.facts.vocab_size) == ("text", "lm", VOCAB)
    _, other = lowered(spec(layer(), heads={"lm": LMHead(vocab_size=VOCAB + 1)}))
    assert other.facts.text_output == ""


@torch.no_grad()
def test_a_prefix_comes_first_and_only_once() -> None:
    architecture = spec(
        layer(), layer(ATTENTION), featurizers=IMAGE, fusion=Fusion(type="prefix", streams=("image", "text"))
    )
    _, model = lowered(architecture)
    pixels = torch.randn(2, 3, 8, 8)
    whole = model(ids(), image=pixels)
    assert whole.shape[1] == 4 + TOKENS
    # the text alone is another pass, without its picture
    assert model(ids()).shape[1] == TOKENS
    state = new_state(model, batch=2, capacity=4 + TOKENS)
    pieces = [model(ids()[:, :6], image=pixels, state=state), model(ids()[:, 6:], state=state)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_interleaved_vectors_replace_their_placeholders() -> None:
    fusion = Fusion(type="interleave", streams=("text", "image"), placeholders={"image": 63})
    _, model = lowered(spec(layer(), layer(ATTENTION), featurizers=IMAGE, fusion=fusion))
    text = ids() % 63
    text[:, 2:6] = 63
    pixels = torch.randn(2, 3, 8, 8)
    whole = model(text, image=pixels)
    assert whole.shape[1] == TOKENS
    other = model(text, image=-pixels)
    torch.testing.assert_close(other[:, :2], whole[:, :2])
    assert not torch.allclose(other[:, 2:], whole[:, 2:])
    # in the order of the patches
    patches = model.get_submodule("image")(pixels)
    seen = []
    model.blocks["layers.0"].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(text, image=pixels)
    torch.testing.assert_close(seen[0][:, 2:6], patches)
    with pytest.raises(BuildError, match=r"E804.*4 vectors"):
        model(ids() % 63, image=pixels)


@torch.no_grad()
def test_shared_featurizers_hold_one_table() -> None:
    featurizers = {"text": TokenEmbedding(vocab_size=VOCAB), "hint": TokenEmbedding(vocab_size=VOCAB)}
    architecture = spec(
        layer(),
        featurizers=featurizers,
        fusion=Fusion(type="prefix", streams=("hint", "text")),
        shared_featurizers=(SharedFeaturizers(featurizers=("text", "hint"), path="sharing[0]"),),
    )
    graph, model = lowered(architecture)
    assert sum(parameter.numel() for parameter in model.parameters()) == totals(graph).params
    torch.testing.assert_close(model(hint=ids(), text=ids()), model(torch.cat([ids(), ids()], dim=1)))


@torch.no_grad()
def test_several_heads_answer_by_name_and_keep_cuts_those_over_positions() -> None:
    heads = {"lm": LMHead(tied_to="text"), "mood": Classifier(num_classes=3, pool="mean")}
    _, model = lowered(spec(layer(), heads=heads))
    whole, cut = model(ids()), model(ids(), keep=2)
    assert list(whole) == ["lm", "mood"]
    assert whole["lm"].shape == (2, TOKENS, VOCAB)
    torch.testing.assert_close(cut["lm"], whole["lm"][:, -2:])
    torch.testing.assert_close(cut["mood"], whole["mood"])


@torch.no_grad()
def test_a_model_without_heads_or_featurizers_passes_its_stream() -> None:
    _, model = lowered(spec(layer(), featurizers={}, heads={}))
    stream = torch.randn(2, TOKENS, 32)
    assert model(stream).shape == stream.shape
    torch.testing.assert_close(model(stream=stream, keep=1), model(stream)[:, -1:])
    with pytest.raises(BuildError, match="E801"):
        model(None)


def test_router_logits_are_shown_to_a_trainer() -> None:
    (example,) = [each for each in EXAMPLES if "num_experts=8" in str(each)][:1]
    _, model = lowered(of_example(example))
    observed: dict[str, list[Tensor]] = {}
    model(ids(), observed=observed)
    assert [tuple(each.shape) for each in observed["router_logits"]] == [(2 * TOKENS, 8)]


def test_a_mask_covers_every_position() -> None:
    _, model = lowered(spec())
    state = new_state(model, batch=2, capacity=TOKENS)
    model(ids()[:, :4], state=state)
    with pytest.raises(BuildError, match=r"E802.*7 columns for 4 earlier and 7 new"):
        model(ids()[:, 4:], mask=torch.ones(2, 7), state=state)
    assert state.length == 4


def test_a_state_does_not_grow() -> None:
    _, model = lowered(spec())
    with pytest.raises(BuildError, match=r"E803.*capacity 4"):
        model(ids(), state=new_state(model, batch=2, capacity=4))


@pytest.mark.parametrize("name", ["forward", "training", "layers", "code"])
def test_a_featurizer_is_not_called_like_an_attribute(name: str) -> None:
    architecture = spec(featurizers={name: TokenEmbedding(vocab_size=VOCAB)}, heads={})
    with pytest.raises(BuildError, match=f"E800.*{name}"):
        lower(compile_graph(architecture))


def test_a_copy_is_whole() -> None:
    _, model = lowered(spec())
    again = copy.deepcopy(model)
    assert again.slots == model.slots
    assert again.facts == model.facts
    torch.testing.assert_close(again(ids()), model(ids()))
    assert again.blocks["layers.0"] is not model.blocks["layers.0"]


def test_the_printed_forward_names_every_part() -> None:
    _, model = lowered(spec(layer(), layer(ATTENTION)))
    for line in ("self.text(text)", '"0")', '"1")', "self.final_norm(", "self.lm(", "text_weight = self.text.weight"):
        assert line in model.code, model.code
    assert "Block(" in repr(model)
    assert "def forward" not in repr(model)
