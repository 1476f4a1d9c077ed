"""Numbers that are not finite end a run where they arise; what was good before stays."""

import math
import re
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.secure import Secure
from fedsilo.config.ranges import parse_range
from fedsilo.core import (
    Batch,
    ClientTask,
    EvaluationTask,
    Frozen,
    LocalResult,
    Method,
    Predictor,
    State,
    Strategy,
    Task,
)
from fedsilo.core.batch import Columns
from fedsilo.core.errors import ClientError, FedsiloError, NotFinite, RunError
from fedsilo.core.registry import find, names
from fedsilo.core.round_work import LocalWork, ServerWork
from fedsilo.core.state import read_state, to_arrays, write_state
from fedsilo.core.training_settings import Optimizer
from fedsilo.learners.coop import CONTEXT, CoOpLearner
from fedsilo.methods.composed import Composed
from fedsilo.methods.promptfl import PromptFL
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines

NAN = float("nan")


def spoilt(state: State) -> State:
    return {name: torch.where(torch.arange(tensor.numel()).view_as(tensor) == 1, NAN, tensor)
            for name, tensor in state.items()}  # fmt: skip


def federate(here: Any, method: Method, folder: Path, **plan: Any) -> Any:
    folder.mkdir(exist_ok=True)
    journals, checkpoints = Journals(folder), Checkpoints(folder / "checkpoints", 2)
    backend = SerialBackend(here.clients(method))
    return Federation(here.plan(method, **plan), backend, journals, checkpoints).run(lambda record: None)


class Spoiling(PromptFL):
    """Goes wrong in round 1, in one place."""

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        return {"own": torch.zeros(2)}


class SpoiltUpload(Spoiling):
    def train(self, work: LocalWork) -> LocalResult:
        result = super().train(work)
        return replace(result, upload=spoilt(result.upload)) if work.round and work.client == 2 else result


class SpoiltPrivate(Spoiling):
    def train(self, work: LocalWork) -> LocalResult:
        result = super().train(work)
        return replace(result, private=spoilt(result.private)) if work.round and work.client == 2 else result


class SpoiltLoss(Spoiling):
    def train(self, work: LocalWork) -> LocalResult:
        result = super().train(work)
        return replace(result, loss=math.inf) if work.round and work.client == 2 else result


class SpoiltAdaptation(Spoiling):
    def adapt(self, work: LocalWork) -> State:
        return spoilt(work.private) if work.round and work.client == 2 else work.private


class SpoiltStep(Spoiling):
    def server_step(self, work: ServerWork) -> State:
        stepped = super().server_step(work)
        return spoilt(stepped) if work.round else stepped


class SpoiltScores(Spoiling):
    """Its state is sound, its scores are not."""

    def train(self, work: LocalWork) -> LocalResult:
        return replace(super().train(work), private={"own": torch.full((2,), float(work.round))})

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        predict, broken = super().predictor(model, shared, private), bool(private["own"].sum())

        def scores(inputs: Columns) -> Tensor:
            return predict(inputs) / (0.0 if broken else 1.0)

        return scores


FAULTS = [
    (SpoiltUpload, "client 2, round 1, exchange 0, stage 'train': in the upload, 'context' is nan in 1 of 48 numbers."),
    (SpoiltPrivate, "client 2, round 1, exchange 0, stage 'train': in the private state, 'own' is nan in 1 of 2 num"),
    (SpoiltLoss, "client 2, round 1, exchange 0, stage 'train': the mean loss is inf."),
    (SpoiltAdaptation, "client 2, round 1, exchange 0, stage 'evaluate': in the private state, 'own' is nan in 1 of"),
    (SpoiltStep, "coordinator, round 1, exchange 0: in the shared state after the server's step, 'context' is nan in"),
    (SpoiltScores, "client 0, round 1, exchange 0, stage 'evaluate': the scores of 10 of 10 images are infinite, fi"),
]


