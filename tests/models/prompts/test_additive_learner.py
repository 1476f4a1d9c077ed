"""Shared plus private contexts: who learns what from whom, batch by batch, over all methods of the family."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.core import ClientTask, ClientUpdate, Method, Release, State
from fedsilo.core.round_work import LocalWork
from fedsilo.core.training_settings import Optimizer
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.dplora import DPLoRA
from fedsilo.methods.fedotp_additive import FedOTPAdditive
from fedsilo.methods.local import Local
from fedsilo.models.prompts.additive_learner import FactoredLearner
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.privacy.mechanisms.paper import Paper
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines
from fedsilo.training.recipes import Recipe

FACTORISED: list[Recipe] = [
    DPFPL(context_length=4, rank=2),
    DPFPL(context_length=4, rank=2, residual=False),
    DPLoRA(context_length=4, rank=2),
    DPLoRA(context_length=4, rank=2, code_compat=True),
]
FAMILY: list[Recipe] = [*FACTORISED, FedOTPAdditive(context_length=4)]
PLAIN = Optimizer(learning_rate=0.1, momentum=0.0, weight_decay=0.0)


def called(method: Method) -> str:
    switches = [name for name in ("residual", "code_compat") if hasattr(method, name)]
    return "-".join([type(method).__name__, *(f"{name}={getattr(method, name)}" for name in switches)])


def work(here: Any, method: Method, exchange: int = 0, client: int = 0) -> LocalWork:
    data = here.portion(client)
    return LocalWork(
        here.model, here.rules.task, data.train, torch.from_numpy(data.train_labels),
        method.initial_shared(here.model, here.rules.seed),
        method.initial_private(here.model, here.rules.seed, client),
        here.rules.training, here.fitted(method), here.rules.seed, client, 0, exchange,
    )  # fmt: skip


def gradients(method: Recipe, job: LocalWork) -> tuple[Tensor, Tensor]:
    """Of a batch, by the shared and the private context: autograd through the whole prompt, which knows no factors."""
    loss, batch = method.loss(job), job.batch(job.exchange)
    leaves = loss.leaves
    prompt = method.learner.contexts(loss.read(leaves))[0].requires_grad_()
    cross_entropy(
        job.model.score(batch.inputs["image"], job.model.text_features(prompt)), batch.targets["class"]
    ).backward()
    whole = prompt.grad
    assert whole is not None
    if not isinstance(method.learner, FactoredLearner):
        return whole, whole
    u, v = leaves["u"], leaves["v"]
    return whole, whole - (torch.eye(len(u)) - u @ u.T) @ whole @ (torch.eye(16) - v.T @ v)


class Watched(SerialBackend):
    """Remembers every exchange and what private contexts each client had after it."""

    def __init__(self, clients: Any) -> None:
        super().__init__(clients)
        self.tasks: list[Mapping[int, ClientTask]] = []
        self.updates: list[list[ClientUpdate]] = []
        self.own: list[list[Tensor]] = []

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        updates = super().train(tasks)
        self.tasks.append(tasks)
        self.updates.append(updates)
        self.own.append([client._private["private_context"].clone() for client in self._clients.values()])
        return updates


def federate(here: Any, method: Method, folder: Path) -> tuple[Outcome, Watched, Tensor]:
    folder.mkdir()
    backend = Watched(here.clients(method))
    checkpoints = Checkpoints(folder / "checkpoints", 2)
    outcome = Federation(here.plan(method), backend, Journals(folder), checkpoints).run(lambda record: None)
    checkpoint, _ = checkpoints.newest()
    assert checkpoint is not None
    return outcome, backend, checkpoint.shared["context"]


@pytest.mark.parametrize("method", FAMILY, ids=called)
def test_after_every_batch_all_clients_have_the_context_that_the_mean_gradient_leads_to(
    world: Any, tmp_path: Path, method: Recipe
) -> None:
    """Also that round 0 counts as a whole: each exchange starts where the last one ended."""
    here = world(rounds=2, optimizer=PLAIN)
    _, backend, final = federate(here, method, tmp_path / "run")
    assert [(t[0].round, t[0].exchange) for t in backend.tasks] == [(r, e) for r in (0, 1) for e in range(4)]
    held = [task[0].shared["context"] for task in backend.tasks] + [final.numpy()]
    for number, (tasks, updates) in enumerate(zip(backend.tasks, backend.updates, strict=True)):
        for task in tasks.values():
            np.testing.assert_array_equal(task.shared["context"], held[number])
        mean = np.mean([update.tensors["context"] for update in updates], axis=0)
        assert np.abs(mean).max() > 0
        np.testing.assert_allclose(held[number + 1], held[number] - 0.1 * mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", FAMILY, ids=called)
def test_every_batch_moves_every_private_context_on_from_where_it_was(
    world: Any, tmp_path: Path, method: Recipe
) -> None:
    here = world(rounds=1, optimizer=PLAIN)
    _, backend, _ = federate(here, method, tmp_path / "run")
    before = [method.initial_private(here.model, 0, client)["private_context"] for client in range(3)]
    for number, own in enumerate(backend.own):
        for client in range(3):
            shared = {k: torch.from_numpy(v) for k, v in backend.tasks[number][client].shared.items()}
            job = replace(
                work(here, method, number, client), shared=shared, private={"private_context": before[client]}
            )
            step = 0.1 * gradients(method, job)[1]
            assert float(step.abs().max()) > 1e-4
            torch.testing.assert_close(own[client], before[client] - step, rtol=1e-4, atol=1e-6)
        before = own


@pytest.mark.parametrize("method", FAMILY, ids=called)
def test_a_private_context_is_moved_by_its_own_client_s_labels_alone(world: Any, method: Recipe) -> None:
    """Given the same downloads; the authors' code steps every client along the last one's gradient."""
    here = world(rounds=1)
    labels = here.train_labels.copy()
    labels[here.train[1]] = (labels[here.train[1]] + 1) % 5
    other = replace(here, train_labels=labels)
    ends = []
    for one in (here, other):
        clients = one.clients(method)
        for exchange in range(3):
            for client in clients:
                client.train(ClientTask(0, exchange, here.plan(method).initial))
        ends.append([client._private["private_context"] for client in clients])
    assert [torch.equal(a, b) for a, b in zip(*ends, strict=True)] == [True, False, True]
    assert not torch.equal(ends[0][0], ends[0][2])


@pytest.mark.parametrize("method", FAMILY, ids=called)
def test_private_contexts_never_cross_the_wire(world: Any, tmp_path: Path, method: Recipe) -> None:
    _, backend, _ = federate(world(rounds=2, mechanism=Paper(epsilon=100.0)), method, tmp_path / "run")
    for line in read_lines(tmp_path / "run" / "wire.jsonl"):
        trains = line["stage"] == "train"
        assert set(line["tensors"]) == ({"context"} if trains or line["direction"] == "down" else set())
    sent = {update.tensors["context"].tobytes() for updates in backend.updates for update in updates}
    assert not sent & {own.numpy().tobytes() for after in backend.own for own in after}


@pytest.mark.parametrize("method", [FAMILY[0], FAMILY[-1]], ids=called)
def test_short_clients_repeat_their_batches(world: Any, tmp_path: Path, method: Recipe) -> None:
    here = world(rounds=1)
    _, backend, _ = federate(here, method, tmp_path / "run")
    assert len(backend.tasks) == 4
    seen = [work(here, method, e).batch(e).targets["class"] for e in range(4)]
    assert [len(labels) for labels in seen] == [8, 8, 8, 8]


@pytest.mark.parametrize("method", FACTORISED, ids=called)
def test_the_prompt_of_a_batch_has_the_value_it_should(world: Any, method: Recipe) -> None:
    job = work(world(), method)
    own = job.private["private_context"]
    loss = method.loss(job)
    leaves = loss.leaves
    u, v = leaves["u"], leaves["v"]
    expected = {
        "DPFPL-residual=True": own,
        "DPFPL-residual=False": u @ v,
        "DPLoRA-code_compat=False": u @ u.T @ own,
        "DPLoRA-code_compat=True": u @ v,
    }[called(method)]
    torch.testing.assert_close(
        method.learner.contexts(loss.read(leaves))[0] - job.shared["context"], expected, rtol=0, atol=1e-6
    )
    assert set(leaves) == {"context", "u", "v"}


@pytest.mark.parametrize("method", FAMILY, ids=called)
def test_what_is_sent_is_the_whole_gradient_and_a_step_is_along_the_projected_one(world: Any, method: Recipe) -> None:
    job = work(world(optimizer=PLAIN), method)
    whole, projected = gradients(method, job)
    result = method.train(job)
    torch.testing.assert_close(
        result.private["private_context"], job.private["private_context"] - 0.1 * projected, rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(result.upload["context"], whole, rtol=1e-4, atol=1e-6)


def test_at_full_rank_factors_change_nothing(world: Any) -> None:
    here = world(optimizer=PLAIN)
    full, factorised, lora = FAMILY[-1], DPFPL(context_length=4, rank=4), DPLoRA(context_length=4, rank=4)
    expected = full.train(work(here, full)).private["private_context"]
    for method in (factorised, lora):
        torch.testing.assert_close(
            method.train(work(here, method)).private["private_context"], expected, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("method", FAMILY, ids=called)
def test_an_evaluation_is_the_same_every_time(world: Any, method: Recipe) -> None:
    here = world()
    job = work(here, method)
    pooled, _ = map(here.warehouse.train.batch(np.arange(7), 0).get, ("image", "patches"))
    scores = [method.predictor(here.model, job.shared, job.private)({"image": pooled}) for _ in range(2)]
    assert torch.equal(*scores)
    if called(method) in ("DPFPL-residual=True", "FedOTPAdditive"):
        text = here.model.text_features(job.shared["context"] + job.private["private_context"])
        assert torch.equal(scores[0], here.model.score(pooled, text))


@pytest.mark.parametrize("method", FACTORISED, ids=called)
def test_factors_are_drawn_for_every_batch_and_client(world: Any, method: Recipe) -> None:
    here = world()

    def u(**place: int) -> Tensor:
        job = work(here, method, **place)
        return method.loss(job).leaves["u"]

    assert torch.equal(u(), u())
    assert not torch.allclose(u(), u(exchange=1))
    assert not torch.allclose(u(), u(client=1))


@pytest.mark.parametrize("method", [FAMILY[0], FAMILY[-1]], ids=called)
def test_noise_is_on_what_the_paper_says_and_nowhere_without_a_mechanism(
    world: Any, tmp_path: Path, method: Recipe
) -> None:
    """Of two runs that differ in the mechanism alone, uploads of the first batch are alike, contexts are not."""
    none, paper = (
        federate(world(rounds=1, optimizer=PLAIN, mechanism=m), method, tmp_path / str(n))[1]
        for n, m in enumerate((NoMechanism(), Paper(epsilon=50.0, clip_norm=1e3)))
    )
    for clean, noisy in zip(none.updates[0], paper.updates[0], strict=True):
        np.testing.assert_array_equal(clean.tensors["context"], noisy.tensors["context"])
    shifts = [noisy - clean for clean, noisy in zip(none.own[0], paper.own[0], strict=True)]
    assert all(float(shift.abs().max()) > 0.1 for shift in shifts)
    assert not torch.allclose(shifts[0], shifts[1], atol=0.1)
    step = paper.tasks[1][0].shared["context"] - none.tasks[1][0].shared["context"]
    assert np.abs(step).max() > 0.1


def test_a_client_that_sends_nothing_learns_without_noise(world: Any) -> None:
    """Local training as a reference under noise: there is nothing to protect."""
    method = Local(context_length=4, synchronise="batch")
    clean, noisy = (work(world(mechanism=m), method) for m in (NoMechanism(), Paper(epsilon=0.4)))
    assert torch.equal(method.train(clean).private["context"], method.train(noisy).private["context"])


class Draws(NoMechanism):
    """Writes down the first number that each generator of noise gives."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def _note(self, release: Release) -> None:
        self.seen.append(float(release.generator.uniform(1)))

    def protect_private(self, gradients: State, release: Release) -> State:
        self._note(release)
        return gradients

    def protect_client(self, upload: State, release: Release) -> State:
        self._note(release)
        return upload

    def protect_mean(self, mean: State, release: Release) -> State:
        self._note(release)
        return mean


