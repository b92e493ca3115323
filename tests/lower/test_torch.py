"""torch's own compilers accept the module, and sharding can wrap its blocks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lfm_arch.graph.compile import compile_graph
from lfm_arch.lower.compile import lower
from lfm_arch.lower.model import Model
from lfm_arch.operators.attention.declaration import Attention, Rope
from lfm_arch.operators.moe.declaration import MoE
from lfm_arch.runtime.state import new_state
from tests.graph.example import ATTENTION, CONV, SWIGLU, layer, spec

WINDOW = Attention(num_heads=4, num_kv_heads=2, head_dim=8, rope=Rope(theta=1e4), window_size=4, gate="per_head")
MIXED = spec(layer(CONV, SWIGLU, placement="sandwich"), layer(ATTENTION), layer(WINDOW))


@pytest.fixture(scope="module")
def model() -> Model:
    return lower(compile_graph(MIXED))


def ids(tokens: int, batch: int = 2) -> Tensor:
    return torch.randint(0, 64, (batch, tokens), generator=torch.Generator().manual_seed(tokens))


@torch.no_grad()
def test_export_of_one_length(model: Model) -> None:
    exported = torch.export.export(model, (ids(9),))
    torch.testing.assert_close(exported.module()(ids(9)), model(ids(9)))


@torch.no_grad()
def test_export_of_any_length(model: Model) -> None:
    dynamic = {"text": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
    exported = torch.export.export(model, (ids(9),), dynamic_shapes=dynamic)
    for tokens, batch in ((5, 3), (17, 2)):
        torch.testing.assert_close(exported.module()(ids(tokens, batch)), model(ids(tokens, batch)))


def test_export_of_experts(model: Model) -> None:
    """Which experts are visited is known only when the program runs."""
    experts = MoE(num_experts=4, experts_per_token=2, intermediate_size=16)
    sparse = lower(compile_graph(spec(layer(CONV, experts))))
    exported = torch.export.export(sparse, (ids(9),))
    torch.testing.assert_close(exported.module()(ids(9)), sparse(ids(9)))


@torch.no_grad()
def test_compile_prefill_and_decode(model: Model) -> None:
    """The graph is captured whole, with a state and without; capturing is what can go wrong, so no C++ is built."""
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(ids(9)), model(ids(9)))
    state, other = (new_state(model, batch=2, capacity=9) for _ in range(2))
    for piece in ids(9).split([4, 1, 1, 3], dim=1):
        torch.testing.assert_close(compiled(piece, state=state), model(piece, state=other))
    assert state.length == 9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@torch.no_grad()
def test_compile_to_machine_code(model: Model) -> None:
    torch.compiler.reset()
    compiled = torch.compile(model)
    torch.testing.assert_close(compiled(ids(9)), model(ids(9)), rtol=1e-4, atol=1e-4)


def test_compiled_training_step(model: Model) -> None:
    torch.compiler.reset()
    compiled = torch.compile(model, backend="aot_eager")
    for run in (compiled, model):
        model.zero_grad()
        run(ids(9)).square().mean().backward()
        grads = {name: parameter.grad for name, parameter in model.named_parameters()}
        assert all(grad is not None for grad in grads.values())


SHARDED = """
import os
import sys
import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from lfm_arch.runtime.build import build
from tests.lower.test_compile import SHARED

dist.init_process_group("gloo")
model, plain = (build(SHARED[sys.argv[1]]) for _ in range(2))
for block in model.blocks.values():
    fully_shard(block)
fully_shard(model)
ids = torch.arange(20).view(2, 10)
for each in (model, plain):
    each(ids).square().mean().backward()
wanted = dict(plain.named_parameters())
for name, parameter in model.named_parameters():
    torch.testing.assert_close(parameter.grad.full_tensor(), wanted[name].grad)
dist.destroy_process_group()
# one write, or two processes run into each other; and no shutdown, in which gloo's threads now and then abort
os.write(1, b"equal\\n")
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", ["passes share everything", "keys and values are read"])
def test_two_processes_shard_its_blocks(case: str, tmp_path: Path) -> None:
    """FSDP2 around every block gives the gradients of one process, also where passes call one block twice."""
    program = tmp_path / "sharded.py"
    program.write_text(SHARDED)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program), case]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, *launch],
        cwd=root,
        env=dict(os.environ, PYTHONPATH=str(root), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.stdout.split() == ["equal", "equal"], done.stderr
