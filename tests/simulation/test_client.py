"""What a client keeps, passes on and checks around a method's training."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.core import ClientTask, EvaluationTask, LocalResult, Mechanism, Method, Predictor, Release, State
from fedsilo.core.errors import ClientError
from fedsilo.core.round_work import LocalWork
from fedsilo.core.state import to_arrays
from fedsilo.simulation.coordinator_checks import Agreement


@dataclass(init=False, eq=False)
class Watched(Method):
    """Notes the work that it is given; sends one number, keeps another."""

    uploads = ("x",)

    def __init__(self, gradients: bool = False) -> None:
        self.works, self.adapted, self.gradients = [], [], gradients  # type: ignore[var-annotated]

    @property
    def uploads_gradients(self) -> bool:
        return self.gradients

    def initial_shared(self, model: Any, seed: int) -> State:
        return {"x": torch.full((2,), 3.0)}

    def initial_private(self, model: Any, seed: int, client: int) -> State:
        return {"own": torch.zeros(1)}

    def train(self, work: LocalWork) -> LocalResult:
        self.works.append(work)
        return LocalResult({"x": work.shared["x"] + 1}, {"own": work.private["own"] + 1}, 0.5, 1)

    def adapt(self, work: LocalWork) -> State:
        return {**work.private, "adapted": torch.ones(1)}

    def predictor(self, model: Any, shared: State, private: State) -> Predictor:
        self.adapted.append(sorted(private))
        return lambda inputs: inputs["image"] @ model.zero_shot.T


class Noting(Mechanism):
    """Notes what an upload is compared with."""

    trusts_coordinator = False

    def __init__(self) -> None:
        self.releases: list[Release] = []

    def protect_client(self, upload: State, release: Release) -> State:
        self.releases.append(release)
        return {name: tensor + 10 for name, tensor in upload.items()}


def task(**changes: Any) -> ClientTask:
    return replace(ClientTask(0, 0, {"x": np.full(2, 3.0, dtype=np.float32)}), **changes)


def test_work_says_all_that_the_task_says(world: Any) -> None:
    here, method = world(rounds=5), Watched()
    client = here.clients(method)[1]
    client.train(task(round=2, exchange=3, exchanges=4, attempt=6))
    (work,) = method.works
    assert (work.round, work.exchange, work.exchanges, work.attempt, work.client) == (2, 3, 4, 6, 1)
    assert work.labels.tolist() == here.train_labels[here.train[1]].tolist()
    assert (work.task, work.training, work.seed) == (here.rules.task, here.rules.training, 0)


def test_what_training_leaves_is_what_the_next_begins_with_until_it_is_reset(world: Any) -> None:
    client = world().clients(method := Watched())[0]
    client.train(task())
    client.train(task())
    assert [float(work.private["own"]) for work in method.works] == [0.0, 1.0]
    client.reset()
    assert float(client._private["own"]) == 0


def test_what_adaptation_leaves_is_predicted_with_and_kept(world: Any) -> None:
    here, method = world(), Watched()
    client = here.clients(method)[0]
    client.evaluate(EvaluationTask(0, to_arrays(method.initial_shared(here.model, 0))))
    assert method.adapted == [["adapted", "own"]]
    assert sorted(client._private) == ["adapted", "own"]


@pytest.mark.parametrize("gradients", [False, True])
def test_an_upload_is_protected_against_what_is_known_of_it_and_an_untrusted_coordinator_sees_no_loss(
    world: Any, gradients: bool
) -> None:
    mechanism = Noting()
    here = world(mechanism=mechanism)
    update = here.clients(Watched(gradients))[0].train(task())
    (release,) = mechanism.releases
    assert release.reference["x"].tolist() == ([0.0, 0.0] if gradients else [3.0, 3.0])
    assert update.tensors["x"].tolist() == [14.0, 14.0]
    assert np.isnan(update.loss)
    assert here.clients(Watched())[0].train(task()).weight == 20


@pytest.mark.parametrize("gradients", [False, True])
def test_what_is_encoded_is_the_change_or_the_gradient(
    world: Any, gradients: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    class Encoding:
        attempt, honest, seeded, clients, largest = 0, 1, True, 3, 20

        def encode(self, change: Any, examples: int, loss: float, key: bytes) -> Any:
            seen.append((change["x"].tolist(), examples, loss))
            return np.zeros(3, dtype=np.uint32)

    client = world().clients(Watched(gradients))[0]
    monkeypatch.setattr(Agreement, "check", lambda agreement, task, masked: None)
    update = client.train(task(encoding=Encoding()))
    assert seen == [([4.0, 4.0] if gradients else [1.0, 1.0], 20, 0.5)]
    assert (set(update.tensors), update.weight) == ({"modular"}, 0)
    assert np.isnan(update.loss)


def test_test_images_are_seen_plainly_and_judged_by_the_client_s_own_labels(world: Any) -> None:
    here, method = world(), Watched()
    own = 4 - here.warehouse.test_labels[here.test[0]]
    portion = replace(here.portion(0), own_labels=own)
    from fedsilo.simulation.client import Client

    client = Client(portion, here.model, here.rules)
    client.set_method(method, here.fitted(method))
    score = client.evaluate(EvaluationTask(0, {"x": np.zeros(2, dtype=np.float32)}, neighbours=True))
    images = here.warehouse.test.batch(np.arange(36), 0)["image"]
    best = (images @ here.model.zero_shot.T).argmax(dim=1).numpy()
    assert score.own["correct"] == (best[:12] == own).sum()
    assert score.elsewhere is not None
    assert score.elsewhere["correct"] == (best[12:] == here.warehouse.test_labels[12:]).sum()
    assert (score.own["examples"], score.elsewhere["examples"], score.new) == (12, 24, None)


def test_tensors_that_the_method_does_not_declare_do_not_leave(world: Any) -> None:
    class Leaking(Watched):
        def train(self, work: LocalWork) -> LocalResult:
            return replace(super().train(work), upload={"x": torch.ones(2), "labels": work.labels.float()})

    with pytest.raises(ClientError, match=r"client 0: the method uploads \['labels', 'x'\] but declares \['x'\]"):
        world().clients(Leaking())[0].train(task())
