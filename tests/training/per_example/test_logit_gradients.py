from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, one_hot

from fedsilo.core import Batch
from fedsilo.methods.fedotp import FedOTP
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.training.per_example.logit_gradients import Head, compute_cotangents


def cosine_head(model: FrozenModel) -> Head:
    def losses(texts: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(model.score(batch.inputs["image"], texts[0]), batch.targets["class"], reduction="none")

    return losses


def transport_head(model: FrozenModel) -> Head:
    def losses(texts: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(
            FedOTP().learner.scores_of_texts(model, texts, batch.inputs), batch.targets["class"], reduction="none"
        )

    return losses


def test_a_cross_entropy_of_cosines_has_its_closed_form(model: FrozenModel, contexts: Tensor, batch: Batch) -> None:
    texts = model.text_features(contexts[:1])
    losses, found = compute_cotangents(cosine_head(model), texts, batch)
    scores = model.score(batch.inputs["image"], texts[0])
    assert torch.allclose(losses, cross_entropy(scores, batch.targets["class"], reduction="none"), atol=1e-12)
    residual = scores.softmax(dim=1) - one_hot(batch.targets["class"], 5)
    expected = model.scale * residual[:, :, None] * normalize(batch.inputs["image"], dim=-1)[:, None]
    assert found.shape == (6, 1, 5, 8)
    assert torch.allclose(found[:, 0], expected, atol=1e-12)
    assert not found.requires_grad


def test_transport_heads_work_and_their_examples_do_not_meet(
    model: FrozenModel, contexts: Tensor, batch: Batch
) -> None:
    texts, head = model.text_features(contexts).detach().requires_grad_(), transport_head(model)
    losses, found = compute_cotangents(head, texts, batch)
    assert found.shape == (6, 2, 5, 8)
    whole = head(texts, batch)
    assert torch.allclose(losses, whole, atol=1e-6)
    (expected,) = torch.autograd.grad(whole.sum(), texts)
    assert float((found.sum(dim=0) - expected).norm() / expected.norm()) < 1e-6
    tokens = batch.inputs["patches"]
    swapped = replace(batch, inputs={**batch.inputs, "patches": torch.cat([tokens[:1], -tokens[1:]])})
    assert torch.equal(compute_cotangents(head, texts, swapped)[1][0], found[0])


def test_without_examples_there_are_no_cotangents(model: FrozenModel, contexts: Tensor, batch: Batch) -> None:
    none = batch.take(slice(0, 0))
    losses, found = compute_cotangents(cosine_head(model), model.text_features(contexts[:1]), none)
    assert losses.shape == (0,)
    assert found.shape == (0, 1, 5, 8)