def test_no_two_places_of_a_run_draw_the_same_noise(world: Any, tmp_path: Path) -> None:
    """Own gradients and uploads of 3 clients and the mean, in 2 rounds of 4 exchanges."""
    draws = Draws()
    federate(world(rounds=2, mechanism=draws), FAMILY[0], tmp_path / "run")
    assert len(draws.seen) == len(set(draws.seen)) == (3 + 3 + 1) * 2 * 4


def test_training_lowers_the_loss_with_classes_contexts_too(world: Any, tmp_path: Path) -> None:
    here = world(rounds=2, optimizer=Optimizer(learning_rate=0.05))
    for number, method in enumerate([*FAMILY, *(replace(m, class_specific=True) for m in (FAMILY[0], FAMILY[-1]))]):
        outcome, backend, _ = federate(here, method, tmp_path / str(number))
        losses = [float(str(record["loss"])) for record in outcome.records]
        assert losses[-1] < losses[0], called(method)
        assert backend.own[0][0].shape == ((5, 4, 16) if method.class_specific else (4, 16))


def test_private_contexts_start_random_where_shared_ones_start_from_words(world: Any) -> None:
    model = replace(world().model, phrases={"a photo of a": torch.ones(4, 16)})
    method = FedOTPAdditive(context_length=4, context_words="a photo of a")
    assert torch.equal(method.initial_shared(model, 0)["context"], torch.ones(4, 16))
    own = method.initial_private(model, 0, 0)["private_context"]
    assert 0 < float(own.abs().max()) < 0.2
    assert torch.equal(own, method.initial_private(model, 0, 2)["private_context"])
    assert not torch.equal(own, FedOTPAdditive(context_length=4).initial_shared(model, 0)["context"])
