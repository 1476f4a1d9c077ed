"""What every method promises, over all that the registry finds: a new method is tested here without a new line."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.core import ClientTask, ClientUpdate, EvaluationTask, Mechanism, Method, RoundRecord
from fedsilo.core.errors import ClientLost
from fedsilo.core.registry import find, name_of, names
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.composed import Composed
from fedsilo.models.prompts.context_learner import PromptLearner
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines
from fedsilo.strategies.fedavg import FedAvgStrategy

METHODS = names(Method)


def make(name: str, **keys: Any) -> Any:
    """The method with short contexts; what a scenario may write flat is put into the slots of `composed` here."""
    if name == "composed":
        parts = {"learner": CoOpLearner, "strategy": FedAvgStrategy}
        return Composed(
            **{part: short(cls, {k: v for k, v in keys.items() if takes(cls, k)}) for part, cls in parts.items()}
        )
    return short(find(Method, name), keys)


def short(cls: Any, keys: dict[str, Any]) -> Any:
    return cls(**({"context_length": 3} if takes(cls, "context_length") else {}), **keys)


def takes(cls: Any, key: str) -> bool:
    return key in cls.__dataclass_fields__


@dataclass
class Ended:
    """Two rounds of a method in a world: its folder, and the backbone before and after."""

    here: Any
    outcome: Outcome
    folder: Path
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def ended(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ended]:
    """Returns ended(name): one run of a method for all the tests that only look at what it left."""
    kept: dict[str, Ended] = {}

    def find_or_run(name: str) -> Ended:
        if name not in kept:
            here, folder = world(rounds=2), tmp_path_factory.mktemp(name) / "run"
            before = {key: array.copy() for key, array in here.model.pack().arrays.items()}
            outcome = here.federate(make(name), folder)
            after = {key: array.copy() for key, array in here.model.pack().arrays.items()}
            kept[name] = Ended(here, outcome, folder, before, after)
        return kept[name]

    return find_or_run


@pytest.mark.parametrize("name", METHODS)
def test_two_rounds_with_the_same_seed_give_the_same_result(ended: Any, tmp_path: Path, name: str) -> None:
    once = ended(name).outcome
    again = ended(name).here.federate(make(name), tmp_path / "again")
    assert (once.shared_sha256, once.private_sha256, once.scores) == (
        again.shared_sha256,
        again.private_sha256,
        again.scores,
    )


def protocols(name: str) -> list[dict[str, str]]:
    """The keys of a method's ways of synchronising, the ones it refuses left out."""
    field = type(make(name).strategy).__dataclass_fields__.get("synchronise")
    ways = [{"synchronise": way} for way in field.metadata["allowed"]] if field else [{}]
    return [way for way in ways if not make(name, **way).problems()]


TRAINED = [
    pytest.param(name, way, id="-".join([name, *way.values()]))
    for name in METHODS
    if make(name).trains
    for way in protocols(name)
]


class Backwards(SerialBackend):
    """Asks the last client first; answers in the order of the question."""

    def train(self, tasks: Any) -> list[ClientUpdate]:
        return super().train(dict(reversed(tasks.items())))[::-1]

    def evaluate(self, tasks: Any) -> Any:
        return super().evaluate(dict(reversed(tasks.items())))[::-1]


class Fragile(Backwards):
    """Loses client 1 once in round 1, after all have evaluated: what they did to their states has happened."""

    def __init__(self, here: Any, method: Method) -> None:
        super().__init__(here.clients(method))
        self.here, self.lost = here, False

    def evaluate(self, tasks: Any) -> Any:
        scores = super().evaluate(tasks)
        if not self.lost and tasks[0].round == 1:
            self.lost = True
            raise ClientLost("client 1 died", client=1)
        return scores

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        self._clients[1] = self.here.clients(method)[1]
        return {1}


def bits(outcome: Outcome) -> tuple[Any, ...]:
    lines = [
        {k: v for k, v in record.items() if k not in ("seconds", "slowest", "attempts")} for record in outcome.records
    ]
    return outcome.shared_sha256, outcome.private_sha256, outcome.scores, lines


