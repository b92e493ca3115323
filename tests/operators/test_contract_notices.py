"""The contract refuses an operator that does not do what it says: one lie at a time, told by an honest running sum."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import pytest
import torch
from torch import Tensor, nn

from lfm_arch.core.cost import Cost
from lfm_arch.core.state import StateSlot
from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator, Role, WeightNames
from lfm_arch.operators.contract import check_operator
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.reference import using_reference

LIES: dict[str, str] = {
    "params": "parameters, holds",
    "active": "parameters are active",
    "flops": "FLOPs declared",
    "shape": "becomes",
    "format": "bfloat16 becomes",
    "infinite": "not finite",
    "fast": "the fast path is not the plain form",
    "future": "is not causal",
    "memoryless": "is a mixer, yet",
    "deaf": "ignores its input",
    "forgets": "streaming by 1 is not one pass",
    "attribute": "streaming by 1 is not one pass",
    "buffer": "remembers something in seen",
    "larger": "declares the slots",
    "idle": "writes nothing into them",
    "rows": "is not what it is alone",
    "padding": "is padded on the left",
    "dead": "no gradient reaches ['unused']",
    "unnamed": "no family in weight_names names ['scale']",
    "writes": "which the module does not have",
    "allocates": "when it is only built to be looked at",
    "written": "is written and read back",
}


class Sum(Operator):
    """`y_t = W (x_0 + ... + x_t) * scale`, unless it lies."""

    type: Literal["sum"] = "sum"
    lie: str = ""

    roles: ClassVar[tuple[Role, ...]] = ("mixer",)
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        "family": {"proj": "w", "scale": "s", "unused": "u", "seen": "n"}
    }

    def cost(self, width: int, work: Workload) -> Cost:
        params = width * width + width + (self.lie == "params") + width * (self.lie == "dead")
        flops = 2 * width * width * work.positions * (2 if self.lie == "flops" else 1)
        active = params + 1 if self.lie == "active" else params
        return Cost(params=params, active_params=active, matmul_flops=flops, touched_params=params)

    def state(self, width: int) -> tuple[StateSlot, ...]:
        slots = (StateSlot("sum", ("batch", width)),)
        return slots + ((StateSlot("other", ("batch", 1)),) if self.lie == "idle" else ())

    def build(self, width: int) -> "SumModule":
        return SumModule(width, self.lie)


class UnnamedSum(Sum):
    """Names one weight too few."""

    weight_names: ClassVar[Mapping[str, WeightNames]] = {"family": {"proj": "w"}}


class WrittenSum(Sum):
    """Comes back from a file as something else."""

    def model_dump(self, **_: object) -> dict[str, object]:
        return {"type": "sum", "lie": "something else"}


class SumModule(OperatorModule):
    """The running `Sum`."""

    def __init__(self, width: int, lie: str) -> None:
        super().__init__()
        self.lie = lie
        self.proj = nn.Linear(width, width, bias=False)
        device = torch.device("cpu") if lie == "allocates" else None
        self.scale = nn.Parameter(torch.ones(width, device=device))
        self.total: Tensor | None = None
        if lie == "dead":
            self.unused = nn.Parameter(torch.ones(width))
        if lie == "buffer":
            self.seen = nn.Buffer(torch.zeros(()), persistent=True)
        if lie == "writes":
            setattr(self, "writes", ("nothing",))  # noqa: B010

    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None) -> Tensor:
        mask = context.new_mask_BT
        v_BTD = x_BTD if mask is None or self.lie == "padding" else x_BTD * mask[..., None].to(x_BTD.dtype)
        sum_BTD = v_BTD.cumsum(dim=1)
        if self.lie == "attribute":
            # like a module that keeps its own cache: right for one stream, wrong for two
            sum_BTD = sum_BTD + (0 if context.past == 0 or self.total is None else self.total[:, None])
            self.total = sum_BTD[:, -1]
        elif state is not None:
            sum_BTD = sum_BTD + state["sum"][:, None]
            if self.lie != "forgets":
                state["sum"].copy_(sum_BTD[:, -1])
            if self.lie == "larger":
                state["sum"] = torch.cat([state["sum"], state["sum"]])[: len(x_BTD)].repeat(1, 2)[:, : x_BTD.shape[2]]
                state["more"] = state["sum"]
        y_BTD = self.proj(self._lied(x_BTD, sum_BTD)) * self.scale
        if self.lie == "buffer" and state is not None:
            self.seen += 1
        return self._answer(y_BTD)

    def _lied(self, x_BTD: Tensor, sum_BTD: Tensor) -> Tensor:
        match self.lie:
            case "future":
                return sum_BTD[:, -1:] - sum_BTD
            case "memoryless":
                return x_BTD
            case "deaf":
                return torch.ones_like(x_BTD) + 0 * x_BTD
            case "rows":
                return sum_BTD + x_BTD.mean(dim=0, keepdim=True)
            case _:
                return sum_BTD

    def _answer(self, y_BTD: Tensor) -> Tensor:
        match self.lie:
            case "shape":
                return y_BTD[..., 1:]
            case "format":
                return y_BTD.float()
            case "infinite":
                return y_BTD / 0
            case "fast":
                return y_BTD if using_reference() else y_BTD * 1.01
            case _:
                return y_BTD


def test_the_honest_one_passes() -> None:
    check_operator(Sum())


@pytest.mark.parametrize("lie", LIES)
def test_notices(lie: str) -> None:
    kinds = {"unnamed": UnnamedSum, "written": WrittenSum}
    operator = kinds.get(lie, Sum)(lie=lie)
    with pytest.raises(AssertionError) as caught:
        check_operator(operator)
    assert LIES[lie] in str(caught.value)


class Leak(Sum):
    """Calls itself a channel mixer without memory."""

    roles: ClassVar[tuple[Role, ...]] = ("channel",)

    def state(self, width: int) -> tuple[StateSlot, ...]:
        del width
        return ()


def test_notices_a_channel_mixer_that_mixes_tokens() -> None:
    with pytest.raises(AssertionError, match="is a channel mixer, yet"):
        check_operator(Leak())


class Hander(Sum):
    """Shares something that changes what it does when it gets it back."""

    computes: ClassVar[tuple[str, ...]] = ("kv",)

    def reader(self, feature: str) -> "Operator":
        return Reader(lie=self.lie) if feature == "kv" else super().reader(feature)

    def build(self, width: int) -> "SumModule":
        return HanderModule(width, self.lie)


class Reader(Sum):
    takes: ClassVar[tuple[str, ...]] = ("kv",)


class HanderModule(SumModule):
    def forward(self, x_BTD: Tensor, context: Context, state: State | None = None, kv: Tensor | None = None) -> Tensor:
        y_BTD = super().forward(x_BTD, context, state)
        return y_BTD if kv is None else y_BTD + kv

    def share(self, x_BTD: Tensor, context: Context, state: State | None = None) -> dict[str, Tensor]:
        return {"kv": x_BTD}


def test_notices_that_handing_on_changes_the_result() -> None:
    with pytest.raises(AssertionError, match="handed back to it"):
        check_operator(Hander())


def test_asks_for_the_owner_of_what_is_taken() -> None:
    class Taker(Sum):
        takes: ClassVar[tuple[str, ...]] = ("kv",)

    with pytest.raises(AssertionError, match="the owner is None"):
        check_operator(Taker())
