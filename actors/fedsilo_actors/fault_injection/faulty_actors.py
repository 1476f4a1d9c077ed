"""Actors that are struck: the ones of every run, with a blow before or after what they do."""

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
    """Clients that are struck when the work is done and the answer is lost, which is when it matters most."""

    ledger: FaultLog

    @ray.method
    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Returns these clients' updates for one exchange, unless it is struck."""
        updates: list[ClientUpdate] = _plain(super()).train(tasks)
        for client, task in tasks.items():
            strike_worker(self.ledger, "client", "train", round=task.round, exchange=task.exchange, client=client)
        return updates

    @ray.method
    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Returns how their models do on test images, unless it is struck."""
        for client, task in tasks.items():
            strike_worker(self.ledger, "client", "evaluate", round=task.round, client=client)
        scores: list[ClientScore] = _plain(super()).evaluate(tasks)
        return scores

    @ray.method
    def save(self, folder: str) -> dict[int, str]:
        """Writes the private states, unless it is struck, which leaves them written."""
        hashes: dict[int, str] = _plain(super()).save(folder)
        for client in hashes:
            strike_worker(self.ledger, "client", "save", round=_round(Path(folder)), client=client)
        return hashes


class FaultyEncoder(EncoderActor):
    """An image tower that is struck before a chunk."""

    ledger: FaultLog

    @ray.method
    def encode(self, supplies: Sequence[Any], chunk: Chunk) -> EncodedChunk:
        """Returns the features of one chunk, unless it is struck."""
        strike_worker(self.ledger, "encoder", f"encode {chunk.key[:12]}", exchange=chunk.start, client=chunk.view)
        encoded: EncodedChunk = _plain(super()).encode(supplies, chunk)
        return encoded


class FaultyBackend(RayBackend):
    """The coordinator's way to its clients, where the coordinator is struck: it is used in no other process."""

    ledger: FaultLog

    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Returns the updates for one exchange, unless it is struck when they are there and used for nothing."""
        updates = super().train(tasks)
        task = next(iter(tasks.values()))
        strike_coordinator(self.ledger, "train", task.round, task.exchange)
        return updates

    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Returns the scores, unless it is struck before anybody is asked."""
        strike_coordinator(self.ledger, "evaluate", next(iter(tasks.values())).round)
        return super().evaluate(tasks)

    def save(self, folder: Path) -> dict[int, str]:
        """Has clients write their private state; struck then, the round is on record and has no checkpoint."""
        hashes = super().save(folder)
        strike_coordinator(self.ledger, "save", _round(folder))
        if self.ledger.claim(FaultPoint("fill disk", "save", _round(folder))):
            fill_disk()
        return hashes


def with_faults(kind: Kind, ledger: FaultLog) -> Kind:
    """Returns a class of struck actors that knows the run's faults: actors' arguments are those of every run."""
    made: Any = type(kind.__name__, (kind,), {"__doc__": kind.__doc__, "ledger": ledger})
    return made  # type: ignore[no-any-return]


def _plain(actor: Any) -> Any:
    """What `ray.method` types as something to be called from outside is called directly here."""
    return actor


def _round(folder: Path) -> int:
    """The round of a checkpoint's folder, the temporary one as well."""
    found = re.search(r"round-(\d+)", folder.name)
    assert found, folder
    return int(found[1])
