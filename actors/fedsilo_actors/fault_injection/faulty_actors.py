"""Actors under faults: those of every run, with a fault before or after what they do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import ray

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, EvaluationTask
from fedsilo.models.clip.features import Chunk, EncodedChunk
from fedsilo_actors.client_actor import ClientActor
from fedsilo_actors.encoder import EncoderActor
from fedsilo_actors.fault_injection.fault_log import FaultLog
from fedsilo_actors.fault_injection.fault_plan import FaultPoint
from fedsilo_actors.fault_injection.injectors import fill_disk, strike_coordinator, strike_worker
from fedsilo_actors.ray_backend import RayBackend

Kind = TypeVar("Kind", bound=type)


class FaultyClientActor(ClientActor):
    """Clients that are struck when the work is done and the answer is lost, which is the worst moment."""

    ledger: FaultLog

    @ray.method
    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Trains clients for one exchange, then strikes if a fault is planned.

        Args:
            tasks: The tasks, by client of this actor.

        Returns:
            Their updates.
        """
        updates: list[ClientUpdate] = _plain(super()).train(tasks)
        for client, task in tasks.items():
            strike_worker(self.ledger, "client", "train", round=task.round, exchange=task.exchange, client=client)
        return updates

    @ray.method
    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Strikes if a fault is planned, then evaluates clients' models.

        Args:
            tasks: The tasks, by client of this actor.

        Returns:
            Their scores.
        """
        for client, task in tasks.items():
            strike_worker(self.ledger, "client", "evaluate", round=task.round, client=client)
        scores: list[ClientScore] = _plain(super()).evaluate(tasks)
        return scores

    @ray.method
    def save(self, folder: str) -> dict[int, str]:
        """Writes the private states, then strikes if a fault is planned, which leaves them written.

        Args:
            folder: The folder they are written to.

        Returns:
            The hash of each state, by client.
        """
        hashes: dict[int, str] = _plain(super()).save(folder)
        for client in hashes:
            strike_worker(self.ledger, "client", "save", round=_round(Path(folder)), client=client)
        return hashes


class FaultyEncoder(EncoderActor):
    """An image tower that is struck before a chunk."""

    ledger: FaultLog

    @ray.method
    def encode(self, supplies: Sequence[Any], chunk: Chunk) -> EncodedChunk:
        """Strikes if a fault is planned, then encodes one chunk.

        Args:
            supplies: References to the tower and the images.
            chunk: The chunk.

        Returns:
            Its features.
        """
        strike_worker(self.ledger, "encoder", f"encode {chunk.key[:12]}", exchange=chunk.start, client=chunk.view)
        encoded: EncodedChunk = _plain(super()).encode(supplies, chunk)
        return encoded


class FaultyBackend(RayBackend):
    """The coordinator's calls to its clients, where the coordinator is struck: only its process uses this class."""

    ledger: FaultLog

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Has clients train, then strikes the coordinator if a fault is planned, before the updates are used.

        Args:
            tasks: The tasks, by client.

        Returns:
            Their updates.
        """
        updates = super().train(tasks)
        task = next(iter(tasks.values()))
        strike_coordinator(self.ledger, "train", task.round, task.exchange)
        return updates

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Strikes the coordinator if a fault is planned, before any client is asked.

        Args:
            tasks: The tasks, by client.

        Returns:
            Their scores.
        """
        strike_coordinator(self.ledger, "evaluate", next(iter(tasks.values())).round)
        return super().evaluate(tasks)

    def save(self, folder: Path) -> dict[int, str]:
        """Has clients write their private state, then strikes: the round is on record then and has no checkpoint.

        Args:
            folder: The folder they write to.

        Returns:
            The hash of each state, by client.
        """
        hashes = super().save(folder)
        strike_coordinator(self.ledger, "save", _round(folder))
        if self.ledger.claim(FaultPoint("fill disk", "save", _round(folder))):
            fill_disk()
        return hashes


def with_faults(kind: Kind, ledger: FaultLog) -> Kind:
    """Makes a class of actors that knows the run's faults, because actors have the same arguments in every run.

    Args:
        kind: A class with faults.
        ledger: The run's faults.

    Returns:
        A subclass.
    """
    made: Any = type(kind.__name__, (kind,), {"__doc__": kind.__doc__, "ledger": ledger})
    return made  # type: ignore[no-any-return]


def _plain(actor: Any) -> Any:
    """The actor without the types of `ray.method`, so that its methods can be called directly."""
    return actor


def _round(folder: Path) -> int:
    """The round of a checkpoint's folder, the temporary one as well."""
    found = re.search(r"round-(\d+)", folder.name)
    assert found, folder
    return int(found[1])
