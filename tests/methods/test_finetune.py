from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.core import EvaluationTask, FeatureSource, Indices
from fedsilo.core.local_trainer import APART
from fedsilo.core.training_settings import Optimizer
from fedsilo.methods.finetune import FineTune
from fedsilo.methods.promptfl import PromptFL
from fedsilo.storage.run_folder import read_lines


class Watched:
    """Features that note which examples each batch has, in order."""

    def __init__(self, source: FeatureSource) -> None:
        self.source, self.batches = source, []  # type: ignore[var-annotated]

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Indices, view: int) -> Mapping[str, Tensor]:
        self.batches.append(tuple(indices.tolist()))
        return self.source.batch(indices, view)

    def only(self, columns: Collection[str]) -> FeatureSource:
        return self


def test_without_epochs_it_is_promptfl_bit_for_bit(world: Any, tmp_path: Path) -> None:
    plain = world().federate(PromptFL(context_length=3), tmp_path / "promptfl")
    none = world().federate(FineTune(context_length=3, finetune_epochs=0), tmp_path / "none")
    assert (none.shared_sha256, none.scores) == (plain.shared_sha256, plain.scores)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_tuning_changes_scores_and_no_training(world: Any, tmp_path: Path, name: str) -> None:
    here = world(optimizer=Optimizer(name, 0.1, state="kept"))
    plain = here.federate(PromptFL(context_length=3), tmp_path / "promptfl")
    tuned = here.federate(FineTune(context_length=3, finetune_epochs=2), tmp_path / "tuned")
    assert tuned.shared_sha256 == plain.shared_sha256
    assert [record["loss"] for record in tuned.records] == [record["loss"] for record in plain.records]
    assert tuned.scores != plain.scores
    assert len(set(tuned.private_sha256)) == 3
    lines = read_lines(tmp_path / "tuned" / "wire.jsonl")
    assert {name for line in lines for name in line["tensors"]} == {"context"}


def test_the_tuned_context_is_what_plain_descent_from_the_shared_one_gives(world: Any) -> None:
    method = FineTune(context_length=3, finetune_epochs=2)
    here = world()
    shared = {"context": method.initial_shared(here.model, 0)["context"] + 0.01}
    work = here.work(method, client=1, shared=shared)
    context = shared["context"].clone().requires_grad_()
    optimizer = torch.optim.SGD([context], lr=0.1, momentum=0.9, weight_decay=5e-4)
    for epoch in (APART, APART + 1):
        for batch in work.batches(epoch):
            optimizer.zero_grad()
            scores = here.model.score(batch.inputs["image"], here.model.text_features(context))
            cross_entropy(scores, batch.targets["class"]).backward()
            optimizer.step()
    assert torch.equal(method.adapt(work)["tuned_context"], context)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_tuning_remembers_nothing_of_the_last_one(world: Any, name: str) -> None:
    method = FineTune(context_length=3, finetune_epochs=2)
    here = world(optimizer=Optimizer(name, 0.1, state="kept"))
    trained = method.train(here.work(method)).private
    once = method.adapt(here.work(method, private=trained))
    again = method.adapt(here.work(method, private=once))
    assert set(once) == {*trained, "tuned_context"}
    assert all(torch.equal(once[key], again[key]) for key in once)


@pytest.mark.parametrize("synchronise", ["round", "batch"])
def test_tuning_repeats_no_batch_of_the_training(world: Any, synchronise: str) -> None:
    method = FineTune(context_length=3, finetune_epochs=3, synchronise=synchronise)
    here = world(local_epochs=2)
    features = Watched(here.work(method).features)
    # Where every batch is exchanged, this client of two batches per epoch may be asked for ten.
    for exchange in range(10) if synchronise == "batch" else [0]:
        method.train(here.work(method, features=features, exchange=exchange))
    training, features.batches = set(features.batches), []
    method.adapt(here.work(method, features=features))
    assert len(training) == (10 if synchronise == "batch" else 4)
    assert len(features.batches) == 6
    assert not training & set(features.batches)


def test_predictions_are_the_tuned_context_s_once_there_is_one(world: Any) -> None:
    here, method = world(), FineTune(context_length=3)
    shared, pooled = method.initial_shared(here.model, 0), here.warehouse.test.batch(np.arange(7), 0)["image"]
    tuned = {"tuned_context": shared["context"] + 0.5}

    def scores(context: Tensor) -> Tensor:
        return here.model.score(pooled, here.model.text_features(context))

    assert torch.equal(method.predictor(here.model, shared, {})({"image": pooled}), scores(shared["context"]))
    assert torch.equal(method.predictor(here.model, shared, tuned)({"image": pooled}), scores(tuned["tuned_context"]))


def test_tuning_pays_on_the_client_s_own_images(world: Any, tmp_path: Path) -> None:
    """On training images, judged by their clients: tests of generalisation need more of them."""
    from dataclasses import replace

    here = world(rounds=1)
    warehouse = replace(here.warehouse, test=here.warehouse.train, test_labels=here.train_labels)
    here = replace(here, warehouse=warehouse, test=here.train)

    def loss(epochs: int) -> float:
        method = FineTune(context_length=3, finetune_epochs=epochs)
        task = EvaluationTask(0, here.plan(method).initial)
        return sum(client.evaluate(task).own["loss"] for client in here.clients(method))

    assert loss(5) < loss(1) < loss(0)
