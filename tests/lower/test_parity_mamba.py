"""Models of Mamba layers alone give the logits of Hugging Face's own classes, with the same random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.count import totals
from lfm_arch.graph.graph import Graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.lower.names import load_foreign, to_foreign
from lfm_arch.operators.base import Operator
from lfm_arch.operators.mamba.declaration import Mamba
from lfm_arch.operators.mamba2.declaration import Mamba2
from lfm_arch.runtime.state import new_state
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec
from tests.graph.example import layer, spec

transformers = pytest.importorskip("transformers")

ZOO = Path(__file__).parents[2] / "specs" / "zoo"
TOKENS, VOCAB, LAYERS = 23, 97, 3
SIZES: dict[str, Any] = {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": LAYERS, "state_size": 5}
Pair = tuple[Any, Model, Graph, str]


def of_layers(mixer: Operator, *, tied: bool = True) -> ArchSpec:
    head = LMHead(tied_to="text") if tied else LMHead(vocab_size=VOCAB)
    embedding = TokenEmbedding(vocab_size=VOCAB)
    return spec(*[layer(mixer, None)] * LAYERS, featurizers={"text": embedding}, heads={"lm": head})


def mamba() -> tuple[Any, ArchSpec]:
    config = transformers.MambaConfig(**SIZES, time_step_rank=3)
    return transformers.MambaForCausalLM(config), of_layers(Mamba(intermediate_size=64, state_size=5, step_rank=3))


def falcon_mamba() -> tuple[Any, ArchSpec]:
    config = transformers.FalconMambaConfig(**SIZES, time_step_rank=3, tie_word_embeddings=False)
    mixer = Mamba(intermediate_size=64, state_size=5, step_rank=3, norm="plain")
    return transformers.FalconMambaForCausalLM(config), of_layers(mixer, tied=False)


def mamba2() -> tuple[Any, ArchSpec]:
    config = transformers.Mamba2Config(
        **SIZES, num_heads=8, head_dim=8, n_groups=2, chunk_size=16, tie_word_embeddings=True
    )
    mixer = Mamba2(num_heads=8, head_dim=8, state_size=5, num_groups=2)
    return transformers.Mamba2ForCausalLM(config), of_layers(mixer)


@pytest.fixture(scope="module", params=[mamba, falcon_mamba, mamba2], ids=lambda family: family.__name__)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Their model with weights that matter, ours with the same."""
    family: Callable[[], tuple[Any, ArchSpec]] = request.param
    torch.manual_seed(0)
    theirs, architecture = family()
    theirs.eval()
    for name, tensor in theirs.named_parameters():
        near = 1.0 if "norm" in name else 0.0
        spread = 0.3 if tensor.ndim == 1 else tensor.shape[-1] ** -0.5
        tensor.data = near + spread * torch.randn_like(tensor)
    graph = compile_graph(architecture)
    ours = lower(graph)
    load_foreign(graph, ours, family.__name__, theirs.state_dict())
    return theirs, ours, graph, family.__name__


@pytest.fixture(scope="module")
def ids_BT() -> Tensor:
    return torch.randint(1, VOCAB, (2, TOKENS), generator=torch.Generator().manual_seed(1))


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_one_pass(pair: Pair, ids_BT: Tensor) -> None:
    theirs, ours, *_ = pair
    logits = theirs(ids_BT, use_cache=False).logits
    assert logits.std() > 0.1, "logits that say nothing would be equal to anything"
    close(ours(ids_BT), logits)


@torch.no_grad()
@pytest.mark.parametrize(
    "chunks", [[1] * TOKENS, [18, 1, 1, 1, 1, 1], [4, 7, 1, 2, 9]], ids=["tokens", "prefill", "chunks"]
)
def test_cached_decode(pair: Pair, ids_BT: Tensor, chunks: list[int]) -> None:
    theirs, ours, *_ = pair
    state = new_state(ours, batch=2, capacity=TOKENS)
    mine = torch.cat([ours(piece, state=state) for piece in ids_BT.split(chunks, dim=1)], dim=1)
    close(mine, theirs(ids_BT, use_cache=False).logits)
    if chunks[1] == 1:
        cache, cached = None, []
        for piece in ids_BT.split(chunks, dim=1):
            out = theirs(piece, cache=cache, use_cache=True)
            cache = out.cache
            cached.append(out.logits)
        close(mine, torch.cat(cached, dim=1))


@torch.no_grad()
def test_left_padded_batch(pair: Pair, ids_BT: Tensor) -> None:
    theirs, ours, *_ = pair
    mask_BT = torch.ones_like(ids_BT, dtype=torch.bool)
    mask_BT[0, :6] = False
    logits = theirs(ids_BT, attention_mask=mask_BT.long(), use_cache=False).logits
    mine = ours(ids_BT, mask=mask_BT)
    close(mine[mask_BT], logits[mask_BT])
    close(mine[:1, 6:], ours(ids_BT[:1, 6:]))


def test_names_go_both_ways(pair: Pair) -> None:
    theirs, ours, graph, family = pair
    back = to_foreign(graph, ours, family)
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in theirs.state_dict().items())


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("mamba-130m", lambda: transformers.MambaConfig(hidden_size=768, num_hidden_layers=24)),
        (
            "falcon-mamba-7b",
            lambda: transformers.FalconMambaConfig(
                vocab_size=65024, hidden_size=4096, num_hidden_layers=64, tie_word_embeddings=False
            ),
        ),
        (
            "mamba2-130m",
            lambda: transformers.Mamba2Config(
                vocab_size=50288,
                hidden_size=768,
                num_hidden_layers=24,
                num_heads=24,
                head_dim=64,
                n_groups=1,
                tie_word_embeddings=True,
            ),
        ),
    ],
    ids=["mamba", "falcon-mamba", "mamba2"],
)
def test_released_sizes(name: str, config: Callable[[], Any]) -> None:
    """Tensor by tensor: as many numbers, in the same shapes, under their names."""
    with torch.device("meta"):
        theirs = transformers.AutoModelForCausalLM.from_config(config())
    graph = compile_graph(load_spec(ZOO / f"{name}.yaml"))
    family = str(theirs.config.model_type)
    ours = to_foreign(graph, lower(graph, device="meta"), family)
    assert {name: tuple(value.shape) for name, value in ours.items()} == {
        name: tuple(value.shape) for name, value in theirs.state_dict().items()
    }
    assert totals(graph).params == sum(parameter.numel() for parameter in theirs.parameters())
