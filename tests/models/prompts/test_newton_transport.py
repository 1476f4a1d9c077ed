"""Newton's plans against fixed points in fp64 that are found another way: nested bisection, or very many sweeps."""

from math import log

import pytest
import torch
from tests.models.prompts.transport_problems import drawn
from torch import Tensor

from fedsilo.models.prompts import newton_transport as newton
from fedsilo.models.prompts import plain_newton as plainnewton
from fedsilo.models.prompts.newton_transport import Newton
from fedsilo.models.prompts.optimal_transport import VARIANTS, Transport
from fedsilo.models.prompts.sinkhorn import Scaling

EXACT = 1e-5
"""Largest error anywhere, in units of a patch's mass 1 / M."""


def problems(patches: int, prompts: int, count: int = 4, seed: int = 0) -> Tensor:
    """Problems (P, M, N), drawn at several spreads, and such that a step could go wrong on."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    wide = [0.2 + spread * drawn(count, patches, prompts) for spread in (0.02, 0.1, 0.3, 0.8)]
    identical_columns = 0.2 + 0.1 * drawn(count, patches, 1).expand(-1, -1, prompts)
    identical_rows = 0.2 + 0.1 * drawn(count, 1, prompts).expand(-1, patches, -1)
    nearly = identical_columns + 0.01 * drawn(count, patches, prompts)
    dominated = 0.1 * drawn(count, patches, prompts)
    dominated[:, 0] = 1
    outlier = torch.full((1, patches, prompts), -1.0)
    outlier[0, 0, 0] = 1
    signs = torch.rand(count, patches, prompts, generator=generator).sub(0.5).sign()
    halves = torch.full((1, patches, prompts), -1.0)
    halves[:, : patches // 2, 0] = 1
    halves[:, patches // 2 :, 1:] = 1
    beaten = wide[1].clone()
    beaten[..., 1:] = beaten[..., :1] - 1
    every = [*wide, identical_columns, identical_rows, nearly, dominated, outlier, signs, halves, beaten]
    return torch.cat(every).clamp(-1, 1)


def common_factor(logs: Tensor, mass: float) -> Tensor:
    """The s with sum of min(exp(logs + s), 1) = mass, exact by sorting: caps are filled from the largest on."""
    ordered = logs.sort(-1, descending=True).values
    tails = ordered.flip(-1).logcumsumexp(-1).flip(-1)
    left = mass - torch.arange(logs.shape[-1], dtype=logs.dtype)
    factors = left.clamp(min=1e-300).log() - tails
    before = torch.cat([torch.full_like(ordered[:, :1], torch.inf), ordered[:, :-1]], -1)
    fits = (left > 0) & (before + factors >= -1e-12) & (ordered + factors <= 1e-12)
    assert fits.any(-1).all()
    return factors.gather(1, fits.double().argmax(-1, keepdim=True))[:, 0]


def two_prompts(similarity: Tensor, gamma: float, epsilon: float) -> Tensor:
    """Plans (P, M, 2) in patches, in fp64: the difference of the scales by bisection, the common factor by sorting."""
    patches = similarity.shape[1]
    logs = similarity.double().movedim(-1, 0) / epsilon
    logs = logs - logs.amax(-1, keepdim=True)

    def plan(difference: Tensor) -> Tensor:
        first, second = logs[0], logs[1] + difference[:, None]
        rows = torch.logaddexp(first, second)
        if gamma < 1:
            factor = common_factor(rows, gamma * patches)[:, None]
            first, second, rows = first + factor, second + factor, (rows + factor).clamp(min=0)
        return torch.stack([first - rows, second - rows], -1).exp()

    high = 50 - logs.amin((0, 2))
    low = -high
    for _ in range(80):
        middle = (low + high) / 2
        much = plan(middle)[..., 1].sum(-1) > gamma * patches / 2
        low, high = torch.where(much, low, middle), torch.where(much, middle, high)
    return plan((low + high) / 2)


def solved(similarity: Tensor, gamma: float, epsilon: float, variant: str = "unbalanced") -> Tensor:
    plans = Transport(gamma, epsilon, variant, solver="newton").plan(similarity)
    return plans.double() * similarity.shape[-2]


@pytest.mark.parametrize("epsilon", [0.005, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("gamma", [0.1, 0.8, 0.9999, 1.0])
@pytest.mark.parametrize("patches", [1, 2, 49])
def test_two_prompts_reach_the_fixed_point(patches: int, gamma: float, epsilon: float) -> None:
    similarity = problems(patches, 2)
    error = solved(similarity, gamma, epsilon) - two_prompts(similarity, gamma, epsilon)
    assert error.abs().max() < EXACT


@pytest.mark.parametrize("epsilon", [0.005, 0.1, 1.0])
@pytest.mark.parametrize("gamma", [0.1, 0.8, 0.9999, 1.0])
def test_many_patches_reach_the_fixed_point_in_single_precision(gamma: float, epsilon: float) -> None:
    similarity = problems(576, 2, 2)
    error = solved(similarity, gamma, epsilon) - two_prompts(similarity, gamma, epsilon)
    assert error.abs().max() < EXACT


@pytest.mark.parametrize("prompts", [1, 3, 5])
@pytest.mark.parametrize(("gamma", "epsilon"), [(0.1, 0.02), (0.8, 0.05), (0.9, 0.1), (1.0, 0.05), (1.0, 1.0)])
def test_any_number_of_prompts_reaches_the_fixed_point_of_many_sweeps(
    prompts: int, gamma: float, epsilon: float
) -> None:
    similarity = problems(49, prompts, 2)[:8]  # drawn ones: on the others 20,000 sweeps are not enough
    logs = similarity.double().movedim(-1, 0) / epsilon
    logs = logs - logs.amax(-1, keepdim=True)
    scales = torch.zeros_like(logs[:, :, :1])
    for _ in range(20_000):
        rows = -(logs + scales).logsumexp(0)
        rows = rows if gamma == 1 else rows.clamp(max=0)
        before, scales = scales, log(gamma * 49 / prompts) - (logs + rows).logsumexp(-1, keepdim=True)
        if (scales - before).abs().max() < 1e-12:
            break
    expected = (logs + rows + scales).exp().movedim(0, -1)
    assert (solved(similarity, gamma, epsilon) - expected).abs().max() < EXACT


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("patches", "prompts"), [(49, 2), (6, 1), (7, 5), (49, 3), (196, 2)])
def test_batch_mates_do_not_change_a_plan(variant: str, patches: int, prompts: int) -> None:
    similarity = problems(patches, prompts, 1)
    similarity = torch.cat([similarity, similarity[:3].flip(1)])
    similarity[2, 0, 0] = float("nan")
    for epsilon in (0.1, 0.02, 0.003):
        transport = Transport(0.8, epsilon, variant, solver="newton")
        together = transport.plan(similarity).nan_to_num(9)
        for number, alone in enumerate(similarity):
            assert torch.equal(transport.plan(alone).nan_to_num(9), together[number]), (epsilon, number)


def test_the_size_of_blocks_does_not_change_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    transport, similarity = Transport(0.8, 0.02, solver="newton"), problems(49, 2)
    whole = transport.plan(similarity)
    monkeypatch.setattr(newton, "BLOCK", 49 * 2 * 7)
    monkeypatch.setattr(plainnewton, "BLOCK", 49 * 5)
    assert torch.equal(transport.plan(similarity), whole)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("epsilon", [0.0005, 0.001, 10.0])
def test_outside_the_usual_range_plans_are_finite_and_columns_exact(variant: str, epsilon: float) -> None:
    similarity = problems(49, 2)
    plans = solved(similarity, 0.8, epsilon, variant)
    assert torch.isfinite(plans).all()
    mass = 0.8 if variant == "unbalanced" else 1
    assert (plans.sum(1) - mass * 49 / 2).abs().max() < 4 * EXACT


def test_the_sweeps_tolerance_and_count_do_not_matter() -> None:
    similarity = problems(49, 2)
    given = Transport(0.8, 0.01, iterations=1, tolerance=0.5, solver="newton").plan(similarity)
    assert torch.equal(given, Transport(0.8, 0.01, solver="newton").plan(similarity))


def test_usual_problems_take_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    similarity = 0.2 + 0.05 * torch.randn(2, 50, 49, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(plainnewton, "STEPS", 0)
    exact = Newton(Scaling(0.1, 0.8 * 49 / 2, True, 1e-3, 100)).solve(similarity)
    monkeypatch.setattr(newton, "STEPS", 5)
    assert torch.equal(Newton(Scaling(0.1, 0.8 * 49 / 2, True, 1e-3, 100)).solve(similarity), exact)


@pytest.mark.parametrize(("prompts", "epsilon"), [(2, 0.005), (2, 0.1), (3, 0.1), (5, 0.05)])
@pytest.mark.parametrize("gamma", [0.1, 0.8, 0.9999, 1.0])
def test_the_search_alone_finds_the_plans_of_the_plain_steps(
    prompts: int, epsilon: float, gamma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    similarity = problems(49, prompts, 2)
    plain = solved(similarity, gamma, epsilon)
    monkeypatch.setattr(plainnewton, "STEPS", 0)
    assert (solved(similarity, gamma, epsilon) - plain).abs().max() < EXACT


@pytest.mark.parametrize("prompts", [2, 3])
@pytest.mark.parametrize("gamma", [0.8, 1.0])
def test_a_batch_of_every_kind_is_finite_where_its_problems_are(prompts: int, gamma: float) -> None:
    similarity = torch.cat([problems(49, prompts, 1), drawn(prompts, 49)[:, :9].movedim(0, -1)])
    similarity[1, 3, 0], similarity[4, 0, -1], similarity[6] = float("nan"), float("inf"), -float("inf")
    for epsilon in (1.0, 0.01, 0.001):
        plans = solved(similarity, gamma, epsilon)
        bad = torch.isnan(plans).all(-1).all(-1)
        assert bad.nonzero()[:, 0].tolist() == [1, 4, 6]
        assert (plans[~bad] >= 0).all()
        assert (plans[~bad].sum(1) - gamma * 49 / prompts).abs().max() < 4 * EXACT


@pytest.mark.parametrize(("gamma", "mean"), [(0.1, 0.0), (0.7, 0.2)])
def test_one_patch_gets_what_many_full_and_many_empty_ones_leave(gamma: float, mean: float) -> None:
    patches, generator = 575, torch.Generator().manual_seed(0)
    full = int(gamma * patches)
    similarity = mean + 0.005 * torch.randn(12, patches, 2, generator=generator)
    similarity[:, :full] += 0.15
    similarity[:, full] += 0.08
    error = solved(similarity, gamma, 0.005) - two_prompts(similarity, gamma, 0.005)
    assert error.abs().max() < EXACT


def test_pairs_that_need_more_steps_are_left_to_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    similarity = problems(49, 2)
    monkeypatch.setattr(plainnewton, "STEPS", 1)
    error = solved(similarity, 0.8, 0.01) - two_prompts(similarity, 0.8, 0.01)
    assert error.abs().max() < EXACT


def test_unsolved_narrow_problems_and_wide_ones_are_searched_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """All problems of a batch are searched in fp64, the wide ones being in front of and among the narrow ones."""
    similarity = 0.2 + 0.01 * torch.randn(6, 49, 2, generator=torch.Generator().manual_seed(1))
    similarity[[0, 3], 0, 0] = 1.0
    search = Newton._fill

    def fill(self: Newton, plans: Tensor, given: Tensor, places: Tensor, dtype: torch.dtype) -> Tensor:
        return places if dtype == torch.float32 else search(self, plans, given, places, dtype)

    monkeypatch.setattr(Newton, "_fill", fill)
    monkeypatch.setattr(plainnewton, "STEPS", 0)
    error = solved(similarity, 1.0, 0.01) - two_prompts(similarity, 1.0, 0.01)
    assert error.abs().max() < EXACT


@pytest.mark.parametrize("prompts", [3, 6])
def test_single_precision_solves_shares_that_it_must_round(prompts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    similarity = 0.2 + 0.02 * torch.randn(4, 576, prompts, generator=torch.Generator().manual_seed(0))
    searched = {}
    search = Newton._fill

    def fill(self: Newton, plans: Tensor, given: Tensor, places: Tensor, dtype: torch.dtype) -> Tensor:
        searched[dtype] = len(places)
        return search(self, plans, given, places, dtype)

    monkeypatch.setattr(Newton, "_fill", fill)
    monkeypatch.setattr(plainnewton, "STEPS", 0)
    solved(similarity, 1.0, 0.005)
    assert searched == {torch.float32: 4, torch.float64: 0}


def test_what_no_search_solves_gets_patient_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    similarity = 0.2 + 0.05 * torch.randn(6, 49, 2, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(plainnewton, "STEPS", 0)
    monkeypatch.setattr(newton, "STEPS", 1)
    error = solved(similarity, 0.8, 0.02) - two_prompts(similarity, 0.8, 0.02)
    assert error.abs().max() < EXACT
