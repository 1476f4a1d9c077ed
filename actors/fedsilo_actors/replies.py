"""What comes back from calls to actors that host clients: answers, or what became of whoever gives none."""

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
    """Answers of actors, and who was found lost while they were waited for.

    Attributes:
        lost: Numbers of actors that died, or were ended because they were silent.
        crowded: Actors that ran out of memory, with what they are to be given.
    """

    def __init__(self, actors: Sequence[ActorHandle[Any]], hosts: Sequence[Host], grows: bool) -> None:
        """Takes the actors and who is in them, both as they are at each call, and whether one can be given more."""
        self._actors, self._hosts, self._grows = actors, hosts, grows
        self.lost: set[int] = set()
        self.crowded: dict[int, Resources] = {}

    def gather(self, calls: Mapping[int, Any], stage: str, limit: float) -> list[Any]:
        """Returns the answers to all calls, in their order.

        Args:
            calls: References of the answers, by number of the actor.
            stage: What they were asked for.
            limit: Longest wait, seconds.

        Raises:
            ClientLost: An actor died, or is silent.
            FedsiloError: Whatever else is wrong with one.
        """
        try:
            return list(ray.get(list(calls.values()), timeout=limit))
        except RayError as error:
            self._explain(calls, stage, limit, error)
            raise

    def gather_available(self, calls: Mapping[int, Any], stage: str, limit: float) -> dict[int, Any]:
        """The answers by actor. One that died or is silent is lost and left out; a fault in one is raised."""
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

    def _explain(self, calls: Mapping[int, Any], stage: str, limit: float, error: RayError) -> None:
        """Raises what happened in our own words, the first faulty client named."""
        if isinstance(error, GetTimeoutError):
            self._give_up_on_silent(calls, stage, limit)
        crowded: FedsiloError | None = None
        for number, call in sorted(calls.items(), key=lambda item: self._hosts[item[0]].clients):
            try:
                ray.get(call, timeout=limit)
            except RayError as fault:
                told = self._translate(number, stage, fault)
                if not isinstance(told, ClientOutOfMemory):
                    raise told from None
                crowded = crowded or told  # others may be, too: one try is enough for all of them
        if crowded:
            raise crowded from None

    def _translate(self, number: int, stage: str, fault: RayError) -> FedsiloError:
        """What an actor's fault is in our words."""
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
        """Returns what was raised in an actor as one of our errors; the actor is lost, or crowded, where it says so."""
        cause = fault.cause
        if isinstance(cause, ClientOutOfMemory):
            return self._short_of("GPU", number, str(cause))
        if isinstance(cause, ClientLost):
            self.lost.add(number)
        if isinstance(cause, FedsiloError):
            return cause
        host = self._hosts[number]
        text = f"{host.title}, stage '{stage}': {type(cause).__name__}: {first_line(cause)}."
        if isinstance(cause, (RayError, MemoryError)):  # not of the client's making: another try may go well
            return ClientLost(text, client=host.clients[0], stage=stage)
        return ClientError(text, client=host.clients[0], stage=stage)

    def _killed(self, number: int, stage: str, fault: OutOfMemoryError) -> FedsiloError:
        """What is said of an actor that Ray ended because the memory of its machine ran out."""
        self.lost.add(number)
        host = self._hosts[number]
        reserved = host.demand.memory >> 20
        text = f"{host.title}, stage '{stage}': Ray ended its process, the memory of its machine ran out"
        if reserved:
            return self._short_of("memory", number, f"{text} with {reserved} MiB reserved")
        return self.make_loss(number, stage, f"the memory of its machine ran out ({first_line(fault)})")

    def _short_of(self, what: str, number: int, text: str) -> FedsiloError:
        """What is said of an actor that needs more; it will be given it before the next try, if there can be more."""
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
        """Returns that an actor is lost, in the name of its first client."""
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
