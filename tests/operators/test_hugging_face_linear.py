"""Linear-time mixers equal transformers' own with the same random weights: one pass, cached decode, padded batch.

Axes: B batch, T tokens, D width.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfm_arch.operators.base import Operator
from lfm_arch.operators.gated_delta_net.declaration import GatedDeltaNet
from lfm_arch.operators.kimi_delta_attention.declaration import KimiDeltaAttention
from lfm_arch.operators.lightning_attention.declaration import LightningAttention
from lfm_arch.operators.mamba.declaration import Mamba
from lfm_arch.operators.mamba2.declaration import Mamba2, Multipliers
from lfm_arch.parts.context import Context
from tests.operators.test_hugging_face import WIDTH, ours, streamed

TOKENS = 71
pytest.importorskip("transformers")


@pytest.fixture(autouse=True)
def _seeded() -> Iterable[None]:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        yield


@dataclass(frozen=True)
class Case:
    """A family's layer, and how a spec says it."""

    family: str
    layer: str
    config: dict[str, Any]
    operator: Operator
    prefix: str = "mixer"
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.family}{self.variant}"

    def theirs(self) -> tuple[nn.Module, Any]:
        module: Any = import_module(f"transformers.models.{self.family}.modeling_{self.family}")
        names = [name for name in vars(module) if name.endswith("Config") and name.startswith(self.layer[:5])]
        # a model of text and images has a configuration for each
        config_class = getattr(module, max(names, key=lambda name: name.endswith("TextConfig")))
        config = config_class(hidden_size=WIDTH, **self.config)
        layer = getattr(module, self.layer)
        # first values would be replaced, and one family sets some before it makes them
        given = {"initialize_mixer_weights": False} if "initialize_mixer_weights" in signature(layer).parameters else {}
        made = layer(config, layer_idx=0, **given)
        if hasattr(module, "compute_mup_vector"):
            made.register_buffer("mup_vector", module.compute_mup_vector(config), persistent=False)
        return made, config


def mamba2(**sizes: Any) -> dict[str, Any]:
    """Say sizes in the words of Bamba and those after it."""
    common = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 6, "mamba_n_groups": 2, "mamba_expand": 2}
    return {**common, "mamba_chunk_size": 16, "num_hidden_layers": 1, "rms_norm_eps": 1e-5, **sizes}


