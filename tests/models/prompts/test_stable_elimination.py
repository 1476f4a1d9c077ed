"""Elimination against the product with the matrix."""

import pytest
import torch

from fedsilo.models.prompts.stable_elimination import solve_without_subtraction


@pytest.mark.parametrize("anchored", [True, False])
def test_elimination_solves_the_system(anchored: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(4, 4, generator=generator, dtype=torch.float64).tril(-1)
    free = torch.rand(4, generator=generator, dtype=torch.float64) * 1e-9 * anchored
    wanted = torch.tensor([1.0, -2, 3, -2], dtype=torch.float64)
    matrix = (weights + weights.T).sum(1).add(free).diag() - weights - weights.T
    links = {(n, j): weights[n, j, None] for n in range(4) for j in range(n)}
    found = solve_without_subtraction(links, list(free[:, None]), list(wanted[:, None]), anchored)[:, 0]
    assert (matrix @ found - wanted).abs().max() < 1e-12 * max(1, float(found.abs().max()))
    assert anchored or found[0] == 0
