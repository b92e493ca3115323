"""Mamba-2: a state space layer whose memory decays by one number a head, chosen by what it reads.

    z, u, d   = split(W_in x)                    a gate, what is mixed, and a step size for each head
    v, k, q   = split(silu(conv_K(u)))           values, and the keys and queries that the heads of a group share
    step      = softplus(d + b)
    S_t       = exp(-step exp(A)) S_(t-1) + step k_t v_t^T
    y         = W_out norm((q S + D v) * silu(z))            the norm is over the heads of a group

In the paper's letters v is X, k is B, q is C. Source: Dao and Gu, arXiv:2405.21060. Weights as in Hugging Face
`Mamba2Mixer`, and the same layer of Bamba, Granite 4, Nemotron-H, Zamba2 and Falcon-H1 (arXiv:2507.22448).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Part, Role, WeightNames

if TYPE_CHECKING:
    from lfm_arch.operators.mamba2.module import Mamba2Module

Positive = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=0)]
_EPS = 1e-5


def _names(prefix: str) -> WeightNames:
    same = ("in_proj", "dt_bias", "A_log", "D", "norm", "out_proj")
    return {name: f"{prefix}.{name}" for name in same} | {"conv": f"{prefix}.conv1d"}


class Multipliers(Part):
    """Fixed factors on what goes into the projection and on each of its streams, as Falcon-H1 has them."""

    input: Factor = 1.0
    gate: Factor = 1.0
    value: Factor = 1.0
    key: Factor = 1.0
    query: Factor = 1.0
    step: Factor = 1.0


class Mamba2(Operator):
    """`{type: mamba2, num_heads: 32, head_dim: 64, state_size: 128}`; heads are usually twice the width together."""

    type: Literal["mamba2"] = "mamba2"
    num_heads: Positive
    head_dim: Positive
    state_size: Positive
    """Rows of a head's memory."""
    num_groups: Positive = 1
    """Sets of keys and queries; each serves `num_heads / num_groups` heads."""
    kernel_size: Annotated[int, Field(ge=2)] = 4
    """Tokens the convolution sees, the token itself included."""
    conv_bias: bool = True
    bias: bool = False
    """Adds a bias to the projections in and out."""
    norm: Literal["gate_first", "norm_first"] | None = "gate_first"
    """Whether the gate is inside the norm or outside; null for a gate and no norm."""
    eps: Annotated[float, Field(gt=0, lt=1)] = _EPS
    """Of that norm."""
    min_step: Annotated[float, Field(ge=0)] = 0.0
    """Steps are at least this long."""
    multipliers: Multipliers | None = None

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        "mamba2": _names("mixer"),
        "nemotron_h": _names("mixer"),
        "bamba": _names("mamba"),
        "granitemoehybrid": _names("mamba"),
        "falcon_h1": _names("mamba"),
        "zamba2": _names("mamba"),
    }

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.norm is None and self.eps != _EPS:
            raise refuse(
                "E233",
                "eps",
                f"eps={self.eps:g} without a norm",
                because="a setting that nothing reads is a mistake",
                help="write norm: gate_first or norm: norm_first, or leave out eps",
            )
        if self.num_heads % self.num_groups:
            divisors = [n for n in range(1, self.num_heads + 1) if self.num_heads % n == 0]
            raise refuse(
                "E236",
                "num_groups",
                f"num_groups={self.num_groups} does not divide num_heads={self.num_heads}",
                because="each group's keys and queries serve num_heads / num_groups heads, a whole number",
                help=f"use one of {', '.join(map(str, divisors))}",
            )
        return self

    @property
    def inner(self) -> int:
        """Numbers of all heads' values."""
        return self.num_heads * self.head_dim

    @property
    def convolved(self) -> int:
        """Channels of the convolution: values, keys and queries."""
        return self.inner + 2 * self.num_groups * self.state_size

    @property
    def projected(self) -> tuple[int, ...]:
        """Numbers of the gate, of values, keys and queries, and of the step sizes."""
        memory = self.num_groups * self.state_size
        return self.inner, self.inner, memory, memory, self.num_heads

    def cost(self, width: int, work: Workload) -> Cost:
        projected, normed, scaled = sum(self.projected), self.norm is not None, self.multipliers is not None
        weights = width * projected + self.inner * width
        params = weights + self.convolved * (self.kernel_size + self.conv_bias) + 3 * self.num_heads
        params += self.bias * (projected + width) + normed * self.inner
        memory = self.inner * self.state_size
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * weights * work.positions,
            # the filter; an outer product written, a vector read
            mixing_flops=(2 * self.convolved * self.kernel_size + 4 * memory) * work.positions,
            touched_params=params,
            state_traffic=2 * (memory + self.convolved * (self.kernel_size - 1)) * work.batch,
            # silu after the filter, step sizes, skip, gate and norm; multipliers
            activations=(2 * self.convolved + (6 + 2 * normed) * self.inner + 6 * self.num_heads) * work.positions
            + 2 * scaled * (width + projected) * work.positions,
            kernels=12 + 2 * normed + 2 * scaled + (self.min_step > 0),
        )

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return (
            StateSlot("window", ("batch", self.convolved, self.kernel_size - 1)),
            StateSlot("memory", ("batch", self.num_heads, self.state_size, self.head_dim), precision="float32"),
        )

    def build(self, width: int) -> "Mamba2Module":
        from lfm_arch.operators.mamba2.module import Mamba2Module

        return Mamba2Module(self, width)
