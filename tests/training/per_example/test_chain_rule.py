from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from fedsilo.training.per_example.chain_rule import compute_leaf_gradients


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def test_factors_get_their_closed_form() -> None:
    leaves = {"context": draw(3, 16), "u": draw(3, 2), "v": draw(2, 16)}
    residual, gradients = draw(3, 16), draw(5, 1, 3, 16)

    def contexts(at: Mapping[str, Tensor]) -> Tensor:
        return (at["context"] + at["u"] @ at["v"] + residual).unsqueeze(0)

    found = compute_leaf_gradients(contexts, leaves, gradients)
    by_context = gradients[:, 0]
    assert torch.equal(found["context"], by_context)
    assert torch.allclose(found["u"], by_context @ leaves["v"].T, atol=1e-12)
    assert torch.allclose(found["v"], leaves["u"].T @ by_context, atol=1e-12)


def test_stacked_contexts_get_their_own() -> None:
    leaves, gradients = {"context": draw(3, 16), "private_context": draw(3, 16)}, draw(5, 2, 3, 16)
    found = compute_leaf_gradients(lambda at: torch.stack(list(at.values())), leaves, gradients)
    assert torch.equal(found["context"], gradients[:, 0])
    assert torch.equal(found["private_context"], gradients[:, 1])


def test_a_leaf_that_makes_no_context_gets_zeros() -> None:
    found = compute_leaf_gradients(
        lambda at: at["context"][None], {"context": draw(3, 16), "gate": draw(4)}, draw(5, 1, 3, 16)
    )
    assert torch.equal(found["gate"], torch.zeros(5, 4, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(3, 16), ()])
def test_without_examples_there_are_no_gradients(shape: tuple[int, ...]) -> None:
    found = compute_leaf_gradients(lambda at: at["leaf"], {"leaf": torch.zeros(shape)}, torch.zeros(0, 1, 3, 16))
    assert found["leaf"].shape == (0, *shape)
