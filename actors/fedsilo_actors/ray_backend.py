"""The Ray backend: the coordinator's side of the calls to the actors that host clients.

Answers come in client order whatever the order of arrival. A dead or silent actor is a `ClientLost`, of all clients in
it; Ray starts it again, `restart` supplies it.
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
from fedsilo_actors.recovery.failures import first_line
from fedsilo_actors.recovery.relocation import Moving
from fedsilo_actors.replies import Replies

RESTART_POLL_S = 0.2

Given = TypeVar("Given")


class RayBackend:
    """Clients in actors. Numbers of actors and of hosts are the same; who has the most work is asked first."""

    def __init__(
        self,
        actors: Sequence[ActorHandle[Any]],
        hosts: Sequence[Host],
        supplies: WorkerInit,
        timeout_s: float,
        start_timeout_s: float,
        moving: Moving | None = None,
    ) -> None:
        """Takes the actors, who is in them, what to supply them with, and the longest waits.

        Args:
            actors: One per host, in the order of the hosts.
            hosts: Who is in each, the ones with the most work first.
            supplies: What every client is made from, after a restart too.
            timeout_s: Longest wait for an answer, seconds.
            start_timeout_s: Longest wait for actors to be started, seconds.
            moving: Starts actors anew, somewhere else; None: an actor that Ray has given up stays lost.
        """
        self._actors, self._hosts, self._supplies = list(actors), list(hosts), supplies
        self._timeout_s, self._start_timeout_s = timeout_s, start_timeout_s
        self._learning: dict[int, Any] = {}
        self._moving = moving
        self._replies = Replies(self._actors, self._hosts, grows=moving is not None)

    def start(self) -> list[str]:
        """Waits for all actors and supplies them, those that run out of memory with more of it, one that dies again.

        Returns:
            A line for each try that failed for such a reason.

        Raises:
            ResourceError: They need more than there is.
            ClientLost: One is not there in time, or died again.
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
        """Returns the updates of these clients for one exchange."""
        calls = {n: self._named(n, "train", tasks).remote(own) for n, own in self._of_hosts(tasks)}
        found = {update.client: update for updates in self._answers(calls, "train") for update in updates}
        return [found[client] for client in tasks]

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Returns the scores of these clients."""
        calls = {n: self._named(n, "evaluate", tasks).remote(own) for n, own in self._of_hosts(tasks)}
        found = {score.client: score for scores in self._answers(calls, "evaluate") for score in scores}
        return [found[client] for client in tasks]

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        """Has these clients train; their updates stay with them, and nobody waits here."""
        self._learning = {n: self._named(n, "learn", tasks).remote(own) for n, own in self._of_hosts(tasks)}

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        """Returns the answers to messages of secure aggregation, while clients train; dropped out ones are missing."""
        calls = {n: self._actors[n].answer.remote(own, timeout_s) for n, own in self._of_hosts(messages)}
        return _in_order(messages, self._whoever_answers(calls, "answer", timeout_s))

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        """Returns the masked updates of clients that were told to learn; dropped out ones are missing."""
        asked = dict(self._of_hosts(dict.fromkeys(clients)))
        learnt = self._whoever_answers({n: self._learning[n] for n in asked}, "train", self._timeout_s)
        calls = {n: self._actors[n].masked.remote(list(asked[n])) for n in learnt}
        return _in_order(clients, self._whoever_answers(calls, "mask", self._timeout_s))

    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Has every client take up a method."""
        calls = {n: actor.set_method.remote(method, mechanism) for n, actor in enumerate(self._actors)}
        self._answers(calls, "set_method")

    def save(self, folder: Path) -> dict[int, str]:
        """Has every client write its private state; returns the hash by client, in client order."""
        calls = {n: actor.save.remote(str(folder)) for n, actor in enumerate(self._actors)}
        return dict(sorted(item for hashes in self._answers(calls, "save") for item in hashes.items()))

    def restore(self, folder: Path, hashes: Mapping[int, str]) -> None:
        """Has clients read their private state, which must have the given hash."""
        calls = {n: self._actors[n].restore.remote(str(folder), own) for n, own in self._of_hosts(hashes)}
        self._answers(calls, "restore")

    def reset(self, clients: Sequence[int]) -> None:
        """Gives these clients the initial private state of their method."""
        calls = {n: self._actors[n].reset.remote(list(own)) for n, own in self._of_hosts(dict.fromkeys(clients))}
        self._answers(calls, "restart")

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        """Waits for lost actors to be started again by Ray and gives them supplies and method.

        Returns:
            All clients in them, who have the method's initial private state now.
        """
        self._move_crowded()
        self._replies.lost |= self._also_lost()
        lost = self._bring_back()
        self._answers({number: self._actors[number].set_method.remote(method, mechanism) for number in lost}, "restart")
        return {client for number in lost for client in self._hosts[number].clients}

    def close(self) -> None:
        """Ends the actors for good."""
        for actor in self._actors:
            ray.kill(actor, no_restart=True)

    def _bring_back(self) -> list[int]:
        """The actors that were lost, which are there again and supplied."""
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
        """Gives the actors that ran out of memory what they are to be given."""
        for number, demand in self._replies.crowded.items():
            self._hosts[number] = replace(self._hosts[number], demand=demand)
        moved, self._replies.crowded = set(self._replies.crowded), {}
        if moved:
            self._move(moved)

    def _move(self, numbers: set[int]) -> None:
        assert self._moving is not None
        self._replies.lost |= self._moving.move(numbers, self._actors, self._hosts)

    def _is_back(self, number: int) -> bool:
        """Whether an actor is there or Ray is about to start it again: not one that it has given up."""
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
        """Hosts of clients that are given something, with what these are given."""
        for number, host in enumerate(self._hosts):
            own = {client: given[client] for client in host.clients if client in given}
            if own:
                yield number, own

    def _also_lost(self) -> set[int]:
        """Actors that died with the one that was noticed, as all on a dead node do; each alone would cost a retry."""
        calls: dict[int, Any] = {
            n: actor.is_supplied.remote() for n, actor in enumerate(self._actors) if n not in self._replies.lost
        }
        # It is answered beside training, so whoever is silent is lost for other reasons; the next call has its limit.
        ready, _ = (
            ray.wait(list(calls.values()), num_returns=len(calls), timeout=self._timeout_s) if calls else ([], [])
        )
        lost, there = set(), set(ready)
        for number, call in calls.items():
            try:
                if call in there and not ray.get(call):
                    lost.add(number)
            except RayError:
                lost.add(number)
        return lost

    def _wait_for_restart(self, number: int) -> None:
        """Supplies an actor as soon as it is there; until then Ray answers that it is unavailable."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            try:
                left = max(deadline - time.monotonic(), 0.1)
                ray.get(self._actors[number].supply.remote(self._supplies), timeout=left)
                return
            except (ActorUnavailableError, GetTimeoutError) as error:
                if time.monotonic() > deadline:
                    why = f"not back within {self._start_timeout_s:g} s ({first_line(error)})"
                    raise self._replies.loss(number, "restart", why) from None
                time.sleep(RESTART_POLL_S)
            except RayTaskError as fault:
                raise self._replies.fault(number, "restart", fault) from None
            except RayError as fault:
                raise self._replies.loss(number, "restart", first_line(fault)) from None

    def _answers(self, calls: Mapping[int, Any], stage: str, timeout_s: float | None = None) -> list[Any]:
        return self._replies.all(calls, stage, self._timeout_s if timeout_s is None else timeout_s)

    def _whoever_answers(self, calls: Mapping[int, Any], stage: str, limit: float) -> dict[int, Any]:
        return self._replies.whoever(calls, stage, limit)


def _in_order(
    clients: Mapping[int, Any] | Sequence[int], answers: Mapping[int, Mapping[int, bytes]]
) -> dict[int, bytes]:
    """The answers of all actors by client, in the order of the question."""
    found = {client: answer for own in answers.values() for client, answer in own.items()}
    return {client: found[client] for client in clients if client in found}
