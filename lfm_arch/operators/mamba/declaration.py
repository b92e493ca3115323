"""Mamba: a state space layer in which every channel has a small memory of its own, and chooses what to keep of it.

    u, z      = split(W_in x)                     what is mixed, and a gate
    u         = silu(conv_K(u))
    d, b, c   = split(W_x u)                      of few numbers each, for all channels together
    step      = softplus(W_d d + bias)            a size for every channel
    s_t       = exp(step A) s_(t-1) + step u b    `state_size` numbers a channel, A < 0
    y         = W_out ((s . c + D u) * silu(z))

Source: Gu and Dao, arXiv:2312.00752. Weights as in Hugging Face `MambaMixer`. Jamba (arXiv:2403.19887) normalises d, b
and c with learned scales, Falcon Mamba (arXiv:2410.05355) without.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.mamba.module import MambaModule

Positive = Annotated[int, Field(ge=1)]
_EPS = 1e-6


def _names(prefix: str) -> WeightNames:
    same = ("in_proj", "x_proj", "dt_proj", "A_log", "D", "out_proj", "dt_layernorm", "b_layernorm", "c_layernorm")
    return {name: f"{prefix}.{name}" for name in same} | {"conv": f"{prefix}.conv1d"}


class Mamba(Operator):
    """`{type: mamba, intermediate_size: 4096, state_size: 16, step_rank: 128}`, for a width of 2048."""

    type: Literal["mamba"] = "mamba"
    intermediate_size: Positive
    """Channels that are mixed."""
    state_size: Positive
    """Numbers that each channel remembers."""
    step_rank: Positive
    """Rank of the map from the channels to their step sizes."""
    kernel_size: Annotated[int, Field(ge=2)] = 4
    """Tokens the convolution sees, the token itself included."""
    conv_bias: bool = True
    bias: bool = False
    """Adds a bias to the projections in and out."""
    norm: Literal["learned", "plain"] | None = None
    """Root-mean-square norm of d, b and c: with a learned scale, without one, or null for no norm."""
    norm_eps: Annotated[float, Field(gt=0, lt=1)] = _EPS

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        "mamba": _names("mixer"),
        "falcon_mamba": _names("mixer"),
        "jamba": _names("mamba"),
    }

    @model_validator(mode="after")
    def _is_read(self) -> Self:
        if self.norm is None and self.norm_eps != _EPS:
            raise refuse(
                "E233",
                "norm_eps",
                f"norm_eps={self.norm_eps:g} without a norm",
                because="a setting that nothing reads is a mistake",
                help="write norm: learned or norm: plain, or leave out norm_eps",
            )
        return self

    @property
    def low(self) -> tuple[int, int, int]:
        """Numbers of d, b and c."""
        return self.step_rank, self.state_size, self.state_size

    def cost(self, width: int, work: Workload) -> Cost:
        inner, memory = self.intermediate_size, self.intermediate_size * self.state_size
        weights = 3 * width * inner + inner * (sum(self.low) + self.step_rank)
        params = weights + memory + inner * (2 + self.kernel_size + self.conv_bias) + self.bias * (2 * inner + width)
        params += sum(self.low) * (self.norm == "learned")
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            # the filter; an outer product written, a vector read
            mixing_flops=(2 * inner * self.kernel_size + 4 * memory) * work.positions,
            touched_params=params,
            state_traffic=2 * (memory + inner * (self.kernel_size - 1)) * work.batch,
            # a decay for every number of the memory; silu after the filter, step sizes, skip and gate; norms
            activations=(2 * memory + 9 * inner + 2 * sum(self.low) * (self.norm is not None)) * work.positions,
            kernels=13 + 3 * (self.norm is not None),
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return (
            StateSlot("window", ("batch", self.intermediate_size, self.kernel_size - 1)),
            StateSlot("memory", ("batch", self.intermediate_size, self.state_size), precision="float32"),
        )

    def build(self, width: int) -> "MambaModule":
        from lfm_arch.operators.mamba.module import MambaModule

        return MambaModule(self, width)