_ATTENTION: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
_MAMBA: dict[str, Any] = {"num_hidden_layers": 1, "state_size": 5, "time_step_rank": 3, "expand": 2, "conv_kernel": 4}
_MAMBA2: dict[str, Any] = {"num_heads": 8, "head_dim": 8, "state_size": 6, "num_groups": 2}
_DELTA: dict[str, Any] = {
    "num_hidden_layers": 1,
    "layer_types": ["linear_attention"],
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 6,
    "linear_value_head_dim": 8,
}
_OUR_DELTA: dict[str, Any] = {"num_heads": 4, "head_dim": 8, "num_key_heads": 2, "key_dim": 6}
CASES = (
    Case("mamba", "MambaMixer", _MAMBA, Mamba(intermediate_size=64, state_size=5, step_rank=3)),
    Case(
        "falcon_mamba",
        "FalconMambaMixer",
        {**_MAMBA, "mixer_rms_eps": 1e-5},
        Mamba(intermediate_size=64, state_size=5, step_rank=3, norm="plain", norm_eps=1e-5),
    ),
    Case(
        "jamba",
        "JambaMambaMixer",
        {**_ATTENTION, "num_hidden_layers": 1, "mamba_d_state": 5, "mamba_dt_rank": 3, "mamba_proj_bias": False},
        Mamba(intermediate_size=64, state_size=5, step_rank=3, norm="learned"),
        prefix="mamba",
    ),
    Case(
        "mamba2",
        "Mamba2Mixer",
        {"num_heads": 8, "head_dim": 8, "state_size": 6, "n_groups": 2, "chunk_size": 16, "num_hidden_layers": 1},
        Mamba2(**_MAMBA2),
    ),
    Case("bamba", "BambaMixer", {**_ATTENTION, **mamba2()}, Mamba2(**_MAMBA2), prefix="mamba"),
    Case(
        "granitemoehybrid",
        "GraniteMoeHybridMambaLayer",
        {**_ATTENTION, **mamba2(), "layer_types": ["mamba"]},
        Mamba2(**_MAMBA2),
        prefix="mamba",
    ),
    Case(
        "nemotron_h",
        "NemotronHMamba2Mixer",
        {
            **_ATTENTION,
            "layers_block_type": ["mamba"],
            "mamba_num_heads": 8,
            "mamba_head_dim": 8,
            "ssm_state_size": 6,
            "n_groups": 2,
            "chunk_size": 16,
            "layer_norm_epsilon": 1e-5,
        },
        Mamba2(**_MAMBA2, min_step=1e-3),
    ),
    Case(
        "zamba2",
        "Zamba2MambaMixer",
        {
            "num_hidden_layers": 1,
            "layers_block_type": ["mamba"],
            "n_mamba_heads": 8,
            "mamba_headdim": 8,
            "mamba_d_state": 6,
            "mamba_ngroups": 2,
            "mamba_expand": 2,
            "chunk_size": 16,
            **_ATTENTION,
        },
        Mamba2(**_MAMBA2, min_step=1e-3),
        prefix="mamba",
    ),
    *(
        Case(
            "falcon_h1",
            "FalconH1Mixer",
            {
                **_ATTENTION,
                **mamba2(mamba_rms_norm=norm is not None, mamba_norm_before_gate=norm == "norm_first", mamba_d_ssm=64),
            }
            | {"ssm_multipliers": [0.5, 1.5, 2.0, 0.25, 0.75], "ssm_in_multiplier": 1.25},
            Mamba2(
                **_MAMBA2,
                norm=norm,
                multipliers=Multipliers(input=1.25, gate=0.5, value=1.5, key=2.0, query=0.25, step=0.75),
            ),
            prefix="mamba",
            variant=f"-{norm}",
        )
        for norm in ("gate_first", "norm_first", None)
    ),
    Case("qwen3_next", "Qwen3NextGatedDeltaNet", _DELTA, GatedDeltaNet(**_OUR_DELTA), prefix="linear_attn"),
    Case(
        "qwen3_5",
        "Qwen3_5GatedDeltaNet",
        _DELTA,
        GatedDeltaNet(**_OUR_DELTA, projections="by_stream"),
        prefix="linear_attn",
    ),
    Case(
        "kimi_linear",
        "KimiLinearDeltaAttention",
        {
            "num_hidden_layers": 1,
            "layer_types": ["linear_attention"],
            "linear_num_heads": 4,
            "linear_head_dim": 8,
            "rms_norm_eps": 1e-6,
            **_ATTENTION,
        },
        KimiDeltaAttention(num_heads=4, head_dim=8),
        prefix="self_attn",
    ),
)
CHUNKS = {"whole": (TOKENS,), "by-1": (1,) * TOKENS, "mixed": (66, 1, 3, 1)}


def run_theirs(
    layer: nn.Module, config: Any, x_BTD: Tensor, chunks: Iterable[int], mask_BT: Tensor | None = None
) -> Tensor:
    """Run their layer as their model would: a prompt through the cache, and then what follows."""
    from transformers import DynamicCache

    cache, past, outputs = DynamicCache(config=config), 0, []
    for tokens in chunks:
        # a mask over cached positions is not for a layer that only remembers a state
        mask = None if mask_BT is None or past else mask_BT[:, :tokens].long()
        outputs.append(layer(x_BTD[:, past : past + tokens], cache=cache, attention_mask=mask))
        past += tokens
    return torch.cat(outputs, dim=1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_pass_decode_and_padding(case: Case) -> None:
    theirs, config = case.theirs()
    module = ours(case.operator, theirs, family=case.family, prefix=case.prefix)
    x_BTD = torch.randn(2, TOKENS, WIDTH)
    mask_BT = torch.ones(2, TOKENS, dtype=torch.bool)
    mask_BT[0, :3] = False
    for mask in (None, mask_BT):
        real = torch.ones_like(mask_BT) if mask is None else mask
        expected = theirs(x_BTD, attention_mask=mask if mask is None else mask.long())
        once = module(x_BTD, Context.begin(TOKENS, mask_BS=mask))
        torch.testing.assert_close(once[real], expected[real], rtol=1e-4, atol=1e-4)
        for chunks in CHUNKS.values():
            mine = streamed(module, case.operator, x_BTD, chunks, mask)
            torch.testing.assert_close(mine[real], expected[real], rtol=1e-4, atol=1e-4)
        prompt = (TOKENS - 4, 1, 1, 1, 1)
        cached = run_theirs(theirs, config, x_BTD, prompt, mask)
        mine = streamed(module, case.operator, x_BTD, prompt, mask)
        torch.testing.assert_close(mine[real], cached[real], rtol=1e-4, atol=1e-4)


def test_steps_have_a_least_length() -> None:
    case = next(case for case in CASES if case.family == "nemotron_h")
    theirs, _ = case.theirs()
    module = ours(case.operator, theirs, family=case.family, prefix=case.prefix)
    for layer in (theirs, module):
        layer.get_parameter("dt_bias").sub_(9.0)
        layer.get_parameter("A_log").add_(6.0)
    x_BTD = torch.randn(2, 9, WIDTH)
    expected, mine = theirs(x_BTD), module(x_BTD, Context.begin(9))
    torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)
    free = Mamba2(**_MAMBA2).build(WIDTH)
    free.load_state_dict(module.state_dict())
    assert (free(x_BTD, Context.begin(9)) - mine).abs().max() > 1e-3


