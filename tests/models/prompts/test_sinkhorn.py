"""The arithmetic of Sinkhorn's scaling against the loop of the paper."""

import pytest
import torch
from tests.models.prompts.transport_problems import close, cosines
from torch import Tensor

from fedsilo.models.prompts import sinkhorn as scaling
from fedsilo.models.prompts.optimal_transport import VARIANTS, Transport


def published(similarity: Tensor, gamma: float, epsilon: float, sweeps: int, capped: bool = True) -> Tensor:
    """One problem (M, N), the loop of the paper as it is written, in fp64, with diagonal matrices."""
    patches, prompts = similarity.shape
    kernel = torch.exp(-(1 - similarity.double()) / epsilon)
    a, b = torch.full((patches,), 1 / patches).double(), torch.full((prompts,), gamma / prompts).double()
    v = torch.ones(prompts, dtype=torch.float64)
    for _ in range(sweeps):
        u = a / (kernel @ v)
        u = torch.minimum(u, torch.ones_like(u)) if capped else u
        v = b / (kernel.T @ u)
    return torch.diag(u) @ kernel @ torch.diag(v)


@pytest.mark.parametrize("epsilon", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("sweeps", [1, 2, 7, 100])
@pytest.mark.parametrize("spread", [0.1, 0.3, 0.8])
def test_unbalanced_has_the_iterates_of_the_published_loop(epsilon: float, sweeps: int, spread: float) -> None:
    similarity = cosines(4, 49, 2, spread=spread)
    plans = Transport(0.8, epsilon, iterations=sweeps, tolerance=0).plan(similarity)
    assert plans.dtype == torch.float32
    for found, alone in zip(plans, similarity, strict=True):
        assert close(found, published(alone, 0.8, epsilon, sweeps))


@pytest.mark.parametrize("prompts", [1, 3, 5])
@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_any_number_of_prompts_has_the_iterates_of_the_published_loop(prompts: int, gamma: float) -> None:
    similarity = cosines(4, 49, prompts, spread=0.3)
    plans = Transport(gamma, 0.05, iterations=60, tolerance=0).plan(similarity)
    assert (plans.sum(-2) - gamma / prompts).abs().max() < 1e-6
    for found, alone in zip(plans, similarity, strict=True):
        assert close(found, published(alone, gamma, 0.05, 60))


@pytest.mark.parametrize("epsilon", [0.01, 0.1])
@pytest.mark.parametrize("sweeps", [1, 5, 100])
def test_sinkhorn_has_the_iterates_of_the_published_loop(epsilon: float, sweeps: int) -> None:
    similarity = cosines(4, 49, 3, spread=0.3)
    plans = Transport(0.3, epsilon, "sinkhorn", iterations=sweeps, tolerance=0).plan(similarity)
    for found, alone in zip(plans, similarity, strict=True):
        assert close(found, published(alone, 1.0, epsilon, sweeps, capped=False))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("gamma", [0.8, 0.999])
def test_single_double_and_log_arithmetic_meet(variant: str, gamma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same problems in the arithmetic chosen for them and on logarithms, on both sides of the bounds."""
    for wanted in (1.0, 30.0, 39.9, 40.1, 120.0, 299.0):
        similarity = cosines(4, 49, 2, spread=0.3)
        low, high = similarity.amin(-2, keepdim=True), similarity.amax(-2, keepdim=True)
        similarity = (similarity - low) / (high - low) * 0.01 * wanted - 1
        transport = Transport(gamma, 0.01, variant, iterations=60, tolerance=0)
        chosen = transport.plan(similarity)
        with monkeypatch.context() as patch:
            patch.setattr(scaling, "FP32_SPAN", -1.0)
            patch.setattr(scaling, "FP64_SPAN", -1.0)
            assert close(chosen, transport.plan(similarity), 1e-3), wanted


def test_a_problem_stops_at_its_own_sweep() -> None:
    """An easy problem is not taken further by a hard one, and blocks end where they like."""
    easy, hard = cosines(49, 2, spread=0.01), cosines(49, 2, spread=0.6)
    transport = Transport(0.8, 0.05, tolerance=1e-2)
    counts = [n for n in range(1, 21) if torch.equal(transport.plan(easy), _after(n, easy))]
    assert counts, "it stops at an iterate"
    together = transport.plan(torch.stack([hard, easy, hard]))
    assert torch.equal(together[1], _after(counts[0], easy))
    assert torch.equal(together[0], transport.plan(hard))
    assert not torch.equal(together[0], _after(counts[-1], hard))


def _after(sweeps: int, similarity: Tensor) -> Tensor:
    return Transport(0.8, 0.05, iterations=sweeps, tolerance=0).plan(similarity)


def test_the_size_of_blocks_does_not_change_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    similarity = cosines(60, 49, 2, spread=0.3)
    whole = Transport(0.8, 0.02).plan(similarity)
    monkeypatch.setattr(scaling, "BLOCK", 49 * 2 * 7)
    assert torch.equal(Transport(0.8, 0.02).plan(similarity), whole)
