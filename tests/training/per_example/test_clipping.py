from __future__ import annotations

from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedsilo.core.errors import NotFinite
from fedsilo.training.per_example.clipping import sum_clipped

CLIP = 0.7


def drawn(examples: int, seed: int = 0, spread: float = 2.0) -> dict[str, Tensor]:
    """Gradients of two leaves whose norms lie on both sides of the clip norm."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.exp(spread * torch.randn(examples, generator=generator)) / 6
    return {
        "context": sizes[:, None, None] * torch.randn(examples, 3, 8, generator=generator),
        "gate": sizes[:, None] * torch.randn(examples, 5, generator=generator),
    }


def some(gradients: dict[str, Tensor], chosen: list[int]) -> dict[str, Tensor]:
    return {name: gradient[chosen] for name, gradient in gradients.items()}


def length(state: dict[str, Tensor]) -> float:
    return sqrt(sum(float(tensor.double().square().sum()) for tensor in state.values()))


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return length({name: one[name] - other[name] for name in one})


def test_hand_computed_joint_clip() -> None:
    gradients = {"a": torch.tensor([[3.0, 0.0], [0.3, 0.0]]), "b": torch.tensor([4.0, 0.4])}
    sums, norms = sum_clipped(gradients, 1.0)
    assert norms.tolist() == pytest.approx([5.0, 0.5])
    assert sums["a"].tolist() == pytest.approx([0.6 + 0.3, 0.0])
    assert float(sums["b"]) == pytest.approx(0.8 + 0.4)
    assert sums["a"].dtype == norms.dtype == torch.float64


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**31), st.floats(1e-6, 1e3))
def test_no_example_is_longer_than_the_clip_norm(seed: int, clip_norm: float) -> None:
    gradients = drawn(1, seed, spread=8.0)
    sums, _ = sum_clipped(gradients, clip_norm)
    assert length(sums) <= clip_norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_norms_that_round_to_the_clip_norm_do_not_pass_it(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(200, 999, generator=generator, dtype=torch.float64)
    directions = (CLIP * directions / directions.norm(dim=1, keepdim=True)).to(dtype)
    for number in range(200):
        sums, _ = sum_clipped({"context": directions[number : number + 1]}, CLIP)
        exact = sum(value * value for value in map(float, sums["context"]))
        assert sqrt(exact) <= CLIP


def test_short_gradients_are_left_alone() -> None:
    gradients = drawn(1)
    sums, norms = sum_clipped(gradients, 1.01 * float(sum_clipped(gradients, 1.0)[1]))
    assert distance(sums, {name: each[0].double() for name, each in gradients.items()}) == 0
    assert length(sums) == pytest.approx(float(norms))


def test_removing_an_example_moves_the_sum_by_at_most_the_clip_norm() -> None:
    gradients = drawn(12)
    everyone, norms = sum_clipped(gradients, CLIP)
    assert bool((norms > CLIP).any())
    assert bool((norms < CLIP).any())
    for gone in range(12):
        rest, _ = sum_clipped(some(gradients, [n for n in range(12) if n != gone]), CLIP)
        assert distance(everyone, rest) <= CLIP
        assert distance(everyone, rest) == pytest.approx(min(float(norms[gone]), CLIP), rel=1e-6)


def test_replacing_an_example_moves_the_sum_by_at_most_twice_the_clip_norm() -> None:
    gradients, others = drawn(12), drawn(12, seed=1)
    everyone, _ = sum_clipped(gradients, CLIP)
    furthest = 0.0
    for number in range(12):
        for opposite in (False, True):
            changed = {name: gradient.clone() for name, gradient in gradients.items()}
            for name in changed:
                changed[name][number] = -1e3 * gradients[name][number] if opposite else others[name][number]
            furthest = max(furthest, distance(everyone, sum_clipped(changed, CLIP)[0]))
    assert 1.9 * CLIP < furthest <= 2 * CLIP


def test_without_examples_the_sum_is_zero() -> None:
    sums, norms = sum_clipped(drawn(0), CLIP)
    assert {name: tuple(each.shape) for name, each in sums.items()} == {"context": (3, 8), "gate": (5,)}
    assert length(sums) == 0
    assert norms.shape == (0,)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_are_refused(bad: float) -> None:
    gradients = drawn(5)
    gradients["gate"][3, 1] = bad
    with pytest.raises(NotFinite, match=r"gradient by 'gate' is not finite for 1 of 5 examples.*example 3"):
        sum_clipped(gradients, CLIP)


def test_opacus_clips_to_the_same_sum() -> None:
    from opacus.optimizers import DPOptimizer

    gradients = drawn(12)
    leaves = {name: torch.zeros(each.shape[1:], requires_grad=True) for name, each in gradients.items()}
    optimizer = DPOptimizer(
        torch.optim.SGD(list(leaves.values()), lr=1.0),
        noise_multiplier=0.0,
        max_grad_norm=CLIP,
        expected_batch_size=None,
        loss_reduction="sum",
    )
    for name, leaf in leaves.items():
        leaf.grad_sample = gradients[name]  # type: ignore[attr-defined]
    optimizer.step()
    sums, _ = sum_clipped(gradients, CLIP)
    stepped = {name: -leaf.detach().double() for name, leaf in leaves.items()}
    assert distance(sums, stepped) < 1e-5 * length(sums)
