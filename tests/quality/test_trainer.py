"""The trainer learns, repeats itself bit for bit, and ends when it should."""

import math
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.core.errors import QualityError
from lfm_arch.quality.settings import Plan
from lfm_arch.quality.stopped import StoppedError
from lfm_arch.quality.trainer import IGNORED, Batch, evaluate, side_by_side, train, widen


class Bigram(nn.Module):
    """Predicts the next of 16 symbols from the current one."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(16, 32)
        self.norm = nn.LayerNorm(32)
        self.out = nn.Linear(32, 16)

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.out(self.norm(self.embed(ids_BT)))


class Routed(Bigram):
    """Shows its router as operators with experts do."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(32, 4, bias=False)
        with torch.no_grad():
            # a router that sends everything to the first expert
            self.router.weight[0] = 1.0

    def forward(self, ids_BT: Tensor, observed: dict[str, list[Tensor]] | None = None) -> Tensor:
        x_BTD = self.embed(ids_BT)
        if observed is not None:
            observed.setdefault("router_logits", []).append(self.router(x_BTD.abs().flatten(0, 1)))
        return self.out(self.norm(x_BTD))


def successors(step: int) -> Batch:
    """Each symbol is followed by the next one: nothing is left to chance."""
    start_B1 = torch.randint(16, (8, 1), generator=torch.Generator().manual_seed(step))
    line_BT = (start_B1 + torch.arange(17)) % 16
    return line_BT[:, :-1], line_BT[:, 1:]


def plan(**changes: object) -> Plan:
    fields = {"tokens": 8 * 16 * 60, "batch_size": 8, "sequence_length": 16, "learning_rate": 2e-2, "init_scale": 1.0}
    return Plan.model_validate(fields | changes)


def test_it_learns() -> None:
    model = Bigram()
    before, _ = evaluate(model, [successors(-1)], plan())
    trained = train(model, successors, plan())
    after, accuracy = evaluate(model, [successors(-1)], plan())
    assert before > 2.0
    assert after < 0.1
    assert accuracy == 1.0
    assert trained.loss < 0.3
    assert trained.tokens == 8 * 16 * 60


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_it_repeats_itself(precision: str) -> None:
    losses = [train(Bigram(), successors, plan(precision=precision)).loss for _ in range(2)]
    assert losses[0] == losses[1]
    assert train(Bigram(seed=1), successors, plan(precision=precision)).loss != losses[0]


def test_ignored_targets_are_not_scored() -> None:
    ids_BT, targets_BT = successors(0)
    targets_BT = targets_BT.clone()
    targets_BT[:, ::2] = IGNORED
    model = Bigram()
    loss, accuracy = evaluate(model, [(ids_BT, targets_BT)], plan())
    with torch.no_grad():
        logits = model(ids_BT)[:, 1::2]
    assert loss == pytest.approx(F.cross_entropy(logits.flatten(0, 1), targets_BT[:, 1::2].flatten()).item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(-1) == targets_BT[:, 1::2]).float().mean().item())


def test_a_diverging_training_is_told() -> None:
    model = Bigram()
    with torch.no_grad():
        model.out.weight[0, 0] = math.nan
    with pytest.raises(QualityError, match=r"E921.*after 0 of 60 steps"):
        train(model, successors, plan())
    with pytest.raises(QualityError, match="E921"):
        evaluate(model, [successors(0)], plan())


def test_a_slow_training_is_told() -> None:
    def slowly(step: int) -> Batch:
        time.sleep(0.05)
        return successors(step)

    with pytest.raises(QualityError, match=r"E922.*of 60 steps"):
        train(Bigram(), slowly, plan(time_limit_s=0.1))


def test_it_stops_when_asked() -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(StoppedError):
        train(Bigram(), successors, plan(), stop=stop)
    assert len(asked) == 6


def test_the_rate_warms_up_and_cools_down() -> None:
    made = plan(learning_rate=1.0, warmup=0.1)
    rates = [made.rate(step) for step in range(made.steps)]
    assert rates[0] == pytest.approx(1 / 6)
    assert max(rates) == rates[5] == 1.0
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(0.05, abs=0.01)


def test_routers_are_kept_in_use() -> None:
    model = Routed()
    ids_BT, _ = successors(0)

    def share() -> float:
        observed: dict[str, list[Tensor]] = {}
        model(ids_BT, observed=observed)
        return observed["router_logits"][0].softmax(-1).mean(0).max().item()

    before = share()
    train(model, successors, plan(tokens=8 * 16 * 200))
    assert before > 0.9
    assert share() < before - 0.2


def test_matrices_start_wider_and_the_rest_does_not() -> None:
    model = nn.Sequential(nn.Linear(32, 16), nn.Conv1d(8, 8, 3, groups=8), nn.LayerNorm(16))
    before = {name: each.clone() for name, each in model.named_parameters()}
    widen(model, 5.0)
    ratios = {name: (each / before[name]).median().item() for name, each in model.named_parameters()}
    assert ratios["0.weight"] == pytest.approx(5.0)
    del ratios["0.weight"], ratios["2.bias"]
    assert set(ratios.values()) == {1.0}


def test_trainings_run_side_by_side_in_order() -> None:
    def job(value: float, pause: float) -> Callable[[object], float]:
        def run(stop: object) -> float:
            del stop
            time.sleep(pause)
            return value

        return run

    threads = torch.get_num_threads()
    assert side_by_side([job(1.0, 0.05), job(2.0, 0.0), job(3.0, 0.0)], lambda: False) == [1.0, 2.0, 3.0]
    assert torch.get_num_threads() == threads


def test_one_mistake_ends_them_all() -> None:
    def wrong(stop: object) -> float:
        del stop
        time.sleep(0.02)
        raise ValueError("mine")

    def endless(stop: Callable[[], bool]) -> float:
        while not stop():
            time.sleep(0.01)
        raise StoppedError

    with pytest.raises(ValueError, match="mine"):
        side_by_side([endless, wrong], lambda: False)
    with pytest.raises(StoppedError):
        side_by_side([endless, endless], lambda: True)
