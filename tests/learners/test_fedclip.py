"""FedCLIP: the adapter's equation, both losses, what is sent."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.core import Batch, ClientTask
from fedsilo.methods.fedclip import FedCLIP
from fedsilo.training.model_sizes import ModelSizes

HIDDEN, OUT = FedCLIP().uploads


def adapted(weights: dict[str, Tensor], pooled: Tensor) -> Tensor:
    module = FedCLIP().learner.module(ModelSizes(5, pooled.shape[1], 16))
    module.load_state_dict(weights)
    found: Tensor = module.adapter(pooled).detach()
    return found


def test_the_adapter_weighs_each_coordinate_by_softmax_of_w2_tanh_w1_f() -> None:
    hidden, out = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[0.5, 1.0], [2.0, 0.0]])
    f = (0.3, -0.2)
    inner = math.tanh(0.3 - 0.4), math.tanh(0.2)
    scores = 0.5 * inner[0] + inner[1], 2 * inner[0]
    total = math.exp(scores[0]) + math.exp(scores[1])
    expected = [math.exp(scores[0]) / total * f[0], math.exp(scores[1]) / total * f[1]]
    found = adapted({HIDDEN: hidden, OUT: out}, torch.tensor([f]))
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_images_are_scored_by_the_normalised_product_against_the_hand_written_prompts(toy_model: Any) -> None:
    method = FedCLIP()
    shared = method.initial_shared(toy_model, 0)
    pooled = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    expected = toy_model.scale * normalize(adapted(shared, pooled), dim=-1) @ toy_model.zero_shot.T
    torch.testing.assert_close(method.predictor(toy_model, shared, {})({"image": pooled}), expected)


def test_an_adapter_that_weighs_evenly_is_zero_shot(toy_model: Any) -> None:
    shared = {HIDDEN: torch.randn(8, 8, generator=torch.Generator().manual_seed(1)), OUT: torch.zeros(8, 8)}
    pooled = torch.randn(6, 8, generator=torch.Generator().manual_seed(2))
    scores = FedCLIP().predictor(toy_model, shared, {})({"image": pooled})
    torch.testing.assert_close(scores, toy_model.score(pooled, toy_model.zero_shot))


def batch_loss(here: Any, method: FedCLIP, shared: dict[str, Tensor], batch: Batch) -> float:
    client = here.clients(method)[0]
    work = client._work({name: tensor.numpy() for name, tensor in shared.items()}, 0, 0)
    return float(method.loss(work)(shared, batch))


def test_the_two_losses(world: Any) -> None:
    here = world()
    method, generator = FedCLIP(), torch.Generator().manual_seed(4)
    shared = dict(method.initial_shared(here.model, 0))
    batch = Batch({"image": torch.randn(3, 8, generator=generator)}, {"class": torch.tensor([2, 0, 2])})
    scores = method.predictor(here.model, shared, {})(batch.inputs).double()
    classes = -scores.log_softmax(dim=1)[torch.arange(3), batch.targets["class"]].mean()
    assert batch_loss(here, method, shared, batch) == pytest.approx(float(classes), rel=1e-5)
    pairs = scores[:, batch.targets["class"]]
    both = -(pairs.log_softmax(dim=1).diagonal().mean() + pairs.log_softmax(dim=0).diagonal().mean()) / 2
    contrastive = batch_loss(here, FedCLIP(objective="contrastive"), shared, batch)
    assert contrastive == pytest.approx(float(both), rel=1e-5)
    assert abs(float(both) - float(classes)) > 0.05


@pytest.mark.parametrize("synchronise", ["round", "batch"])
@pytest.mark.parametrize("objective", ["cross_entropy", "contrastive"])
def test_only_the_adapter_is_sent_and_a_client_keeps_nothing(world: Any, objective: str, synchronise: str) -> None:
    here, method = world(local_epochs=4), FedCLIP(objective=objective, synchronise=synchronise)
    client = here.clients(method)[0]
    update = client.train(ClientTask(0, 0, here.plan(method).initial))
    assert {name: array.shape for name, array in update.tensors.items()} == {HIDDEN: (8, 8), OUT: (8, 8)}
    assert client._private == {}


def test_training_lowers_the_loss(world: Any) -> None:
    here, method = world(local_epochs=20), FedCLIP()
    optimizer = replace(here.rules.training.optimizer, learning_rate=0.3)
    here = replace(here, rules=replace(here.rules, training=replace(here.rules.training, optimizer=optimizer)))
    client, initial = here.clients(method)[0], here.plan(method).initial
    everything = client._work(initial, 0, 0).everything()
    update = client.train(ClientTask(0, 0, initial))
    before, after = (
        batch_loss(here, method, {name: torch.tensor(np.array(array)) for name, array in state.items()}, everything)
        for state in (initial, update.tensors)
    )
    assert after < 0.9 * before
