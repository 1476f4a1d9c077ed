import subprocess
import sys

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.prompts.transport_problems import close, cosines
from torch import Tensor

from fedsilo.core.errors import ScenarioError
from fedsilo.models.prompts.optimal_transport import SOLVERS, VARIANTS, Transport

EXACT = Transport(iterations=3000, tolerance=1e-7)


@pytest.mark.parametrize("epsilon", [0.01, 0.1])
@pytest.mark.parametrize("gamma", [0.3, 0.8, 1.0])
def test_columns_are_exact_and_rows_capped(epsilon: float, gamma: float) -> None:
    plans = Transport(gamma, epsilon).plan(cosines(5, 3, 49, 2))
    assert plans.shape == (5, 3, 49, 2)
    assert plans.min() >= 0
    assert (plans.sum(-2) - gamma / 2).abs().max() < 1e-6
    assert (plans.sum((-2, -1)) - gamma).abs().max() < 1e-6
    excess = {0.1: 5e-5, 0.01: 1e-3} if gamma < 1 else {0.1: 5e-4, 0.01: 5e-3}  # after 100 sweeps at most
    assert plans.sum(-1).max() < 1 / 49 + excess[epsilon]


@pytest.mark.parametrize("spread", [0.1, 0.5])
def test_a_problem_that_met_the_tolerance_keeps_its_rows_within_it(spread: float) -> None:
    plans = Transport(0.8, 0.05, iterations=20_000, tolerance=1e-3).plan(cosines(20, 49, 2, spread=spread))
    assert plans.sum(-1).max() * 49 < 1 + 2 * 1e-3 + 1e-5


def test_gamma_one_is_sinkhorn() -> None:
    similarity = cosines(6, 49, 2)
    capped = Transport(1.0, 0.1, iterations=3000, tolerance=1e-7).plan(similarity)
    exact = Transport(1.0, 0.1, "sinkhorn", iterations=3000, tolerance=1e-7).plan(similarity)
    assert close(capped, exact, 1e-3)
    assert (exact.sum(-1) * 49 - 1).abs().max() < 1e-4


@pytest.mark.parametrize(("epsilon", "spread"), [(0.1, 0.1), (0.05, 0.3), (0.01, 0.05)])
def test_sinkhorn_is_pot_s(epsilon: float, spread: float) -> None:
    similarity = cosines(3, 30, 2, spread=spread)
    plans = Transport(1.0, epsilon, "sinkhorn", iterations=5000, tolerance=1e-7).plan(similarity)
    a, b = np.full(30, 1 / 30), np.full(2, 1 / 2)
    for found, alone in zip(plans, similarity, strict=True):
        cost = (1 - alone.double()).numpy()
        expected = ot.sinkhorn(a, b, cost, epsilon, method="sinkhorn_log", numItermax=20_000, stopThr=1e-11)
        assert close(found, torch.from_numpy(expected), 1e-3)


@pytest.mark.parametrize("gamma", [0.4, 0.8])
def test_small_epsilon_approaches_the_linear_programme(gamma: float) -> None:
    similarity = cosines(5, 6, 2, spread=0.3, seed=1)  # without near ties, which entropy would split
    plans = Transport(gamma, 0.002, iterations=3000, tolerance=1e-5).plan(similarity)
    rows, columns = np.full(6, 1 / 6), np.array([gamma / 2, gamma / 2, 1 - gamma])
    for found, alone in zip(plans, similarity, strict=True):
        # A third prompt takes for nothing what the patches keep: columns exact, rows capped.
        cost = np.concatenate([(1 - alone.double()).numpy(), np.zeros((6, 1))], axis=1)
        best = float((ot.emd(rows, columns, cost)[:, :2] * cost[:, :2]).sum())
        reached = float((found.double() * (1 - alone.double())).sum())
        assert reached == pytest.approx(best, abs=1e-4)
        assert close(found, torch.from_numpy(ot.emd(rows, columns, cost)[:, :2]), 0.02)


