import pytest
import torch
from torch import Tensor

from fedsilo.models.prompts.lowrank import factorise, recombine

TIGHT = 1e-12


def context(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return 0.02 * torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def factors(own: Tensor, rank: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    return factorise(own, rank, torch.Generator().manual_seed(seed))


def plus_sign(u: Tensor, v: Tensor, by_u: Tensor, by_v: Tensor) -> Tensor:
    """What the authors' code computes, but for its factor of a tenth."""
    return by_u @ v + u @ by_v + u @ u.T @ by_u @ v


def tangent_projection(gradient: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The nearest matrix of the form u X + Y v, by least squares over a basis of these: no formula of ours in it."""
    length, width = gradient.shape
    across = torch.eye(width, dtype=u.dtype)
    along = torch.eye(length, dtype=u.dtype)
    basis = [torch.outer(u[:, i], across[j]) for i in range(u.shape[1]) for j in range(width)]
    basis += [torch.outer(along[i], v[j]) for i in range(length) for j in range(v.shape[0])]
    columns = torch.stack([direction.flatten() for direction in basis], dim=1)
    solution = torch.linalg.lstsq(columns, gradient.flatten().unsqueeze(1), driver="gelsd").solution
    return (columns @ solution).reshape(length, width)


@pytest.mark.parametrize("rank", [1, 2, 4, 6])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-6), (torch.float64, TIGHT)])
def test_factors_are_orthonormal_and_with_the_residual_give_the_context(
    rank: int, dtype: torch.dtype, near: float
) -> None:
    own = context(6, 24, dtype=dtype)
    u, v = factors(own, rank)
    one = torch.eye(rank, dtype=dtype)
    assert (u.shape, v.shape, u.dtype) == ((6, rank), (rank, 24), dtype)
    assert float((u.T @ u - one).abs().max()) < near
    assert float((v @ v.T - one).abs().max()) < near
    assert float((u @ v + (own - u @ v) - own).abs().max()) < near
    assert float((u @ v).norm()) == pytest.approx(rank**0.5, rel=1e-5)


def gram_schmidt(matrix: Tensor) -> Tensor:
    """Modified Gram-Schmidt, column by column, as the paper's orth."""
    columns: list[Tensor] = []
    for column in matrix.T:
        rest = column
        for done in columns:
            rest = rest - (done @ rest) * done
        columns.append(rest / rest.norm())
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_factors_are_those_of_gram_schmidt_with_their_signs(rank: int) -> None:
    own = context(6, 24)
    start = torch.randn(24, rank, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left = gram_schmidt(own @ start)
    right = gram_schmidt(own.T @ left)
    u, v = factors(own, rank)
    assert torch.allclose(u, left, atol=1e-9)
    assert torch.allclose(v, right.T, atol=1e-9)


@pytest.mark.parametrize(("rank", "expected"), [(1, 0.255), (4, 0.505), (8, 0.711), (16, 0.991)])
def test_the_product_of_the_factors_points_along_the_context(rank: int, expected: float) -> None:
    """Mean cosine over 200 draws at the paper's size; with signs as they happen to come it is about 0."""
    generator = torch.Generator().manual_seed(7)
    cosines = []
    for _ in range(200):
        own = 0.02 * torch.randn(16, 512, generator=generator)
        u, v = factorise(own, rank, generator)
        cosines.append(float(torch.cosine_similarity((u @ v).flatten(), own.flatten(), dim=0)))
    assert sum(cosines) / len(cosines) == pytest.approx(expected, abs=0.01)


def test_factors_are_of_the_context() -> None:
    """Of a context of rank 2 two columns of u hold all, and v spans the rows that u sees."""
    own = context(6, 2) @ context(2, 24)
    u, v = factors(own, 2)
    assert torch.allclose(u @ u.T @ own, own, atol=TIGHT)
    assert torch.allclose(own @ v.T @ v, own, atol=TIGHT)


def test_the_same_generator_gives_the_same_factors_and_another_one_others() -> None:
    own = context(6, 24)
    assert torch.equal(factors(own, 3)[0], factors(own, 3)[0])
    assert not torch.allclose(factors(own, 3)[0], factors(own, 3, seed=1)[0])


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_recombined_gradients_are_the_projection_and_those_with_a_plus_are_not(rank: int) -> None:
    u, v = factors(context(6, 12), rank)
    gradient = torch.randn(6, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected = tangent_projection(gradient, u, v)
    off = [
        float((rule(u, v, gradient @ v.T, u.T @ gradient) - expected).norm() / expected.norm())
        for rule in (recombine, plus_sign)
    ]
    assert off[0] < 1e-10
    assert off[1] > 0.1


def test_gradients_of_the_factors_are_those_that_recombine_expects() -> None:
    """dU = G v^T and dV = u^T G, by autograd."""
    own, weights = context(4, 10), context(4, 10)
    u, v = (part.requires_grad_() for part in factors(own, 2))
    ((u @ v).sin() * weights).sum().backward()
    gradient = (u @ v).cos() * weights
    assert u.grad is not None
    assert v.grad is not None
    assert torch.allclose(u.grad, gradient @ v.T, atol=TIGHT)
    assert torch.allclose(v.grad, u.T @ gradient, atol=TIGHT)


@pytest.mark.parametrize("rank", [6, 9])
def test_at_full_rank_the_whole_gradient_comes_back(rank: int) -> None:
    u, v = factors(context(6, 24), rank)
    gradient = context(6, 24) / 0.02
    assert u.shape == (6, 6)
    assert torch.allclose(recombine(u, v, gradient @ v.T, u.T @ gradient), gradient, atol=TIGHT)


def test_a_context_that_has_lost_rank_still_has_factors() -> None:
    for own in (torch.zeros(4, 10), context(4, 1, dtype=torch.float32) @ torch.ones(1, 10)):
        u, v = factors(own, 3)
        assert torch.allclose(u.T @ u, torch.eye(3), atol=1e-5)
        assert torch.allclose(v @ v.T, torch.eye(3), atol=1e-5)


def test_contexts_of_classes_are_factorised_apart() -> None:
    own = context(5, 6, 24)
    u, v = factors(own, 3)
    gradient = context(5, 6, 24) / 0.02
    together = recombine(u, v, gradient @ v.mT, u.mT @ gradient)
    for k in range(5):
        alone = recombine(u[k], v[k], gradient[k] @ v[k].T, u[k].T @ gradient[k])
        assert torch.allclose(together[k], alone, atol=TIGHT)
        assert torch.allclose(u[k].T @ u[k], torch.eye(3, dtype=torch.float64), atol=TIGHT)
        assert torch.all((u[k].T @ own[k] * v[k]).sum(1) > 0), "each u_i v_i points along its class's context"
