"""What the family of averaging strategies sends, keeps and begins with, and what a recipe makes of a state."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.core import ClientTask, EvaluationTask
from fedsilo.core.round_work import ServerWork
from fedsilo.core.state import to_arrays
from fedsilo.methods.composed import Composed
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.local import LocalStrategy


def floats(state: Any) -> dict[str, float]:
    return {name: float(tensor) for name, tensor in state.items() if math.prod(tensor.shape) == 1}


def test_a_state_is_split_into_what_travels_and_what_stays(plain: Any, numbers: Any) -> None:
    here, method = plain(), Composed(learner=numbers())
    assert method.uploads == ("a", "count")
    assert set(method.initial_shared(here.model, 0)) == {"a", "count"}
    assert set(method.initial_private(here.model, 0, 1)) == {"b", "drawn", "noted"}
    assert (method.personal, method.streams, method.trains, method.allows_stale) == (True, 2, True, True)
    alone = Composed(learner=numbers(), strategy=LocalStrategy())
    assert alone.uploads == ()
    assert alone.initial_shared(here.model, 0) == {}
    assert set(alone.initial_private(here.model, 0, 1)) == {"a", "b", "count", "drawn", "noted"}


def test_parameters_and_statistics_are_sent_and_the_rest_is_kept(plain: Any, numbers: Any) -> None:
    here, method = plain(), Composed(learner=numbers())
    shared = {"a": torch.full((1,), 2.0), "count": torch.full((1,), 3.0)}
    private = {**method.initial_private(here.model, 0, 0), "b": torch.full((1,), 4.0), "more": torch.full((1,), 9.0)}
    result = method.train(here.work(method, shared=shared, private=private))
    assert floats(result.upload) == pytest.approx({"a": 1.25, "count": 5.0})
    assert floats(result.private) == pytest.approx({"b": 3.25, "noted": 20.0, "more": 9.0})
    assert set(result.private) == {"b", "drawn", "noted", "more"}
    assert torch.count_nonzero(result.private["drawn"][3:5]) == 2, "a buffer that stays goes on from the received count"
    assert result.steps == 2


def test_the_client_s_own_values_win_over_those_received(plain: Any, numbers: Any) -> None:
    """A name that travels and is kept as well is begun from the client's own."""
    here = plain(batch_size=20)

    class Both(FedAvgStrategy):
        def kept(self, learner: Any) -> tuple[str, ...]:
            return ("a", "b")

    method = Composed(learner=numbers(), strategy=Both())
    assert set(method.initial_private(here.model, 0, 0)) >= {"a", "b"}
    private = {**method.initial_private(here.model, 0, 0), "a": torch.full((1,), 5.0)}
    shared = {"a": torch.full((1,), -7.0), "count": torch.zeros(1)}
    result = method.train(here.work(method, shared=shared, private=private))
    assert floats(result.upload)["a"] == floats(result.private)["a"] == pytest.approx(3.0)


@pytest.mark.parametrize("kept", [False, True])
def test_an_optimizer_s_memory_is_kept_or_dropped_with_the_rest(
    plain: Any, numbers: Any, stepped: Any, kept: bool
) -> None:
    here = plain(optimizer=stepped(momentum=0.9, state="kept" if kept else "fresh"))
    method = Composed(learner=numbers())
    old = {"optimizer/a/momentum": torch.full((1,), 50.0), "optimizer/gone/momentum": torch.ones(1)}
    result = method.train(here.work(method, private={**method.initial_private(here.model, 0, 0), **old}))
    memory = {name for name in result.private if name.startswith("optimizer/")}
    assert memory == ({"optimizer/a/momentum", "optimizer/b/momentum", "optimizer/gone/momentum"} if kept else set())
    assert not any("/" in name for name in result.upload)


