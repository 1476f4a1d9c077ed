"""Answers of client actors, and the fedsilo error for each actor that gives none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, OutOfMemoryError, RayActorError, RayError, RayTaskError

from fedsilo.core.errors import ClientError, ClientLost, ClientOutOfMemory, FedsiloError, ResourceError
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.recovery.failures import first_line


class Replies:
    """Answers of actors, and the actors that were found lost on the way.

    Attributes:
        lost: Numbers of actors that died, or were ended because they were silent.
        crowded: Actors that ran out of memory, with the resources they get next.
    """

    def __init__(self, actors: Sequence[ActorHandle[Any]], hosts: Sequence[Host], grows: bool) -> None:
        """Begins with no actor lost.

        Args:
            actors: The actors; the list may change between calls.
            hosts: The clients in each; the list may change between calls.
            grows: Whether an actor can be given more resources.
        """
        self._actors, self._hosts, self._grows = actors, hosts, grows
        self.lost: set[int] = set()
        self.crowded: dict[int, Resources] = {}

    def gather(self, calls: Mapping[int, Any], stage: str, limit: float) -> list[Any]:
        """Waits for the answers to all calls.

        Args:
            calls: References to the answers, by number of the actor.
            stage: What the actors were asked for.
            limit: Longest wait, seconds.

        Returns:
            The answers, in the order of the calls.

        Raises:
            ClientLost: An actor died, or is silent.
            FedsiloError: Any other error of an actor.
        """
        try:
            return list(ray.get(list(calls.values()), timeout=limit))
        except RayError as error:
            self._explain(calls, stage, limit, error)
            raise

    def gather_available(self, calls: Mapping[int, Any], stage: str, limit: float) -> dict[int, Any]:
        """Waits for the answers to all calls, and leaves out actors that died or are silent: they are lost.

        Args:
            calls: References to the answers, by number of the actor.
            stage: What the actors were asked for.
            limit: Longest wait, seconds.

        Returns:
            The answers, by number of the actor.

        Raises:
            FedsiloError: An error in an actor.
        """
        ready, _ = ray.wait(list(calls.values()), num_returns=len(calls), timeout=limit) if calls else ([], [])
        answers, there = {}, set(ready)
        for number, call in calls.items():
            if call not in there:
                ray.kill(self._actors[number], no_restart=False)
                self.lost.add(number)
                continue
            try:
                answers[number] = ray.get(call)
            except RayTaskError as fault:
                error = self.explain_fault(number, stage, fault)
                if not isinstance(error, ClientLost):
                    raise error from None
            except OutOfMemoryError as fault:
                self._killed(number, stage, fault)
            except RayError:  # its process died, or the node with the answer
                self.lost.add(number)
        return answers

    def find_lost(self, limit: float) -> None:
        """Finds actors that died together with one that was noticed, as on a dead node: each alone would cost a retry.

        Args:
            limit: Longest wait, seconds.
        """
        calls: dict[int, Any] = {
            n: actor.is_supplied.remote() for n, actor in enumerate(self._actors) if n not in self.lost
        }
        # It is answered beside training, so a silent actor is lost for other reasons; the next call has its limit.
        ready, _ = ray.wait(list(calls.values()), num_returns=len(calls), timeout=limit) if calls else ([], [])
        there = set(ready)
        for number, call in calls.items():
            try:
                if call in there and not ray.get(call):
                    self.lost.add(number)
            except RayError:
                self.lost.add(number)

    def _explain(self, calls: Mapping[int, Any], stage: str, limit: float, error: RayError) -> None:
        """Raises the fedsilo error for a failed call, with the first faulty client in it."""
        if isinstance(error, GetTimeoutError):
            self._give_up_on_silent(calls, stage, limit)
        crowded: FedsiloError | None = None
        for number, call in sorted(calls.items(), key=lambda item: self._hosts[item[0]].clients):
            try:
                ray.get(call, timeout=limit)
            except RayError as fault:
                translated = self._translate(number, stage, fault)
                if not isinstance(translated, ClientOutOfMemory):
                    raise translated from None
                crowded = crowded or translated  # others may be crowded too: one try is enough for all of them
        if crowded:
            raise crowded from None

    def _translate(self, number: int, stage: str, fault: RayError) -> FedsiloError:
        """An actor's error as a fedsilo error."""
        if isinstance(fault, RayTaskError):
            return self.explain_fault(number, stage, fault)
        if isinstance(fault, OutOfMemoryError):
            return self._killed(number, stage, fault)
        if isinstance(fault, RayActorError):
            self.lost.add(number)
            return self.make_loss(number, stage, f"its process died ({first_line(fault)})")
        # The node that held the answer may be gone: `restart` finds out.
        return self.make_loss(number, stage, f"{type(fault).__name__}: {first_line(fault)}")

    def explain_fault(self, number: int, stage: str, fault: RayTaskError) -> FedsiloError:
        """Translates an error that was raised in an actor.

        The actor is marked as lost or crowded where the error says so.

        Args:
            number: Number of the actor.
            stage: What it was asked for.
            fault: What Ray raised.

        Returns:
            A fedsilo error.
        """
        cause = fault.cause
        if isinstance(cause, ClientOutOfMemory):
            return self._short_of("GPU", number, str(cause))
        if isinstance(cause, ClientLost):
            self.lost.add(number)
        if isinstance(cause, FedsiloError):
            return cause
        host = self._hosts[number]
        text = f"{host.title}, stage '{stage}': {type(cause).__name__}: {first_line(cause)}."
        if isinstance(cause, (RayError, MemoryError)):  # not the client's fault: another try may succeed
            return ClientLost(text, client=host.clients[0], stage=stage)
        return ClientError(text, client=host.clients[0], stage=stage)

    def _killed(self, number: int, stage: str, fault: OutOfMemoryError) -> FedsiloError:
        """The error for an actor that Ray ended because the memory of its machine ran out."""
        self.lost.add(number)
        host = self._hosts[number]
        reserved = host.demand.memory >> 20
        text = f"{host.title}, stage '{stage}': Ray ended its process, the memory of its machine ran out"
        if reserved:
            return self._short_of("memory", number, f"{text} with {reserved} MiB reserved")
        return self.make_loss(number, stage, f"the memory of its machine ran out ({first_line(fault)})")

    def _short_of(self, what: str, number: int, text: str) -> FedsiloError:
        """The error for an actor that needs more; it gets more before the next try, where that is possible."""
        host = self._hosts[number]
        more = host.demand.larger(what)
        if more is None or not self._grows:
            return ResourceError(
                f"{text}, and it cannot be given more. Take smaller batches (training.batch_size, "
                "evaluation.batch_size) or a GPU with more memory (actors.labels)."
            )
        self.lost.add(number)
        self.crowded[number] = more
        given = f"{more.gpus:g} GPU" if what == "GPU" else f"{more.memory >> 20} MiB"
        return ClientOutOfMemory(f"{text}; it is given {given}.", client=host.clients[0])

    def make_loss(self, number: int, stage: str, why: str) -> ClientLost:
        """Makes the error for a lost actor, in the name of its first client.

        Args:
            number: Number of the actor.
            stage: What it was asked for.
            why: Why it counts as lost.

        Returns:
            The error, to be raised.
        """
        host = self._hosts[number]
        return ClientLost(f"{host.title}, stage '{stage}': {why}.", client=host.clients[0], stage=stage)

    def _give_up_on_silent(self, calls: Mapping[int, Any], stage: str, limit: float) -> None:
        _, silent = ray.wait(list(calls.values()), num_returns=len(calls), timeout=0)
        late = [number for number, call in calls.items() if call in set(silent)]
        if not late:
            return
        for number in late:
            ray.kill(self._actors[number], no_restart=False)
            self.lost.add(number)
        host = self._hosts[late[0]]
        raise ClientLost(
            f"{host.title}, stage '{stage}': no answer within {limit:g} s ({len(late)} of {len(calls)} client actors "
            "silent). Raise actors.timeout_s if the work is that long.",
            client=host.clients[0],
            stage=stage,
        )
