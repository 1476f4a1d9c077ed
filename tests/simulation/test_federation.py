"""The rounds themselves, on toy features, with the serial backend and with backends that fail."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fedsilo.aggregation.plain import Plain
from fedsilo.core import (
    ClientScore,
    ClientTask,
    ClientUpdate,
    EvaluationTask,
    LocalResult,
    Mechanism,
    Method,
    RoundRecord,
    State,
)
from fedsilo.core.errors import ClientError, ClientLost, RunError
from fedsilo.core.registry import find, names
from fedsilo.core.round_work import LocalWork
from fedsilo.core.state import sha256, write_state
from fedsilo.core.training_settings import Optimizer, Training
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import FederationPlan, Outcome
from fedsilo.simulation.round_observer import slowest
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines
from fedsilo.strategies.fedavg import FedAvgStrategy

METHOD = PromptFL(context_length=3)


def federate(
    plan: FederationPlan, backend: Any, folder: Path, watch: Callable[[RoundRecord], None] = lambda record: None
) -> Outcome:
    folder.mkdir(exist_ok=True)
    return Federation(plan, backend, Journals(folder), Checkpoints(folder / "checkpoints", 2)).run(watch)


def hashes(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.shared_sha256, outcome.private_sha256, [dict(score) for score in outcome.scores]


@pytest.fixture
def run(world: Any, tmp_path: Path) -> Callable[..., Outcome]:
    """Returns run(method, clients=..., seed=..., ...): a whole federation in a new folder."""
    count = iter(range(100))

    def go(method: Method = METHOD, **changes: Any) -> Outcome:
        here = world(**changes)
        return federate(here.plan(method), SerialBackend(here.clients(method)), tmp_path / str(next(count)))

    return go


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_ones(run: Any) -> None:
    assert hashes(run()) == hashes(run())
    assert run().shared_sha256 != run(seed=1).shared_sha256


def test_training_lowers_the_loss_and_raises_the_accuracy(run: Any) -> None:
    outcome = run(rounds=8)
    losses = [float(str(record["loss"])) for record in outcome.records]
    accuracies = [float(str(record["local_accuracy"])) for record in outcome.records]
    assert losses[-1] < losses[0]
    assert accuracies[-1] > max(accuracies[0], 0.25)


def test_the_shared_state_is_the_mean_weighted_by_examples(world: Any, tmp_path: Path) -> None:
    here = world(rounds=1)
    task = ClientTask(0, 0, here.plan(METHOD).initial)
    updates = [client.train(task) for client in here.clients(METHOD)]
    weights = np.array([20, 27, 34]) / 81
    expected = sum(w * u.tensors["context"].astype(np.float64) for w, u in zip(weights, updates, strict=True))
    federate(here.plan(METHOD), SerialBackend(here.clients(METHOD)), tmp_path / "run")
    checkpoint, _ = Checkpoints(tmp_path / "run" / "checkpoints", 2).newest()
    assert checkpoint is not None
    np.testing.assert_array_equal(checkpoint.shared["context"].numpy(), expected.astype(np.float32))
    assert not np.allclose(expected, np.mean([u.tensors["context"] for u in updates], axis=0), atol=1e-6)


def test_the_order_in_which_clients_are_asked_changes_no_client(world: Any) -> None:
    here = world()
    task = ClientTask(0, 0, here.plan(METHOD).initial)
    forward = {c: client.train(task) for c, client in enumerate(here.clients(METHOD))}
    clients = here.clients(METHOD)
    backward = {c: clients[c].train(task) for c in reversed(range(3))}
    for c in forward:
        np.testing.assert_array_equal(forward[c].tensors["context"], backward[c].tensors["context"])


def test_local_clients_share_nothing_and_keep_their_own_prompt(run: Any, tmp_path: Path) -> None:
    outcome = run(Local(context_length=3))
    assert len(set(outcome.private_sha256)) == 3
    wire = read_lines(tmp_path / "0" / "wire.jsonl")
    assert all(line["tensors"] == {} for line in wire)


def test_zero_shot_is_one_evaluation_without_training(run: Any) -> None:
    outcome = run(ZeroShot(), rounds=7)
    assert len(outcome.records) == 1
    assert outcome.records[0]["upload_bytes"] == 0


def test_only_declared_tensors_leave_a_client(run: Any, world: Any, tmp_path: Path) -> None:
    run()
    up = [line for line in read_lines(tmp_path / "0" / "wire.jsonl") if line["direction"] == "up"]
    assert {name for line in up for name in line["tensors"]} == set(METHOD.uploads)
    assert {scalar for line in up for scalar in line["scalars"]} == {
        "weight", "loss", "seconds", "correct", "examples",
    }  # fmt: skip
    assert up[0]["tensors"]["context"] == [[3, 16], "float32"]

    class Leaking(PromptFL):
        def train(self, work: LocalWork) -> LocalResult:
            return LocalResult({"context": work.shared["context"], "labels": work.labels.float()}, {}, 0.0, 1)

    here = world()
    with pytest.raises(ClientError, match="uploads \\['context', 'labels'\\] but declares \\['context'\\]"):
        here.clients(Leaking(context_length=3))[1].train(ClientTask(0, 0, here.plan(METHOD).initial))


class Adapting(PromptFL):
    """Counts in its private state how often it was evaluated."""

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        return {"evaluations": torch.zeros(1)}

    def train(self, work: LocalWork) -> LocalResult:
        return replace(super().train(work), private=work.private)

    def adapt(self, work: LocalWork) -> State:
        return {"evaluations": work.private["evaluations"] + 1}


class Flaky(SerialBackend):
    """Loses a client in chosen rounds: others have already done their part, as it happens on a cluster."""

    def __init__(self, world: Any, method: Method, failures: Sequence[int], stage: str = "train") -> None:
        super().__init__(world.clients(method))
        self.world, self.method, self.failures, self.stage = world, method, list(failures), stage
        self.revived = 0

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        updates = super().train(tasks)
        self._fail("train", tasks)
        return updates

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        scores = super().evaluate(tasks)
        self._fail("evaluate", tasks)
        return scores

    def _fail(self, stage: str, tasks: Mapping[int, Any]) -> None:
        if stage == self.stage and self.failures and self.failures[0] == next(iter(tasks.values())).round:
            self.failures.pop(0)
            raise ClientLost("client 1 died", client=1)

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        self.revived += 1
        self._clients[1] = self.world.clients(method)[1]
        return {1}


@pytest.mark.parametrize(
    "method",
    [METHOD, Local(context_length=3), Adapting(context_length=3)],
    ids=["promptfl", "local", "adapting"],
)
@pytest.mark.parametrize("failures", [[0], [1], [0, 0, 2]])
@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_round_tried_again_gives_the_same_bits(
    world: Any, tmp_path: Path, method: Method, failures: list[int], stage: str
) -> None:
    here = world(participation=0.5)
    whole = federate(here.plan(method), SerialBackend(here.clients(method)), tmp_path / "whole")
    flaky = Flaky(here, method, failures, stage)
    again = federate(here.plan(method), flaky, tmp_path / "again")
    assert hashes(again) == hashes(whole)
    assert flaky.revived == len(failures)
    assert len(again.notices) == len(failures)
    told = {line["round"]: line["attempts"] for line in read_lines(tmp_path / "again" / "rounds.jsonl")}
    assert told == {round: 1 + failures.count(round) for round in range(3)}


def test_a_client_lost_too_often_ends_the_run_with_its_name(world: Any, tmp_path: Path) -> None:
    here = world()
    with pytest.raises(ClientLost, match="client 1 died"):
        federate(here.plan(METHOD), Flaky(here, METHOD, [1, 1, 1]), tmp_path / "run")


class Cut(Exception):
    """Stands for kill -9: nothing gets to tidy up."""


@pytest.mark.parametrize("method", [METHOD, Local(context_length=3)], ids=["promptfl", "local"])
@pytest.mark.parametrize("state", ["fresh", "kept"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_resumed_run_ends_like_the_whole_one(world: Any, tmp_path: Path, method: Method, state: str, at: int) -> None:
    here = world(rounds=4, optimizer=Optimizer(learning_rate=0.1, state=state), participation=0.5)
    plan = here.plan(method)
    whole = federate(plan, SerialBackend(here.clients(method)), tmp_path / "whole")

    def cut(record: RoundRecord) -> None:
        if record.round == at:
            raise Cut

    with pytest.raises(Cut):
        federate(plan, SerialBackend(here.clients(method)), tmp_path / "cut", cut)
    resumed = federate(plan, SerialBackend(here.clients(method)), tmp_path / "cut")
    assert hashes(resumed) == hashes(whole)
    strip = [{k: v for k, v in record.items() if k not in ("seconds", "slowest")} for record in resumed.records]
    assert strip == [{k: v for k, v in record.items() if k not in ("seconds", "slowest")} for record in whole.records]


def test_a_persistent_optimiser_changes_what_is_learnt(run: Any) -> None:
    fresh = run(optimizer=Optimizer(learning_rate=0.1))
    kept = run(optimizer=Optimizer(learning_rate=0.1, state="kept"))
    assert fresh.shared_sha256 != kept.shared_sha256


def test_a_damaged_newest_checkpoint_is_passed_over(world: Any, tmp_path: Path) -> None:
    here = world(rounds=3)
    plan, folder = here.plan(METHOD), tmp_path / "run"
    whole = federate(plan, SerialBackend(here.clients(METHOD)), folder)
    shared = folder / "checkpoints" / "round-0002" / "shared.safetensors"
    content = bytearray(shared.read_bytes())
    content[-3] ^= 4
    shared.write_bytes(bytes(content))
    again = federate(plan, SerialBackend(here.clients(METHOD)), folder)
    assert hashes(again) == hashes(whole)
    assert "damaged checkpoint" in again.notices[0]


@pytest.mark.parametrize("change", [lambda tensor: {}, lambda tensor: {"context": tensor[:1].contiguous()}])
def test_a_private_state_of_another_method_is_refused_by_file_and_tensor(
    world: Any, tmp_path: Path, change: Any
) -> None:
    client = world().clients(Local(context_length=3))[1]
    client.save(tmp_path)
    path = tmp_path / "client-0001.safetensors"
    (tensor,) = load_file(path).values()
    hashed = write_state(path, {"other": tensor, **change(tensor)})
    with pytest.raises(RunError, match=r"client-0001\.safetensors: (has no )?tensor 'context'"):
        client.restore(tmp_path, hashed)


def test_all_clients_train_in_round_0_and_the_asked_share_afterwards(world: Any, tmp_path: Path) -> None:
    here = world(clients=5, rounds=6, participation=0.4)
    outcome = federate(here.plan(METHOD), SerialBackend(here.clients(METHOD)), tmp_path / "run")
    sizes = [len(record["participants"]) for record in outcome.records]  # type: ignore[arg-type]
    assert sizes == [5, 2, 2, 2, 2, 2]
    assert len({tuple(record["participants"]) for record in outcome.records[1:]}) > 1  # type: ignore[arg-type]


def test_a_share_means_the_clients_that_its_decimals_say(world: Any) -> None:
    """0.29 * 100 is 28.999999999999996."""
    here = world(clients=2, participation=0.29)
    assert len(here.plan(METHOD, sizes=(1,) * 100).schedule.participants(1)) == 29


@pytest.mark.parametrize(
    ("share", "clients", "count"),
    [(0.29, 100, 29), (0.57, 100, 57), (0.07, 100, 7), (0.299, 100, 29), (0.1, 10, 1), (0.01, 3, 1), (1.0, 7, 7)],
)
def test_the_share_of_clients_is_rounded_down_but_not_by_floating_error(share: float, clients: int, count: int) -> None:
    assert Training(participation=share).participants(clients) == count


def unseen(world: Any, **changes: Any) -> Any:
    """A world whose client 1 has test images only."""
    here = world(**changes)
    here.train[1] = here.train[1][:0]
    return here


@pytest.mark.parametrize("name", names(Method))
@pytest.mark.parametrize("synchronise", ["round", "batch"])
def test_a_client_without_training_images_is_measured_and_neither_trains_nor_counts(
    world: Any, tmp_path: Path, name: str, synchronise: str
) -> None:
    cls: Any = find(Method, name)
    short = {k: v for k, v in {"context_length": 3, "synchronise": synchronise}.items() if hasattr(cls, k)}
    parts = {"learner": CoOpLearner(context_length=3), "strategy": FedAvgStrategy(synchronise)}
    method = cls(**(parts if name == "composed" else short))
    if method.problems():
        pytest.skip("this method has no such exchange")
    here = unseen(world, rounds=2, participation=0.5)
    outcome = here.federate(method, tmp_path / "run")
    trained = [record["participants"] for record in outcome.records]
    assert trained == [[0, 2], *([p] for [p] in trained[1:])]
    assert 1 not in {client for participants in trained for client in participants}
    assert [score["examples"] for score in outcome.scores] == [12, 12, 12]
    if method.trains:
        assert all(math.isfinite(record["loss"]) for record in outcome.records)  # type: ignore[arg-type]


def test_the_shared_state_without_an_unseen_client_is_that_of_the_others(world: Any, tmp_path: Path) -> None:
    here, alone = unseen(world, rounds=1), world(rounds=1)
    outcome = here.federate(METHOD, tmp_path / "unseen")
    task = ClientTask(0, 0, alone.plan(METHOD).initial)
    updates = [alone.clients(METHOD)[number].train(task) for number in (0, 2)]
    mean = Plain().combine(updates, uniform=False)
    assert outcome.shared_sha256 == sha256({name: tensor.float() for name, tensor in mean.items()})


def test_evaluation_follows_its_interval_and_always_ends_the_run(world: Any, tmp_path: Path) -> None:
    here = world(rounds=5)
    plan = here.plan(METHOD, evaluate_every=3)
    outcome = federate(plan, SerialBackend(here.clients(METHOD)), tmp_path / "run")
    assert [record["local_accuracy"] is not None for record in outcome.records] == [False, False, True, False, True]


@pytest.mark.parametrize("measured", [[False, False, False, True, True], [False, True, False, True]])
def test_neighbours_are_measured_in_the_last_evaluated_rounds_that_are_asked_for(
    world: Any, tmp_path: Path, measured: list[bool]
) -> None:
    here = world(rounds=len(measured))
    plan = here.plan(METHOD, evaluate_every=2, neighbour_rounds=2)
    outcome = federate(plan, SerialBackend(here.clients(METHOD)), tmp_path / "run")
    assert [record["neighbour_accuracy"] is not None for record in outcome.records] == measured
    last = outcome.records[-1]
    elsewhere, own = last["neighbour_accuracy"], last["local_accuracy"]
    assert last["global_accuracy"] == pytest.approx((2 * elsewhere + own) / 3)  # type: ignore[operator]


def test_neighbours_are_all_other_clients_test_images(world: Any) -> None:
    here = world()
    task = EvaluationTask(0, here.plan(METHOD).initial, neighbours=True)
    scores = [client.evaluate(task) for client in here.clients(METHOD)]
    assert [score.elsewhere["examples"] for score in scores] == [24, 24, 24]
    total = sum(score.own["correct"] for score in scores)
    assert [score.own["correct"] + score.elsewhere["correct"] for score in scores] == [total] * 3


def test_a_loss_that_is_not_finite_names_client_round_and_remedy(world: Any) -> None:
    here = world(optimizer=Optimizer(learning_rate=1e30))
    with pytest.raises(
        ClientError,
        match=r"client 0, round 0, exchange 0, stage 'train': the loss is nan at step 1.*learning_rate=1e\+30",
    ):
        here.clients(METHOD)[0].train(ClientTask(0, 0, here.plan(METHOD).initial))


def test_views_are_one_per_epoch_in_turn(world: Any) -> None:
    def view(epoch: int, round: int, **training: Any) -> int:
        view: int = world(local_epochs=2, **training).work(METHOD, round=round).view(epoch)
        return view

    assert [view(e, r) for r in (0, 1) for e in (0, 1)] == [0, 0, 0, 0]
    assert [view(e, r, views=3) for r in (0, 1) for e in (0, 1)] == [1, 2, 3, 1]
    assert [view(e, r, online=True) for r in (0, 1) for e in (0, 1)] == [1, 2, 3, 4]


def test_central_noise_is_added_once_per_round_to_a_uniform_mean(world: Any, tmp_path: Path) -> None:
    def final(noise: float) -> Outcome:
        mechanism = Central(noise_multiplier=noise, clip_norm=0.5)
        here = world(rounds=2, mechanism=mechanism)
        return federate(here.plan(METHOD), SerialBackend(here.clients(METHOD)), tmp_path / f"run{noise}")

    assert final(0.5).shared_sha256 != final(0.6).shared_sha256


class Slow(SerialBackend):
    """Client 1 says that it took ten seconds longer than it did, in every exchange."""

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        return [replace(u, seconds=u.seconds + 10 * (u.client == 1)) for u in super().train(tasks)]


@pytest.mark.parametrize(("method", "exchanges"), [(METHOD, 1), (DPFPL(context_length=3, rank=2), 4)])
def test_a_round_s_record_names_the_slowest_client_over_all_exchanges(
    world: Any, tmp_path: Path, method: Method, exchanges: int
) -> None:
    here = world(rounds=1)
    outcome = federate(here.plan(method), Slow(here.clients(method)), tmp_path / "run")
    found: Any = outcome.records[0]["slowest"]
    assert outcome.records[0]["exchanges"] == exchanges
    assert (found["client"], found["seconds"] // 10) == (1, exchanges)
    assert 0 < found["median"] < 10


def test_no_client_is_the_slowest_where_none_reports() -> None:
    assert slowest({}) == {}
    assert slowest({4: 0.5, 2: 2.0, 1: 2.0, 7: 0.25}) == {"client": 1, "seconds": 2.0, "median": 1.25}
