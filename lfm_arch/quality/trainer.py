"""The one small trainer: a fixed number of tokens through a small model, the same way for every candidate.

AdamW, one learning rate with warm-up and a cosine down to a twentieth, gradients clipped, bfloat16 products where that
is faster. Matrices start `init_scale` times wider than the released models' range of 0.02, which is meant for the full
width: a model n times narrower wants it sqrt(n) times wider, or it spends a short training growing its weights. The
settings were tuned once, on LFM2's replica, and are the same for every architecture; `search/LOG.md` has the
measurements.

A training runs on one core, so equal model, batches and plan give equal results, bit for bit.

Axes: B batch, T tokens, V vocabulary, P positions, E experts.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.core.errors import Diagnostic, QualityError
from lfm_arch.quality.settings import Plan
from lfm_arch.quality.stopped import StoppedError

IGNORED = -100
"""A target that is not scored."""
_BALANCE = 0.01
"""Weight of the loss that keeps experts in use."""

Batch = tuple[Tensor, Tensor]
"""Token ids and targets, both `[B, T]`."""


@dataclass(frozen=True)
class Training:
    """What a training did."""

    loss: float
    """Mean loss of the last tenth of the steps, in nats."""
    tokens: int
    seconds: float


def side_by_side(jobs: Sequence[Callable[[Callable[[], bool]], float]], stop: Callable[[], bool]) -> list[float]:
    """Run trainings at once, each on one core, and return what they return, in order.

    Models this small are faster side by side than one by one on several cores, and what comes out does not depend on
    how many cores there are. The first mistake ends all of them and is raised.
    """
    ended = threading.Event()

    def run(job: Callable[[Callable[[], bool]], float]) -> float:
        try:
            return job(lambda: ended.is_set() or stop())
        except BaseException:
            ended.set()
            raise

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(len(jobs), cores()), thread_name_prefix="train") as pool:
            futures = [pool.submit(run, job) for job in jobs]
            wait(futures)
    finally:
        torch.set_num_threads(before)
    mistakes = [error for future in futures if (error := future.exception()) is not None]
    # those that were stopped by another's mistake say nothing
    for error in sorted(mistakes, key=lambda error: isinstance(error, StoppedError)):
        raise error
    return [future.result() for future in futures]


def cores() -> int:
    """Count the processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train(
    model: nn.Module, batch_of: Callable[[int], Batch], plan: Plan, *, stop: Callable[[], bool] = lambda: False
) -> Training:
    """Train `model` in place.

    Args:
        model: token ids to logits, `[B, T] -> [B, T, V]`; one that takes `observed` shows its routers in it.
        batch_of: gives the batch of one step, from its number alone.
        plan: how long and how fast.
        stop: asked before every step.

    Raises:
        QualityError: E921, the loss is no number any more; E922, it takes longer than the plan allows.
        StoppedError: `stop` said so.
    """
    widen(model, plan.init_scale)
    optimizer = _optimizer(model, plan)
    has_router = any(hasattr(module, "router") for module in model.modules())
    parameters = list(model.parameters())
    tail: list[Tensor] = []
    started = time.perf_counter()
    model.train()
    for step in range(plan.steps):
        if stop():
            raise StoppedError
        if time.perf_counter() - started > plan.time_limit_s:
            raise _too_slow(plan, step)
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(step)
        ids_BT, targets_BT = batch_of(step)
        observed: dict[str, list[Tensor]] = {}
        with _products(plan):
            logits_BTV = model(ids_BT, observed=observed) if has_router else model(ids_BT)
        loss = F.cross_entropy(logits_BTV.flatten(0, 1).float(), targets_BT.flatten(), ignore_index=IGNORED)
        optimizer.zero_grad(set_to_none=True)
        (loss + _BALANCE * _imbalance(observed)).backward()
        norm = nn.utils.clip_grad_norm_(parameters, plan.clip)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise _diverged(step, plan, loss.item())
        optimizer.step()
        if step >= plan.steps - max(1, plan.steps // 10):
            tail.append(loss.detach())
    return Training(
        loss=torch.stack(tail).mean().item(),
        tokens=plan.steps * plan.batch_size * plan.sequence_length,
        seconds=time.perf_counter() - started,
    )


@torch.no_grad()
def evaluate(model: nn.Module, batches: list[Batch], plan: Plan) -> tuple[float, float]:
    """Score a trained model.

    Returns:
        The mean loss in nats, and the share of targets that had the highest score.

    Raises:
        QualityError: E921, the loss is no number.
    """
    model.eval()
    loss = right = scored = 0.0
    for ids_BT, targets_BT in batches:
        with _products(plan):
            logits_BTV = model(ids_BT)
        flat = logits_BTV.flatten(0, 1).float()
        loss += F.cross_entropy(flat, targets_BT.flatten(), ignore_index=IGNORED, reduction="sum").item()
        right += (logits_BTV.argmax(-1) == targets_BT).sum().item()
        scored += (targets_BT != IGNORED).sum().item()
    if not math.isfinite(loss):
        raise _diverged(plan.steps, plan, loss)
    return loss / scored, right / scored


@torch.no_grad()
def widen(model: nn.Module, factor: float) -> None:
    """Multiply the starting values of all matrices; depthwise filters and vectors stay."""
    for parameter in model.parameters():
        if parameter.ndim > 1 and parameter[0].numel() > 8:
            parameter.mul_(factor)


def _optimizer(model: nn.Module, plan: Plan) -> torch.optim.AdamW:
    matrices = [each for each in model.parameters() if each.ndim > 1]
    vectors = [each for each in model.parameters() if each.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": plan.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, plan.beta2), fused=True)


def _products(plan: Plan) -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=plan.precision == "bf16")


def _imbalance(observed: dict[str, list[Tensor]]) -> Tensor | float:
    """How unevenly routers spread their scores: 0 when every expert gets the same on average, E - 1 at worst."""
    shares = [logits_PE.float().softmax(-1).mean(0) for logits_PE in observed.get("router_logits", ())]
    return sum(((share_E.square().sum() * share_E.numel() - 1) for share_E in shares), start=0.0)


def _diverged(step: int, plan: Plan, loss: float) -> QualityError:
    return QualityError(
        Diagnostic(
            "E921",
            f"the loss is {loss} after {step} of {plan.steps} steps",
            because="a model that diverges at this learning rate has no quality to compare",
            help=f"a smaller learning_rate than {plan.learning_rate:g}",
        )
    )


def _too_slow(plan: Plan, step: int) -> QualityError:
    return QualityError(
        Diagnostic(
            "E922",
            f"{step} of {plan.steps} steps took {plan.time_limit_s:g} s",
            because="a candidate may not hold up the whole search",
            help="a larger time_limit_s, or fewer tokens",
        )
    )