@pytest.mark.parametrize(("name", "way"), TRAINED)
def test_resuming_trying_again_and_another_order_of_clients_change_no_bit(
    world: Any, tmp_path: Path, name: str, way: dict[str, str]
) -> None:
    """Two of three clients in the later rounds, so that the states of who does not take part are in it as well."""
    here, method = world(rounds=3, participation=0.7), make(name, **way)

    def go(folder: str, backend: Any, watch: Any = lambda record: None) -> Outcome:
        (tmp_path / folder).mkdir(exist_ok=True)
        checkpoints = Checkpoints(tmp_path / folder / "checkpoints", 2)
        return Federation(here.plan(method), backend, Journals(tmp_path / folder), checkpoints).run(watch)

    def cut(record: RoundRecord) -> None:
        raise KeyboardInterrupt

    whole = go("whole", SerialBackend(here.clients(method)))
    assert {len(record["participants"]) for record in whole.records} == {2, 3}  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        go("cut", Backwards(here.clients(method)), cut)
    fragile = Fragile(here, method)
    assert bits(go("cut", fragile)) == bits(whole)
    assert fragile.lost


@pytest.mark.parametrize(("name", "way"), TRAINED)
def test_who_does_not_take_part_is_measured_with_what_the_round_changed_and_keeps_its_own(
    world: Any, tmp_path: Path, name: str, way: dict[str, str]
) -> None:
    """What it keeps beside training, such as a tuned copy of the shared context, is `adapt`'s."""
    here, method = world(rounds=1), make(name, **way)
    clients = here.clients(method)
    first = here.plan(method).initial
    for client in clients:
        client.train(ClientTask(0, 0, first))
    before = dict(clients[2]._private)
    clients[2].evaluate(EvaluationTask(1, first))
    after = clients[2]._private
    assert all(torch.equal(after[key], value) for key, value in before.items())
    noise = np.random.default_rng(1)
    moved = {key: (value + 0.05 * noise.normal(size=value.shape)).astype(np.float32) for key, value in first.items()}
    losses = [clients[2].evaluate(EvaluationTask(1, shared)).own["loss"] for shared in (first, moved)]
    assert (losses[0] == losses[1]) == (name in PREDICT_ALONE)


PREDICT_ALONE = ("fedamp", "fedpha", "local", "pfedmoap")
"""Methods whose clients predict with their own context alone, once they have one; pfedmoap where it has no experts."""


@pytest.mark.parametrize("name", METHODS)
def test_only_declared_tensors_go_up_and_only_shared_ones_down(ended: Any, name: str) -> None:
    run, method = ended(name), make(name)
    shared = set(method.download(method.initial_shared(run.here.model, 0), 0))
    for line in read_lines(run.folder / "wire.jsonl"):
        assert set(line["tensors"]) <= (set(method.uploads) if line["direction"] == "up" else shared)


@pytest.mark.parametrize("name", METHODS)
def test_the_backbone_is_left_as_it_was(ended: Any, name: str) -> None:
    run = ended(name)
    assert run.after.keys() == run.before.keys()
    for key, array in run.after.items():
        np.testing.assert_array_equal(array, run.before[key])


@pytest.mark.parametrize("name", METHODS)
def test_training_works_on_read_only_memory_and_gives_the_same_bits(world: Any, name: str) -> None:
    here, method = world(rounds=1), make(name)
    task = ClientTask(0, 0, here.plan(method).initial)
    expected = here.clients(method)[0].train(task)
    packed = here.model.pack()
    for array in packed.arrays.values():
        array.flags.writeable = False
    update = replace(here, model=packed.unpack()).clients(method)[0].train(task)
    for key, array in expected.tensors.items():
        np.testing.assert_array_equal(update.tensors[key], array)


@pytest.mark.parametrize("name", METHODS)
def test_updates_and_methods_can_be_sent(world: Any, name: str) -> None:
    here, method = world(rounds=1), make(name)
    assert pickle.loads(pickle.dumps(method)) == method
    update = here.clients(method)[0].train(ClientTask(0, 0, here.plan(method).initial))
    back = pickle.loads(pickle.dumps(update))
    assert back.weight == 20
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in back.tensors.values())