@pytest.mark.parametrize(("kind", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_finite_ends_the_run_and_the_last_good_round_stays(
    world: Any, tmp_path: Path, kind: Callable[..., Method], words: str
) -> None:
    here, folder = world(rounds=3), tmp_path / "run"
    with pytest.raises(FedsiloError) as caught:
        federate(here, kind(context_length=3), folder)
    text = str(caught.value)
    assert text.startswith(words)
    assert text.endswith(" Lower training.optimizer.learning_rate=0.1.")
    assert isinstance(caught.value, NotFinite if text.startswith("coordinator") else ClientError)
    checkpoint, notices = Checkpoints(folder / "checkpoints", 2).newest()
    assert checkpoint is not None
    assert (checkpoint.round, notices) == (0, [])
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["round-0000"]
    assert [record["round"] for record in read_lines(folder / "rounds.jsonl")] == [0]


class SpoiltGradient(CoOpLearner):
    """Its loss is sound, its gradient is not: the slope of the root at 0 is infinite."""

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        return 1.0 + (0.0 * params[CONTEXT]).sum().sqrt()


def test_a_gradient_that_is_not_finite_is_refused_before_the_step(world: Any) -> None:
    here, method = world(), Composed(learner=SpoiltGradient(context_length=3))
    with pytest.raises(ClientError, match=r"stage 'train': at step 0 the gradient by 'context' is nan in 48 of 48"):
        here.clients(method)[0].train(ClientTask(0, 0, here.plan(method).initial))


def test_a_received_state_that_is_not_finite_is_not_blamed_on_the_client_s_own_step(world: Any) -> None:
    here, method = world(), PromptFL(context_length=3)
    received = to_arrays(spoilt(method.initial_shared(here.model, 0)))
    client = here.clients(method)[1]
    words = r"client 1, round 3, exchange 2, stage 'train': in the received state, 'context' is nan in 1 of 48"
    with pytest.raises(ClientError, match=words):
        client.train(ClientTask(3, 2, received))
    with pytest.raises(ClientError, match=r"stage 'evaluate': in the received state, 'context' is nan"):
        client.evaluate(EvaluationTask(3, received))


@pytest.mark.parametrize("aggregation", [Modular(), Secure()], ids=lambda value: type(value).__name__)
def test_an_update_is_refused_before_it_is_encoded(world: Any, tmp_path: Path, aggregation: Any) -> None:
    with pytest.raises(ClientError, match=r"client 2, round 1, exchange 0, stage 'train': in the upload, 'context' is"):
        federate(world(), SpoiltUpload(context_length=3), tmp_path / "run", aggregation=aggregation)


@pytest.mark.parametrize(
    ("mechanism", "words"),
    [
        (Central(clip_norm=1e38, noise_multiplier=1.0), "coordinator, round 0, exchange 0: in the mean upload, 'con"),
        (LocalNoise(clip_norm=1.0, noise_multiplier=1e39), "stage 'train': in the upload after the privacy mechanism"),
    ],
    ids=["central", "local"],
)
def test_noise_that_is_not_finite_is_blamed_on_the_mechanism(
    world: Any, tmp_path: Path, mechanism: Any, words: str
) -> None:
    with pytest.raises(FedsiloError, match=words) as caught:
        federate(world(rounds=1, mechanism=mechanism), PromptFL(context_length=3), tmp_path / "run")
    assert re.search(r"Lower privacy\.(clip_norm=1e\+38|noise_multiplier=1e\+39)\.$", str(caught.value))


def test_a_state_that_an_earlier_version_wrote_is_refused_with_its_file(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 3)
    for round, value in enumerate([1.0, NAN]):
        checkpoints.write(round, {CONTEXT: torch.full((2,), value)}, lambda folder: {})
    checkpoint, notices = checkpoints.newest()
    assert checkpoint is not None
    assert checkpoint.round == 0
    assert "shared.safetensors: 'context' is nan in 2 of 2 numbers" in notices[0]
    expected = write_state(tmp_path / "client-0000.safetensors", {"own": torch.tensor([1e30])})
    with pytest.raises(RunError, match=r"client-0000.safetensors: 'own' holds numbers of up to 1e\+30"):
        read_state(tmp_path / "client-0000.safetensors", expected)


OPTIMIZERS = [
    Optimizer(learning_rate=3e38),
    Optimizer(name="adam", learning_rate=1e37),
    Optimizer(name="adam", learning_rate=1e38),
    Optimizer(learning_rate=0.1, weight_decay=1e39),
]
PLACE = re.compile(r"(client \d, |coordinator, )round 0, exchange \d(, stage '(train|evaluate)')?: ")


def small(cls: Any, **keys: Any) -> Any:
    return cls(**({"context_length": 3} if "context_length" in cls.__dataclass_fields__ else {}), **keys)


def composed(name: str, **keys: Any) -> Method:
    return Composed(learner=small(CoOpLearner), strategy=find(Strategy, name)(**keys))


def numbers(cls: Any) -> list[tuple[str, float]]:
    """The keys that are numbers, with values at the ends of what float32 holds, as far as their ranges allow."""
    return [
        (field.name, value)
        for field in fields(cls)
        for value in (3e38, 1e-45)
        if isinstance(field.default, float) and parse_range(field.metadata["within"]).holds(value)
    ]


METHODS = [name for name in names(Method) if find(Method, name)().trains and name != "composed"]  # type: ignore[attr-defined]
STRATEGIES = [name for name in names(Strategy) if name not in METHODS and not composed(name).problems()]  # type: ignore[attr-defined]
KINDS = [
    *(pytest.param(find(Method, name), partial(small, find(Method, name)), "method", id=name) for name in METHODS),
    *(
        pytest.param(find(Strategy, name), partial(composed, name), "method.strategy", id=f"coop-{name}")
        for name in STRATEGIES
    ),
]


@pytest.mark.parametrize(("cls", "make", "section"), KINDS)
def test_a_huge_value_of_any_key_gives_finite_scores_or_one_line_that_names_the_key(
    world: Any, tmp_path: Path, cls: Any, make: Callable[..., Any], section: str
) -> None:
    """The learning rate, and every key of the method that is a number: what is finite in the state may give scores
    that are not.
    """
    optimizers = [optimizer for optimizer in OPTIMIZERS if optimizer.name == "sgd" or not make().strategy.needs_sgd]
    cases = [(make(), optimizer, None) for optimizer in optimizers]
    cases += [
        (make(**{name: value}), Optimizer(learning_rate=0.1), f"{section}.{name}={value:g}")
        for name, value in numbers(cls)
    ]
    for number, (method, optimizer, blamed) in enumerate(cases):
        here, folder = world(clients=2, rounds=1, batch_size=32, optimizer=optimizer), tmp_path / str(number)
        try:
            outcome = federate(here, method, folder)
        except FedsiloError as error:
            text = str(error)
            assert PLACE.match(text), text
            assert (blamed or "training.optimizer.") in text, text
            assert "\n" not in text
            assert "cannot be converted" not in text  # torch's own words
            assert not list((folder / "checkpoints").glob("round-*"))
        else:
            assert blamed is not None, optimizer  # no method gets over these learning rates
            assert all(math.isfinite(score["loss"]) for score in outcome.scores)