def test_one_prompt_is_partial_transport() -> None:
    similarity = cosines(40, 1, spread=0.3, seed=5)
    found = Transport(0.5, 0.002, iterations=20_000, tolerance=1e-7).plan(similarity)
    cost = (1 - similarity.double()).numpy()
    expected = ot.partial.partial_wasserstein(np.full(40, 1 / 40), np.array([1.0]), cost, m=0.5)
    assert close(found, torch.from_numpy(expected), 0.3)  # at the margin between taken and left, entropy splits
    assert float((found.double() * (1 - similarity)).sum()) == pytest.approx(float((expected * cost).sum()), abs=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_at_a_small_epsilon_is_that_of_single_precision(variant: str, dtype: torch.dtype) -> None:
    similarity = cosines(8, 196, 2, spread=0.3).to(dtype)
    plans = Transport(0.8, 0.01, variant).plan(similarity)
    assert plans.dtype == torch.float32
    assert torch.isfinite(plans).all()
    assert torch.equal(plans, Transport(0.8, 0.01, variant).plan(similarity.float()))


def extreme() -> list[Tensor]:
    """Problems (49, 2) as far apart as cosines can be."""
    flat = torch.full((49, 2), 0.2)
    beaten = cosines(49, 2)
    beaten[:, 1] = beaten[:, 0] - 1.5
    outlier = torch.full((49, 2), -1.0)
    outlier[7, 0] = 1.0
    halves = torch.where(torch.arange(49)[:, None] < 24, torch.tensor([1.0, -1.0]), torch.tensor([-1.0, 1.0]))
    lost = torch.full((49, 2), 1.0)
    lost[3] = -1.0
    return [flat, -flat / 0.2, flat / 0.2, beaten.clamp(-1, 1), outlier, halves, lost, cosines(49, 2, spread=2.0)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("epsilon", [0.001, 0.003, 0.01, 0.1, 10.0])
@pytest.mark.parametrize("gamma", [0.05, 0.8, 0.999, 1.0])
def test_extreme_similarities_give_finite_plans_with_exact_columns(variant: str, epsilon: float, gamma: float) -> None:
    plans = Transport(gamma, epsilon, variant).plan(torch.stack(extreme()))
    mass = gamma if variant == "unbalanced" else 1.0
    assert torch.isfinite(plans).all()
    assert plans.min() >= 0
    assert (plans.sum(-2) - mass / 2).abs().max() < 1e-6


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("patches", "prompts"), [(49, 2), (6, 1), (7, 5), (196, 2)])
def test_batch_mates_do_not_change_a_plan(variant: str, patches: int, prompts: int) -> None:
    """Bit for bit: easy and hard ones, of all three arithmetics, a broken one among them, one alone or all together."""
    spreads = torch.tensor([0.01, 0.1, 0.3, 0.8, 0.02, 0.5, 0.01, 0.3, 0.05])
    noise = torch.randn(9, patches, prompts, generator=torch.Generator().manual_seed(1))
    similarity = (0.2 + spreads[:, None, None] * noise).clamp(-1, 1)
    similarity[4, 0, 0] = float("nan")
    for epsilon in (0.1, 0.02, 0.003):
        transport = Transport(0.8, epsilon, variant)
        together = transport.plan(similarity).nan_to_num(9)
        for number, alone in enumerate(similarity):
            assert torch.equal(transport.plan(alone).nan_to_num(9), together[number]), (epsilon, number)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_common_shift_changes_nothing_but_the_start(variant: str) -> None:
    transport = Transport(0.8, 0.1, variant, iterations=3000, tolerance=1e-7)
    similarity = cosines(5, 49, 2)
    expected = transport.plan(similarity)
    for shift in (-1.0, 0.3, 30.0):
        assert close(transport.plan(similarity + shift), expected, 2e-3), shift


def test_a_column_s_shift_changes_nothing() -> None:
    """Columns are exact, so a prompt that is better everywhere gets no more."""
    similarity = cosines(5, 49, 2)
    shifted = similarity - torch.tensor([0.0, 0.4])
    assert close(EXACT.plan(shifted), EXACT.plan(similarity), 2e-3)


def test_nan_and_infinity_stay_in_their_problem() -> None:
    clean = cosines(6, 49, 2)
    similarity = clean.clone()
    similarity[1, 3, 0], similarity[2, 0, 1], similarity[4, 5, 1] = float("nan"), float("inf"), -float("inf")
    plans, expected = Transport().plan(similarity), Transport().plan(clean)
    for broken in (1, 2, 4):
        assert plans[broken].isnan().all()
    for sound in (0, 3, 5):
        assert torch.equal(plans[sound], expected[sound])


def test_the_plan_has_no_gradient() -> None:
    similarity = cosines(3, 49, 2).requires_grad_()
    plans = Transport().plan(similarity)
    assert not plans.requires_grad
    (gradient,) = torch.autograd.grad((plans * similarity).sum(), similarity)
    assert torch.equal(gradient, plans)


@pytest.mark.parametrize("solver", SOLVERS)
def test_any_layout_gives_the_same_and_the_input_stays(solver: str) -> None:
    similarity = cosines(4, 3, 2, 49).permute(0, 1, 3, 2)
    before = similarity.clone()
    transport = Transport(1.0, solver=solver)
    assert torch.equal(transport.plan(similarity), transport.plan(similarity.contiguous()))
    assert torch.equal(similarity, before)
    assert transport.plan(similarity[:0]).shape == (0, 3, 49, 2)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("epsilon", [0.01, 0.1])
def test_pot_s_solver_agrees_where_it_fits(variant: str, epsilon: float) -> None:
    similarity = cosines(2, 4, 49, 2, spread=0.05 if epsilon == 0.01 else 0.2)
    ours = Transport(1.0, epsilon, variant, 5000, 1e-7).plan(similarity)
    theirs = Transport(1.0, epsilon, variant, 5000, 1e-7, "pot").plan(similarity)
    assert theirs.dtype == torch.float32
    assert theirs.shape == ours.shape
    assert close(theirs, ours, 2e-3)


def test_pot_s_solver_is_refused_where_it_does_not_fit() -> None:
    transport = Transport(0.8, solver="pot")
    assert len(transport.problems()) == 1
    with pytest.raises(ScenarioError, match=r"'pot' has no batched solver .* gamma 0\.8\. Set solver: sweeps"):
        transport.plan(cosines(49, 2))
    assert not Transport(0.8, variant="sinkhorn", solver="pot").problems()
    assert not Transport(1.0, solver="pot").problems()


def test_pot_is_not_imported_unless_asked_for() -> None:
    code = (
        "import sys, torch; from fedsilo.models.prompts.optimal_transport import Transport\n"
        "Transport().plan(torch.zeros(4, 2)); print('ot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stdout + run.stderr


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 12).flatmap(
        lambda m: st.integers(1, 4).flatmap(
            lambda n: st.lists(st.floats(-1, 1, width=32), min_size=m * n, max_size=m * n).map(
                lambda values: torch.tensor(values, dtype=torch.float32).reshape(m, n)
            )
        )
    ),
    st.floats(0.01, 1),
    st.sampled_from([0.0005, 0.01, 0.1, 1.0]),
    st.sampled_from(VARIANTS),
)
def test_any_cosines_give_a_plan_of_the_given_mass(
    similarity: Tensor, gamma: float, epsilon: float, variant: str
) -> None:
    plan = Transport(gamma, epsilon, variant).plan(similarity)
    mass = gamma if variant == "unbalanced" else 1.0
    assert torch.isfinite(plan).all()
    assert plan.min() >= 0
    assert (plan.sum(0) - mass / similarity.shape[1]).abs().max() < 1e-6
