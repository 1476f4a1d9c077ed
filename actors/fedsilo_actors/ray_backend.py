"""The Ray backend: the coordinator's side of the calls to client actors.

Answers come in client order whatever the order of arrival. A dead or silent actor is a `ClientLost`, for all clients in
it. Ray starts the actor again, and `restart` gives it its clients again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError, RayError, RayTaskError

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, EvaluationTask, Mechanism, Method
from fedsilo.core.errors import ClientLost, ClientOutOfMemory
from fedsilo_actors.client_actor import WorkerInit
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.recovery.actor_restart import Relocation
from fedsilo_actors.recovery.failures import first_line
from fedsilo_actors.replies import Replies

RESTART_POLL_S = 0.2

Given = TypeVar("Given")


class RayBackend:
    """Clients in actors: actor n holds the clients of host n, and the host with the most work is called first."""

    def __init__(
        self,
        actors: Sequence[ActorHandle[Any]],
        hosts: Sequence[Host],
        supplies: WorkerInit,
        timeout_s: float,
        start_timeout_s: float,
        moving: Relocation | None = None,
    ) -> None:
        """Prepares the calls; nothing is called yet.

        Args:
            actors: One per host, in the order of the hosts.
            hosts: The clients in each, the hosts with the most work first.
            supplies: What every client is made from, after a restart too.
            timeout_s: Longest wait for an answer, seconds.
            start_timeout_s: Longest wait for actors to be started, seconds.
            moving: Starts actors again somewhere else; None: an actor that Ray has given up stays lost.
        """
        self._actors, self._hosts, self._supplies = list(actors), list(hosts), supplies
        self._timeout_s, self._start_timeout_s = timeout_s, start_timeout_s
        self._learning: dict[int, Any] = {}
        self._moving = moving
        self._replies = Replies(self._actors, self._hosts, grows=moving is not None)

    def start(self) -> list[str]:
        """Waits for all actors and makes their clients.

        Actors that run out of memory are started again with more. Actors that die are started again once.

        Returns:
            A line for each try that failed for such a reason.

        Raises:
            ResourceError: They need more than there is.
            ClientLost: An actor is not there in time, or died again.
        """
        notices, died = list[str](), False
        while True:
            calls = {n: actor.supply.remote(self._supplies) for n, actor in enumerate(self._actors)}
            try:
                self._answers(calls, "start", self._start_timeout_s)
                return notices
            except ClientOutOfMemory as error:
                notices.append(f"actors were started again: {error}")
                self._move_crowded()
            except ClientLost as error:
                if died:
                    raise
                died = True
                notices.append(f"actors were started again: {error}")
                self._bring_back()

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Has clients train for one exchange.

        Args:
            tasks: The tasks, by client.

        Returns:
            Their updates, in the order of the tasks.
        """
        calls = {n: self._named(n, "train", tasks).remote(own) for n, own in self._of_hosts(tasks)}
        found = {update.client: update for updates in self._answers(calls, "train") for update in updates}
        return [found[client] for client in tasks]

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Has clients evaluate their models.

        Args:
            tasks: The tasks, by client.

        Returns:
            Their scores, in the order of the tasks.
        """
        calls = {n: self._named(n, "evaluate", tasks).remote(own) for n, own in self._of_hosts(tasks)}
        found = {score.client: score for scores in self._answers(calls, "evaluate") for score in scores}
        return [found[client] for client in tasks]

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        """Has clients begin to train; their updates stay with them, and this does not wait.

        Args:
            tasks: The tasks, by client.
        """
        self._learning = {n: self._named(n, "learn", tasks).remote(own) for n, own in self._of_hosts(tasks)}

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        """Sends messages of secure aggregation, while clients train.

        Args:
            messages: The messages, by client.
            timeout_s: Longest wait, seconds.

        Returns:
            The answers, by client; clients that dropped out are missing.
        """
        calls = {n: self._actors[n].answer.remote(own, timeout_s) for n, own in self._of_hosts(messages)}
        return _in_order(messages, self._gather_available(calls, "answer", timeout_s))

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        """Collects the masked updates of clients that have learnt.

        Args:
            clients: Numbers of the clients.

        Returns:
            The masked updates, by client; clients that dropped out are missing.
        """
        asked = dict(self._of_hosts(dict.fromkeys(clients)))
        learnt = self._gather_available({n: self._learning[n] for n in asked}, "train", self._timeout_s)
        calls = {n: self._actors[n].masked.remote(list(asked[n])) for n in learnt}
        return _in_order(clients, self._gather_available(calls, "mask", self._timeout_s))

    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Sets the method and the mechanism of every client.

        Args:
            method: The method.
            mechanism: The fitted privacy mechanism.
        """
        calls = {n: actor.set_method.remote(method, mechanism) for n, actor in enumerate(self._actors)}
        self._answers(calls, "set_method")

    def save(self, folder: Path) -> dict[int, str]:
        """Has every client write its private state.

        Args:
            folder: The folder they write to.

        Returns:
            The hash of each state, in client order.
        """
        calls = {n: actor.save.remote(str(folder)) for n, actor in enumerate(self._actors)}
        return dict(sorted(item for hashes in self._answers(calls, "save") for item in hashes.items()))

    def restore(self, folder: Path, hashes: Mapping[int, str]) -> None:
        """Has clients read their private state.

        Args:
            folder: The folder they read from.
            hashes: The expected hash of each state, by client.
        """
        calls = {n: self._actors[n].restore.remote(str(folder), own) for n, own in self._of_hosts(hashes)}
        self._answers(calls, "restore")

    def reset(self, clients: Sequence[int]) -> None:
        """Gives clients the initial private state of their method.

        Args:
            clients: Numbers of the clients.
        """
        calls = {n: self._actors[n].reset.remote(list(own)) for n, own in self._of_hosts(dict.fromkeys(clients))}
        self._answers(calls, "restart")

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        """Waits until Ray has started lost actors again, and gives them clients and method.

        Args:
            method: The method.
            mechanism: The fitted privacy mechanism.

        Returns:
            All clients in them, which now have the method's initial private state.
        """
        self._move_crowded()
        self._replies.find_lost(self._timeout_s)
        lost = self._bring_back()
        self._answers({number: self._actors[number].set_method.remote(method, mechanism) for number in lost}, "restart")
        return {client for number in lost for client in self._hosts[number].clients}

    def close(self) -> None:
        """Ends the actors for good."""
        for actor in self._actors:
            ray.kill(actor, no_restart=True)

    def _bring_back(self) -> list[int]:
        """Numbers of the actors that were lost, after they were started and supplied again."""
        for number in sorted(self._replies.lost):
            if not self._is_back(number):
                self._move({number})
        lost = sorted(self._replies.lost)
        for number in lost:
            self._wait_for_restart(number)
        self._replies.lost.clear()
        return lost

    def _named(self, number: int, call: str, tasks: Mapping[int, ClientTask | EvaluationTask]) -> Any:
        """An actor's method under a name that people read in the dashboard: "train round 3"."""
        return getattr(self._actors[number], call).options(name=f"{call} round {next(iter(tasks.values())).round}")

    def _move_crowded(self) -> None:
        """Starts the actors that ran out of memory again, with more."""
        for number, demand in self._replies.crowded.items():
            self._hosts[number] = replace(self._hosts[number], demand=demand)
        moved, self._replies.crowded = set(self._replies.crowded), {}
        if moved:
            self._move(moved)

    def _move(self, numbers: set[int]) -> None:
        assert self._moving is not None
        self._replies.lost |= self._moving.move(numbers, self._actors, self._hosts)

    def _is_back(self, number: int) -> bool:
        """Whether an actor is there or Ray is about to start it again; False where Ray has given it up."""
        if self._moving is None:
            return True
        try:
            ray.get(self._actors[number].is_supplied.remote(), timeout=self._start_timeout_s)
        except (ActorUnavailableError, GetTimeoutError):
            return True
        except RayActorError:
            return False
        return True

    def _of_hosts(self, given: Mapping[int, Given]) -> Iterator[tuple[int, dict[int, Given]]]:
        """Numbers of the hosts of these clients, with each host's part."""
        for number, host in enumerate(self._hosts):
            own = {client: given[client] for client in host.clients if client in given}
            if own:
                yield number, own

    def _wait_for_restart(self, number: int) -> None:
        """Supplies an actor as soon as it is there; until then Ray reports that it is unavailable."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            try:
                left = max(deadline - time.monotonic(), 0.1)
                ray.get(self._actors[number].supply.remote(self._supplies), timeout=left)
                return
            except (ActorUnavailableError, GetTimeoutError) as error:
                if time.monotonic() > deadline:
                    why = f"not back within {self._start_timeout_s:g} s ({first_line(error)})"
                    raise self._replies.make_loss(number, "restart", why) from None
                time.sleep(RESTART_POLL_S)
            except RayTaskError as fault:
                raise self._replies.explain_fault(number, "restart", fault) from None
            except RayError as fault:
                raise self._replies.make_loss(number, "restart", first_line(fault)) from None

    def _answers(self, calls: Mapping[int, Any], stage: str, timeout_s: float | None = None) -> list[Any]:
        return self._replies.gather(calls, stage, self._timeout_s if timeout_s is None else timeout_s)

    def _gather_available(self, calls: Mapping[int, Any], stage: str, limit: float) -> dict[int, Any]:
        return self._replies.gather_available(calls, stage, limit)


def _in_order(
    clients: Mapping[int, Any] | Sequence[int], answers: Mapping[int, Mapping[int, bytes]]
) -> dict[int, bytes]:
    """The answers of all actors by client, in the order of the clients that were asked."""
    found = {client: answer for own in answers.values() for client, answer in own.items()}
    return {client: found[client] for client in clients if client in found}
