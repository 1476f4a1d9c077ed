"""Who is asked what, and in which order the answers come; the actors are stand-ins that answer at once."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedsilo.core import ClientScore, ClientUpdate
from fedsilo.core.errors import ClientLost
from fedsilo.methods.local import Local
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.ray_backend import RayBackend

HOSTS = [Host((1, 4), Resources(0, 0), 9), Host((0, 3), Resources(0, 0), 8), Host((2,), Resources(0, 0), 5)]


class Task(int):
    """A number to know it by, of round 3."""

    round = 3


class AtOnce(RayBackend):
    """Keeps the calls by actor; a call is its answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, Any]] = []
        self.names: list[str] = []
        self.waited: list[int] = []
        super().__init__([self._actor(number) for number in range(3)], HOSTS, None, 1.0, 1.0)  # type: ignore[arg-type]

    def _actor(self, number: int) -> Any:
        def calling(name: str) -> Any:
            def remote(*given: Any) -> Any:
                self.asked.append((number, name, given))
                return ANSWERS[name](HOSTS[number].clients, *given)

            def options(name: str) -> Any:
                self.names.append(name)
                return SimpleNamespace(remote=remote)

            return SimpleNamespace(remote=remote, options=options)

        return SimpleNamespace(**{name: calling(name) for name in ANSWERS})

    def _answers(self, calls: Mapping[int, Any], stage: str, timeout_s: float | None = None) -> list[Any]:
        return list(calls.values())

    def _whoever_answers(self, calls: Mapping[int, Any], stage: str, limit: float) -> dict[int, Any]:
        return {number: answer for number, answer in calls.items() if number not in self._replies.lost}

    def _also_lost(self) -> set[int]:
        return {2}

    def _wait_for_restart(self, number: int) -> None:
        self.waited.append(number)


ANSWERS: dict[str, Any] = {
    "supply": lambda clients, supplies: None,
    "train": lambda clients, tasks: [ClientUpdate(client, {}, task, 0.0, 0.0) for client, task in tasks.items()],
    "evaluate": lambda clients, tasks: [ClientScore(client, {"examples": task}) for client, task in tasks.items()],
    "learn": lambda clients, tasks: None,
    "answer": lambda clients, messages, limit: {client: b"to " + text for client, text in messages.items()},
    "masked": lambda clients, wanted: dict.fromkeys(wanted, b"masked"),
    "save": lambda clients, folder: {client: f"hash {client}" for client in clients},
    "restore": lambda clients, folder, hashes: None,
    "set_method": lambda clients, method, mechanism: None,
}


def test_each_actor_is_asked_once_for_its_own_clients_and_answers_come_in_the_order_of_the_tasks() -> None:
    backend: Any = AtOnce()
    updates = backend.train({client: Task(10 + client) for client in (0, 1, 2, 4)})
    assert [(update.client, update.weight) for update in updates] == [(0, 10), (1, 11), (2, 12), (4, 14)]
    assert backend.asked == [
        (0, "train", ({1: 11, 4: 14},)), (1, "train", ({0: 10},)), (2, "train", ({2: 12},)),
    ]  # fmt: skip
    scores = backend.evaluate({client: Task(10 + client) for client in (2, 3, 4)})
    assert [(score.client, score.examples) for score in scores] == [(2, 12), (3, 13), (4, 14)]
    assert backend.names == ["train round 3"] * 3 + ["evaluate round 3"] * 3
    assert list(backend.save(Path("x")).items()) == [(client, f"hash {client}") for client in range(5)]


def test_only_clients_with_something_to_read_are_asked() -> None:
    backend: Any = AtOnce()
    backend.restore(Path("x"), {3: "a", 1: "b"})
    assert backend.asked == [(0, "restore", ("x", {1: "b"})), (1, "restore", ("x", {3: "a"}))]


@pytest.mark.parametrize("lost", [set(), {1}])
def test_the_clients_of_a_lost_actor_are_missing_in_a_secure_sum_and_all_of_them_are_brought_back(
    lost: set[int],
) -> None:
    backend: Any = AtOnce()
    backend._replies.lost = set(lost)
    backend.learn(dict.fromkeys(range(5), Task()))
    there = [client for client in (0, 2, 3, 4) if not (lost and client in (0, 3))]
    assert list(backend.answer({client: b"%d" % client for client in (0, 2, 3, 4)}, 1.0)) == there
    assert list(backend.masked([0, 2, 3, 4])) == there
    assert backend.restart(Local(), NoMechanism()) == ({0, 2, 3} if lost else {2})
    assert backend.restart(Local(), NoMechanism()) == {2}


@pytest.mark.parametrize("deaths", [1, 2])
def test_an_actor_that_dies_while_it_is_started_is_started_once_more(deaths: int) -> None:
    class Dying(AtOnce):
        def _answers(self, calls: Mapping[int, Any], stage: str, timeout_s: float | None = None) -> list[Any]:
            if len(self.asked) <= 3 * deaths:
                self._replies.lost.add(1)
                raise ClientLost("clients 00, 03, stage 'start': its process died.", client=0)
            return []

    backend: Any = Dying()
    if deaths == 1:
        assert backend.start() == ["actors were started again: clients 00, 03, stage 'start': its process died."]
    else:
        with pytest.raises(ClientLost, match="its process died"):
            backend.start()
    assert backend.waited == [1]
