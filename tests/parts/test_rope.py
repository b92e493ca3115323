"""Rotary positions: which dimensions turn, how fast, and what a score then depends on."""

from math import cos, sin

import torch

from lfm_arch.parts.context import Context
from lfm_arch.parts.rope import Rotary, rotate


def test_a_score_depends_on_the_distance_only() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 16, generator=generator)
    rotary = Rotary(16, 1e4)

    def score(at: int, other: int) -> float:
        context = Context(torch.tensor([[at, other]]))
        turned = rotate(torch.stack([q, k])[None, :, None], rotary.table(context))
        return float(turned[0, 0, 0] @ turned[0, 1, 0])

    assert abs(score(7, 3) - score(104, 100)) < 1e-4
    assert abs(score(7, 3) - score(7, 5)) > 0.1


def test_a_turn_by_hand() -> None:
    context = Context(torch.tensor([[0, 3]]))
    x = torch.tensor([1.0, 0.0]).expand(1, 2, 1, 2)
    turned = rotate(x, Rotary(2, 1e4).table(context))
    torch.testing.assert_close(turned[0, 0, 0], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(turned[0, 1, 0], torch.tensor([cos(3.0), sin(3.0)]))


def test_a_fraction_turns_like_a_smaller_head() -> None:
    context, x = Context(torch.arange(5)[None]), torch.randn(1, 5, 2, 16, generator=torch.Generator().manual_seed(0))
    turned = rotate(x, Rotary(16, 1e4, fraction=0.5).table(context))
    torch.testing.assert_close(turned[..., :8], rotate(x[..., :8], Rotary(8, 1e4).table(context)))
    torch.testing.assert_close(turned[..., 8:], x[..., 8:])


def test_proportional_turns_the_fast_pairs_of_the_whole_head() -> None:
    whole, part = Rotary(16, 1e4), Rotary(16, 1e4, fraction=0.5, kind="proportional")
    speeds = part.speeds(torch.device("cpu"))
    torch.testing.assert_close(speeds[:4], whole.speeds(torch.device("cpu"))[:4])
    assert not speeds[4:].any()


def test_equal_rotaries_share_one_table_in_a_pass() -> None:
    context = Context.begin(4)
    assert Rotary(8, 1e4).table(context)[0] is Rotary(8, 1e4).table(context)[0]
    assert Rotary(8, 1e6).table(context)[0] is not Rotary(8, 1e4).table(context)[0]


def test_angles_stay_exact_in_half_precision() -> None:
    far = Context(torch.tensor([[100_001]]))
    x = torch.ones(1, 1, 1, 8)
    exact = rotate(x, Rotary(8, 1e4).table(far))
    half = rotate(x.bfloat16(), Rotary(8, 1e4).table(far))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0.01, atol=0.01)
