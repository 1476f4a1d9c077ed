"""Packing of clients into actors: clients with equal resources share actors, in parts of about equal work.

Longest first: the client with the most work goes to the actor with the least (Graham, "Bounds on Multiprocessing
Timing Anomalies", 1969: at most a third longer than the best). The packing does not change what is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedsilo.config.sections import Actors
from fedsilo.core.training_settings import Training
from fedsilo_actors.placement.resources import Resources

PROCESS_BYTES = 340 << 20
"""Memory of a process that has imported torch, measured."""

SHOWN = 3
"""Most ranges of client numbers in the name of an actor."""


@dataclass(frozen=True, slots=True)
class Host:
    """An actor and the clients in it.

    Attributes:
        clients: Their numbers, ascending.
        demand: The actor's resources: those of each of its clients, once.
        work: Work of all its clients together.
    """

    clients: tuple[int, ...]
    demand: Resources
    work: int

    @property
    def title(self) -> str:
        """The name for people: "client 07", "clients 00-09"."""
        return f"client{'s'[: len(self.clients) > 1]} {format_clients(self.clients)}"


def estimate_work(training: Training, sizes: Iterable[int]) -> list[int]:
    """Estimates each client's work in a round: training steps, plus one for the evaluation.

    Args:
        training: The scenario's section.
        sizes: Training examples of each client.

    Returns:
        Steps, in client order.
    """
    return [1 + (training.local_epochs * training.batches(size) if size else 0) for size in sizes]


def clients_per_actor(section: Actors, clients: int, there_is: Mapping[str, float]) -> int:
    """Chooses how many clients an actor has at most.

    Where the scenario leaves it open: 1 if the memory suffices, otherwise as many as give one actor per core.

    Args:
        section: The scenario's `actors`.
        clients: Number of clients.
        there_is: The cluster's resources, by name.

    Returns:
        >= 1.
    """
    if section.clients_per_actor:
        return section.clients_per_actor
    if clients * PROCESS_BYTES <= there_is.get("memory", math.inf):
        return 1
    return math.ceil(clients / max(int(there_is.get("CPU", 1)), 1))


def pack(asked: Sequence[Resources], work: Sequence[int], per_actor: int) -> list[Host]:
    """Packs clients into actors.

    Args:
        asked: Each client's resources, in client order; only clients with equal resources share an actor.
        work: Each client's work.
        per_actor: Most clients in one actor, >= 1.

    Returns:
        The actors with their clients, the ones with the most work first.
    """
    alike: dict[Resources, list[int]] = {}
    for client, demand in enumerate(asked):
        alike.setdefault(demand, []).append(client)
    hosts = [
        Host(part, demand, sum(work[client] for client in part))
        for demand, clients in alike.items()
        for part in _spread(clients, work, per_actor)
    ]
    return sorted(hosts, key=lambda host: (-host.work, host.clients))


def _spread(clients: Sequence[int], work: Sequence[int], per_actor: int) -> list[tuple[int, ...]]:
    loads = [0] * math.ceil(len(clients) / per_actor)
    counts = [0] * len(loads)
    places: dict[int, list[int]] = {}
    for client in sorted(clients, key=lambda client: (-work[client], client)):
        free = (host for host, count in enumerate(counts) if count < per_actor)
        least = min(free, key=lambda host: (loads[host], counts[host], host))
        loads[least] += work[client]
        counts[least] += 1
        places.setdefault(work[client], []).append(least)
    parts: list[list[int]] = [[] for _ in loads]
    for amount, hosts in places.items():
        # Clients with equal work are exchanged so that neighbours stay together, which reads better.
        equal = sorted(client for client in clients if work[client] == amount)
        for client, host in zip(equal, sorted(hosts), strict=True):
            parts[host].append(client)
    return [tuple(sorted(part)) for part in parts]


def format_clients(clients: Sequence[int]) -> str:
    """Formats client numbers for people.

    Args:
        clients: Ascending numbers.

    Returns:
        Such as "00-09", or "00-03, 07, 09-11 and 5 more".
    """
    runs: list[list[int]] = []
    for client in clients:
        if runs and client == runs[-1][-1] + 1:
            runs[-1].append(client)
        else:
            runs.append([client])
    shown = [f"{run[0]:02d}" + (f"-{run[-1]:02d}" if len(run) > 1 else "") for run in runs[:SHOWN]]
    hidden = sum(len(run) for run in runs[SHOWN:])
    return ", ".join(shown) + (f" and {hidden} more" if hidden else "")