def test_gated_delta_net_that_turns_its_memory_round() -> None:
    """OLMo Hybrid has a projection for each stream; side by side they are ours."""
    module: Any = pytest.importorskip("transformers.models.olmo_hybrid.modeling_olmo_hybrid")
    layers: dict[str, Any] = {"num_hidden_layers": 2, "layer_types": ["linear_attention", "full_attention"]}
    sizes = {**_DELTA, **_ATTENTION, **layers}
    config = module.OlmoHybridConfig(hidden_size=WIDTH, linear_allow_neg_eigval=True, **sizes)
    theirs = module.OlmoHybridGatedDeltaNet(config, layer_idx=0)
    for name, weight in theirs.named_parameters():
        weight.normal_(mean=1.0 if "norm" in name else 0.0, std=0.3)
    given = theirs.state_dict()
    qkv = torch.cat([given.pop(f"{stream}_proj.weight") for stream in "qkv"])
    rename: dict[str, str] = {"g_proj": "in_proj_z", "b_proj": "in_proj_b", "a_proj": "in_proj_a", "conv1d": "conv"}
    rename |= {"o_norm": "norm", "o_proj": "out_proj"}
    words = {name: str(name).split(".", 1) for name in given}
    weights = {".".join([rename.get(head, head), *rest]): given[name] for name, (head, *rest) in words.items()}
    operator = GatedDeltaNet(**_OUR_DELTA, projections="by_stream", write_scale=2.0, eps=1e-5)
    mixer: Any = operator.build(WIDTH)
    mixer.load_state_dict({**weights, "in_proj_qkv.weight": qkv})
    x_BTD = torch.randn(2, TOKENS, WIDTH)
    expected = theirs(x_BTD)
    torch.testing.assert_close(mixer(x_BTD, Context.begin(TOKENS)), expected, rtol=1e-4, atol=1e-4)
    for chunks in CHUNKS.values():
        torch.testing.assert_close(streamed(mixer, operator, x_BTD, chunks), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [0, 1, 2], ids="layer-{}".format)
def test_lightning_attention(layer: int) -> None:
    minimax: Any = pytest.importorskip("transformers.models.minimax.modeling_minimax")
    config = minimax.MiniMaxConfig(
        hidden_size=WIDTH,
        head_dim=8,
        block_size=16,
        num_hidden_layers=3,
        layer_types=["linear_attention"] * 3,
        **_ATTENTION,
    )
    theirs = minimax.MiniMaxLightningAttention(config, layer)
    for derived in ("slope_rate", "query_decay", "key_decay", "diagonal_decay"):
        # they follow from the fields
        theirs._non_persistent_buffers_set.add(derived)
    operator = LightningAttention(num_heads=4, head_dim=8, decay_scale=1 - layer / (2 + 1e-5) + 1e-5)
    module = ours(operator, theirs, family="minimax", prefix="self_attn")
    x_BTD = torch.randn(2, TOKENS, WIDTH)
    mask_BT = torch.ones(2, TOKENS, dtype=torch.bool)
    mask_BT[0, :3] = False
    for mask in (None, mask_BT):
        real = torch.ones_like(mask_BT) if mask is None else mask
        expected = theirs(x_BTD, None, mask)[0]
        for chunks in CHUNKS.values():
            mine = streamed(module, operator, x_BTD, chunks, mask)
            torch.testing.assert_close(mine[real], expected[real], rtol=1e-4, atol=1e-4)
        once = module(x_BTD, Context.begin(TOKENS, mask_BS=mask))
        torch.testing.assert_close(once[real], expected[real], rtol=1e-4, atol=1e-4)
    cache = minimax.MiniMaxCache()
    if layer == 0:
        # their cache counts layers from the first
        prompt = theirs(x_BTD[:, :-2], None, None, cache)[0]
        steps = [theirs(x_BTD[:, past : past + 1], None, None, cache)[0] for past in (TOKENS - 2, TOKENS - 1)]
        torch.testing.assert_close(
            torch.cat([prompt, *steps], dim=1), module(x_BTD, Context.begin(TOKENS)), rtol=1e-4, atol=1e-4
        )
