"""pFedPrompt: the attention over cached images, its limits, and that the cache stays where it is."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from fedsilo.core import ClientTask
from fedsilo.learners.pfedprompt import KEYS, LABELS
from fedsilo.methods.pfedprompt import PFedPrompt
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines

METHOD = PFedPrompt(context_length=3)


def federate(here: Any, method: Any, folder: Path) -> Outcome:
    folder.mkdir()
    backend = SerialBackend(here.clients(method))
    return Federation(here.plan(method), backend, Journals(folder), Checkpoints(folder / "c", 2)).run(
        lambda record: None
    )


def test_scores_are_text_plus_attention_over_the_cache(toy_model: Any) -> None:
    method = PFedPrompt(context_length=3, alpha=2.0, beta=3.0)
    shared = method.initial_shared(toy_model, 0)
    keys = torch.eye(8)[:3]
    pooled = torch.tensor([[3.0, 4.0, 0.0, 0, 0, 0, 0, 0]])
    found = method.predictor(toy_model, shared, {KEYS: keys, LABELS: torch.tensor([4, 1, 4])})({"image": pooled})
    text = PromptFL(context_length=3).predictor(toy_model, shared, {})({"image": pooled})
    # Cosines 0.6, 0.8 and 0 with keys of classes 4, 1 and 4.
    by_class = {1: math.exp(-3 * 0.2), 4: math.exp(-3 * 0.4) + math.exp(-3)}
    expected = [2 * by_class.get(k, 0.0) for k in range(5)]
    torch.testing.assert_close(found - text, torch.tensor([expected]), rtol=1e-4, atol=1e-5)


def test_the_first_round_fills_the_cache_with_all_training_images_once(world: Any) -> None:
    here = world(views=4)  # every round sees other views, so that a second filling would be noticed
    client, initial = here.clients(METHOD)[1], here.plan(METHOD).initial
    client.train(ClientTask(0, 0, initial))
    pooled, _ = map(here.warehouse.train.batch(here.train[1], 1).get, ("image", "patches"))
    torch.testing.assert_close(client._private[KEYS], normalize(pooled, dim=-1), rtol=0, atol=0)
    np.testing.assert_array_equal(client._private[LABELS].numpy(), here.train_labels[here.train[1]])
    before = client._private
    client.train(ClientTask(1, 0, initial))
    assert torch.equal(client._private[KEYS], before[KEYS])
    assert client._private[KEYS].shape == (27, 8)


def test_without_weight_it_is_promptfl(world: Any, tmp_path: Path) -> None:
    ours = federate(world(rounds=2), PFedPrompt(context_length=3, alpha=0.0), tmp_path / "ours")
    theirs = federate(world(rounds=2), PromptFL(context_length=3), tmp_path / "theirs")
    assert ours.shared_sha256 == theirs.shared_sha256
    assert [line["loss"] for line in ours.scores] == [line["loss"] for line in theirs.scores]


def test_the_cache_changes_scores_but_never_what_is_shared(world: Any, tmp_path: Path) -> None:
    strong = federate(world(rounds=2), PFedPrompt(context_length=3, alpha=20.0), tmp_path / "strong")
    none = federate(world(rounds=2), PFedPrompt(context_length=3, alpha=0.0), tmp_path / "none")
    assert strong.shared_sha256 == none.shared_sha256
    assert [line["loss"] for line in strong.scores] != [line["loss"] for line in none.scores]


def test_before_it_has_trained_a_client_scores_by_text(toy_model: Any) -> None:
    shared = METHOD.initial_shared(toy_model, 0)
    pooled = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    found = METHOD.predictor(toy_model, shared, METHOD.initial_private(toy_model, 0, 0))({"image": pooled})
    torch.testing.assert_close(found, PromptFL().predictor(toy_model, shared, {})({"image": pooled}), rtol=0, atol=0)


@pytest.mark.parametrize("synchronise", ["round", "batch"])
def test_the_cache_never_leaves_and_survives_a_checkpoint(world: Any, tmp_path: Path, synchronise: str) -> None:
    here, method = world(rounds=1), PFedPrompt(context_length=3, synchronise=synchronise)
    backend = SerialBackend(here.clients(method))
    Federation(here.plan(method), backend, Journals(tmp_path), Checkpoints(tmp_path / "c", 2)).run(lambda record: None)
    for line in read_lines(tmp_path / "wire.jsonl"):
        assert set(line["tensors"]) <= {"context"}
    trained, fresh = backend._clients[0], here.clients(method)[0]  # type: ignore[attr-defined]
    for client, count in ((fresh, 0), (trained, 20)):
        fresh.restore(tmp_path, client.save(tmp_path))
        assert fresh._private[KEYS].shape == (count, 8)
        assert fresh._private[LABELS].dtype == torch.int64
    assert torch.equal(fresh._private[KEYS], trained._private[KEYS])