@pytest.mark.parametrize("name", METHODS)
def test_a_client_depends_on_its_own_data_only(world: Any, name: str) -> None:
    few, many = world(clients=2, rounds=1), world(clients=3, rounds=1)
    method = make(name)
    task = ClientTask(0, 0, few.plan(method).initial)
    np.testing.assert_array_equal(few.train[1], many.train[1])
    # The labels of client 1's images differ between the worlds in no way but who else is there.
    alone = replace(many, train=many.train[:2], test=many.test[:2])
    first, second = alone.clients(method)[1].train(task), many.clients(method)[1].train(task)
    for key in first.tensors:
        np.testing.assert_array_equal(first.tensors[key], second.tensors[key])


@pytest.mark.parametrize("name", METHODS)
def test_scores_are_over_all_classes(world: Any, name: str) -> None:
    here, method = world(), make(name)
    shared = method.initial_shared(here.model, 0)
    private = method.initial_private(here.model, 0, 1)
    inputs = here.warehouse.train.batch(np.arange(7), 0)
    with torch.no_grad():
        assert method.predictor(here.model, shared, private)(inputs).shape == (7, 5)


@pytest.mark.parametrize("name", [name for name in METHODS if isinstance(make(name).learner, PromptLearner)])
@pytest.mark.parametrize("form", [{"class_position": "middle"}, {"class_position": "front", "class_specific": True}])
def test_prompts_of_every_form_are_learnt_or_refused(world: Any, name: str, form: dict[str, Any]) -> None:
    here, method = world(), make(name, **form)
    if method.problems():
        return
    work = here.work(method)
    result = method.train(work)
    learnt = {**result.upload, **result.private}
    assert any(not torch.equal(tensor, {**work.shared, **work.private}[key]) for key, tensor in learnt.items())
    assert all(tensor.isfinite().all() for tensor in learnt.values())
    predict = method.predictor(here.model, work.shared, result.private)
    assert predict(here.warehouse.train.batch(np.arange(7), 0)).shape == (7, 5)


@pytest.mark.parametrize("name", [name for name in METHODS if make(name).uploads])
def test_what_leaves_a_client_under_central_privacy_is_clipped(world: Any, name: str) -> None:
    mechanism = Central(noise_multiplier=1.0, clip_norm=1e-3)
    here, method = world(rounds=1, mechanism=mechanism), make(name)
    initial = here.plan(method).initial
    for client in here.clients(method):
        update = client.train(ClientTask(0, 0, initial))
        known = {key: 0 * initial[key] if method.uploads_gradients else initial[key] for key in method.uploads}
        change = sum(float(((update.tensors[key] - known[key]).astype(np.float64) ** 2).sum()) for key in known)
        assert 0 < change**0.5 <= 1e-3


def test_a_method_in_a_file_of_its_own_is_found_and_run(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "frozen.py").write_text(
        "from dataclasses import dataclass\n"
        "from fedsilo.core import LocalResult, Method\n"
        "from fedsilo.core.config_fields import key\n"
        "@dataclass(frozen=True)\n"
        "class Frozen(Method):\n"
        "    uploads = ('nothing',)\n"
        "    scale: float = key(2.0, 'How much.')\n"
        "    def initial_shared(self, model, seed):\n"
        "        return {'nothing': model.zero_shot.clone()}\n"
        "    def initial_private(self, model, seed, client):\n"
        "        return {}\n"
        "    def train(self, work):\n"
        "        return LocalResult({'nothing': work.shared['nothing']}, {}, 0.5, 1)\n"
        "    def predictor(self, model, shared, private):\n"
        "        return lambda inputs: self.scale * model.score(inputs['image'], shared['nothing'])\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    cls: Any = find(Method, "my_lab.frozen:Frozen")
    method = cls(scale=3.0)
    assert name_of(method) == "my_lab.frozen:Frozen"
    outcome = world(rounds=2).federate(method, tmp_path / "run")
    assert [record["loss"] for record in outcome.records] == [0.5, 0.5]