def test_gradients_are_sent_and_own_parameters_stepped_where_batches_are_exchanged(plain: Any, numbers: Any) -> None:
    here = plain()

    class Plain(numbers):  # type: ignore[misc]
        averaged = ()

    method = Composed(learner=Plain(), strategy=FedAvgStrategy(synchronise="batch"))
    assert method.problems() == []
    assert (method.uploads_gradients, method.uniform, method.exchanges(7), method.allows_stale) == (
        True,
        True,
        7,
        False,
    )
    result = method.train(here.work(method))
    assert floats(result.upload) == {"a": -1.0}
    assert (floats(result.private)["b"], floats(result.private)["noted"]) == (1.5, 20.0)
    assert result.steps == 1


def test_the_server_takes_the_mean_or_a_step_along_it(plain: Any, numbers: Any, stepped: Any) -> None:
    here, learner = plain(optimizer=stepped(momentum=0.5)), numbers()
    shared, mean = {"a": torch.full((1,), 2.0), "other": torch.ones(1)}, {"a": torch.full((1,), 4.0)}
    work = ServerWork(shared, mean, {}, (20,), here.rules.training, 0, 0)
    assert floats(FedAvgStrategy().server_step(work, learner)) == {"a": 4.0, "other": 1.0}
    once = FedAvgStrategy(synchronise="batch").server_step(work, learner)
    assert floats(once) == {"a": 0.0, "other": 1.0, "optimizer/a/momentum": 4.0}
    again = FedAvgStrategy(synchronise="batch").server_step(ServerWork(once, *list_of(work)), learner)
    assert floats(again)["a"] == pytest.approx(-0.5 * (4 + 0.5 * 4))
    assert "optimizer/a/momentum" not in FedAvgStrategy(synchronise="batch").download(once, 0)


def list_of(work: ServerWork) -> list[Any]:
    return [work.mean, work.updates, work.sizes, work.training, work.round, work.exchange]


def test_running_statistics_cannot_travel_as_gradients(numbers: Any) -> None:
    (line,) = Composed(learner=numbers(), strategy=FedAvgStrategy(synchronise="batch")).problems()
    assert line.startswith("strategy.synchronise: ")
    assert "Use 'round'" in line


def test_what_a_learner_notes_of_a_client_s_data_is_there_in_evaluation_and_stays(plain: Any, numbers: Any) -> None:
    here, method = plain(), Composed(learner=numbers())
    client, initial = here.clients(method)[1], here.plan(method).initial
    assert float(client._private["noted"]) == 0
    client.train(ClientTask(0, 0, initial))
    assert float(client._private["noted"]) == 27
    update = client.train(ClientTask(0, 0, initial))
    assert "noted" not in update.tensors
    predict = method.predictor(here.model, method.initial_shared(here.model, 0), client._private)
    inputs = here.warehouse.test.batch(np.arange(4), 0)
    bare = inputs["image"] @ here.model.zero_shot.T
    torch.testing.assert_close(predict(inputs), bare + client._private["b"] + 27)


def test_running_statistics_are_averaged_over_clients(plain: Any, numbers: Any, tmp_path: Any) -> None:
    """Clients with 20, 27 and 34 images make two, two and three steps of ten in round 0."""
    here, method = plain(rounds=1), Composed(learner=numbers())
    updates = [client.train(ClientTask(0, 0, here.plan(method).initial)) for client in here.clients(method)]
    assert [float(update.tensors["count"][0]) for update in updates] == [2, 2, 3]
    from fedsilo.aggregation.plain import Plain

    mean = Plain().combine(updates, method.uniform)
    assert float(mean["count"]) == pytest.approx((20 * 2 + 27 * 2 + 34 * 3) / 81)
    after = method.server_step(
        ServerWork(method.initial_shared(here.model, 0), mean, {}, (20, 27, 34), here.rules.training, 0, 0)
    )
    clients = here.clients(method)
    score = clients[0].evaluate(EvaluationTask(1, to_arrays(method.download(after, 0))))
    assert score.examples == 12
