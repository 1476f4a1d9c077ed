from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.models.clip.text_tower import encode_prompts
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.training.per_example.context_gradients import (
    compute_context_gradients,
    compute_dense_gradients,
    encode_texts,
)
from fedsilo.training.per_example.selection import select

ROOMY = 1000


def error(value: Tensor, expected: Tensor) -> float:
    return float((value - expected).norm() / expected.norm())


def peaked(examples: int, prompts: int, power: float = 4.0, dtype: torch.dtype = torch.float64) -> Tensor:
    """(B, N, 5, 8) cotangents of which few rows are large."""
    generator = torch.Generator().manual_seed(31)
    drawn = torch.randn(examples, prompts, 5, 8, generator=generator, dtype=torch.float64)
    sizes = torch.rand(examples, prompts, 5, 1, generator=generator, dtype=torch.float64) ** power
    return (drawn * sizes).to(dtype)


def jacobians(model: FrozenModel, context: Tensor) -> Tensor:
    """(K, D, L W) of the normalised features."""

    def features(at: Tensor) -> Tensor:
        return normalize(encode_prompts(model.tower, model.classes, at), dim=-1)

    found: Tensor = torch.autograd.functional.jacobian(features, context)  # type: ignore[no-untyped-call]
    return found.flatten(2)


def by_example(model: FrozenModel, contexts: Tensor, cotangents: Tensor) -> Tensor:
    """One backward after the other through the path that training takes."""
    contexts = contexts.detach().requires_grad_()
    found = [
        torch.autograd.grad(model.text_features(contexts), contexts, each, materialize_grads=True)[0]
        for each in cotangents
    ]
    return torch.stack(found)


def test_texts_are_those_of_training(model: FrozenModel, contexts: Tensor) -> None:
    texts = encode_texts(model.tower, model.classes, contexts)
    assert texts.features.shape == (2, 5, 8)
    assert error(texts.features, model.text_features(contexts)) < 1e-12


@pytest.mark.parametrize("prompts", [1, 2])
def test_gradients_equal_the_loop(model: FrozenModel, contexts: Tensor, prompts: int) -> None:
    contexts, cotangents = contexts[:prompts], peaked(7, prompts)
    expected = by_example(model, contexts, cotangents)
    texts = encode_texts(model.tower, model.classes, contexts)
    found = compute_context_gradients(texts, cotangents, tolerance=0, memory_mb=ROOMY)
    assert found.gradients.shape == (7, prompts, 3, 16)
    assert error(found.gradients, expected) < 1e-10
    assert torch.equal(found.kept, torch.full((7, prompts), 5))
    assert not found.moved.any()
    dense = compute_dense_gradients(model.tower, model.classes, contexts, cotangents, memory_mb=ROOMY)
    assert error(dense, expected) < 1e-10


def test_fp32_gradients_equal_the_loop(toy_model: FrozenModel, model: FrozenModel, contexts: Tensor) -> None:
    cotangents = peaked(7, 2)
    expected = by_example(model, contexts, cotangents).float()
    texts = encode_texts(toy_model.tower, toy_model.classes, contexts.float())
    found = compute_context_gradients(texts, cotangents.float(), tolerance=0, memory_mb=ROOMY).gradients
    dense = compute_dense_gradients(
        toy_model.tower, toy_model.classes, contexts.float(), cotangents.float(), memory_mb=ROOMY
    )
    assert found.dtype == dense.dtype == torch.float32
    assert error(found, expected) < 1e-5
    assert error(dense, expected) < 1e-5


def test_their_sum_is_the_gradient_of_the_sum(model: FrozenModel, contexts: Tensor) -> None:
    cotangents, contexts = peaked(7, 2), contexts.requires_grad_()
    (expected,) = torch.autograd.grad(model.text_features(contexts), contexts, cotangents.sum(dim=0))
    texts = encode_texts(model.tower, model.classes, contexts)
    found = compute_context_gradients(texts, cotangents, tolerance=0, memory_mb=ROOMY).gradients
    assert error(found.sum(dim=0), expected) < 1e-10


@pytest.mark.parametrize("tolerance", [0.05, 0.2, 0.5])
def test_a_tolerance_moves_gradients_within_the_bound(model: FrozenModel, contexts: Tensor, tolerance: float) -> None:
    context, cotangents = contexts[:1], peaked(20, 1)
    texts = encode_texts(model.tower, model.classes, context)
    exact = compute_context_gradients(texts, cotangents, tolerance=0, memory_mb=ROOMY).gradients
    found = compute_context_gradients(texts, cotangents, tolerance=tolerance, memory_mb=ROOMY)
    assert 20 <= int(found.kept.sum()) < 100
    assert float(found.moved.max()) <= tolerance
    kept, maps = select(cotangents[:, 0], tolerance).kept, jacobians(model, context[0])
    moved = (found.gradients - exact).flatten(1).norm(dim=1)
    for number in range(20):
        off = max(float(torch.linalg.matrix_norm(one, ord=2)) for one in maps - maps[kept[number]].mean(dim=0))
        bound = float(found.moved[number, 0]) * float(cotangents[number, 0].norm(dim=1).sum()) * off
        assert float(moved[number]) <= bound * (1 + 1e-9) + 1e-12


def test_a_tolerance_gives_the_exact_gradient_of_what_it_kept(model: FrozenModel, contexts: Tensor) -> None:
    cotangents = peaked(6, 2)
    replaced = torch.zeros_like(cotangents)
    for prompt in range(2):
        kept = select(cotangents[:, prompt], 0.3).kept
        rest = (cotangents[:, prompt] * ~kept[:, :, None]).sum(dim=1) / kept.sum(dim=1)[:, None]
        replaced[:, prompt] = (cotangents[:, prompt] + rest[:, None]) * kept[:, :, None]
    texts = encode_texts(model.tower, model.classes, contexts)
    found = compute_context_gradients(texts, cotangents, tolerance=0.3, memory_mb=ROOMY)
    assert int(found.kept.sum()) < 60
    assert error(found.gradients, by_example(model, contexts, replaced)) < 1e-10


@pytest.mark.parametrize("tolerance", [0.0, 0.2])
def test_an_example_does_not_depend_on_its_batch_mates(
    toy_model: FrozenModel, contexts: Tensor, tolerance: float
) -> None:
    cotangents = peaked(8, 2, dtype=torch.float32)
    texts = encode_texts(toy_model.tower, toy_model.classes, contexts.float())
    together = compute_context_gradients(texts, cotangents, tolerance=tolerance, memory_mb=ROOMY)
    for number in range(8):
        alone = compute_context_gradients(texts, cotangents[number : number + 1], tolerance=tolerance, memory_mb=ROOMY)
        assert torch.equal(alone.kept[0], together.kept[number])
        assert torch.equal(alone.moved[0], together.moved[number])
        assert error(alone.gradients[0], together.gradients[number]) < 1e-6


@pytest.mark.parametrize("tolerance", [0.0, 0.2])
def test_memory_changes_nothing(model: FrozenModel, contexts: Tensor, tolerance: float) -> None:
    cotangents = peaked(9, 2)
    texts = encode_texts(model.tower, model.classes, contexts)
    roomy = compute_context_gradients(texts, cotangents, tolerance=tolerance, memory_mb=ROOMY)
    narrow = compute_context_gradients(texts, cotangents, tolerance=tolerance, memory_mb=0)
    assert error(narrow.gradients, roomy.gradients) < 1e-12
    assert torch.equal(narrow.kept, roomy.kept)
    dense = [
        compute_dense_gradients(model.tower, model.classes, contexts, cotangents, memory_mb=mb) for mb in (0, ROOMY)
    ]
    assert error(dense[0], dense[1]) < 1e-12


def test_as_many_examples_run_together_as_memory_holds(
    model: FrozenModel, contexts: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedsilo.training.per_example import context_gradients as module

    seen: list[int] = []
    pull_back = module.pull_back

    def counting(recording, pairs, rows):  # type: ignore[no-untyped-def]
        seen.append(len(pairs.counts))
        return pull_back(recording, pairs, rows)

    monkeypatch.setattr(module, "pull_back", counting)
    monkeypatch.setattr(module, "estimate_row_bytes", lambda tower: module.MEGABYTE)
    texts = encode_texts(model.tower, model.classes, contexts[:1])
    compute_context_gradients(texts, peaked(7, 1), tolerance=0, memory_mb=70)  # an example has 3 + 5 * 4 rows
    assert seen == [3, 3, 1]


def test_without_examples_there_are_no_gradients(model: FrozenModel, contexts: Tensor) -> None:
    texts, none = encode_texts(model.tower, model.classes, contexts), peaked(0, 2)
    found = compute_context_gradients(texts, none, tolerance=0.1, memory_mb=ROOMY)
    assert found.gradients.shape == (0, 2, 3, 16)
    assert found.kept.shape == found.moved.shape == (0, 2)
    assert compute_dense_gradients(model.tower, model.classes, contexts, none, memory_mb=ROOMY).shape == (0, 2, 3, 16)


def test_an_example_that_asks_nothing_gets_zeros(model: FrozenModel, contexts: Tensor) -> None:
    cotangents = peaked(3, 2)
    cotangents[1] = 0
    texts = encode_texts(model.tower, model.classes, contexts)
    found = compute_context_gradients(texts, cotangents, tolerance=0.1, memory_mb=ROOMY)
    assert not found.gradients[1].any()
    assert found.kept[1].tolist() == [0, 0]
    assert not compute_context_gradients(texts, cotangents[1:2], tolerance=0.1, memory_mb=ROOMY).gradients.any()


def test_an_example_that_is_not_finite_is_seen_and_alone(model: FrozenModel, contexts: Tensor) -> None:
    cotangents = peaked(3, 2)
    cotangents[1, 0, 2, 3] = float("nan")
    texts = encode_texts(model.tower, model.classes, contexts)
    found = compute_context_gradients(texts, cotangents, tolerance=0.1, memory_mb=ROOMY).gradients
    assert not found[1, 0].isfinite().any()
    assert found[[0, 2]].isfinite().all()


def test_no_tensor_is_made_on_another_device(model: FrozenModel, contexts: Tensor) -> None:
    cotangents = peaked(4, 2)
    texts = encode_texts(model.tower, model.classes, contexts)  # what is kept for all steps is made here
    expected = compute_context_gradients(texts, cotangents, tolerance=0.1, memory_mb=ROOMY)
    with torch.device("meta"):  # whatever names no device lands there, and fails to meet the rest
        texts = encode_texts(model.tower, model.classes, contexts)
        found = compute_context_gradients(texts, cotangents, tolerance=0.1, memory_mb=0)
    assert error(found.gradients, expected.gradients) < 1e-12
