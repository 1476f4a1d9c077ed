"""Starts the actors that host clients, each with its own resources and a name that people can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fedsilo.config.sections import Actors
from fedsilo_actors.client_actor import PROTOCOL, ClientActor, WorkerContext
from fedsilo_actors.devices import resolve_device
from fedsilo_actors.placement.packing import PROCESS_BYTES, Host
from fedsilo_actors.placement.resources import Resources


@dataclass(frozen=True, slots=True)
class ClientStarter:
    """Starts client actors of one run.

    Attributes:
        section: The scenario's `actors`.
        device: Its `backbone.device`.
        run: The run's name.
        domains: Each client's domain, "" when mixed.
        kind: Class of the actors.
        tf32: Its `backbone.tf32`.
    """

    section: Actors
    device: str
    run: str
    domains: tuple[str, ...]
    kind: type[ClientActor] = ClientActor
    tf32: bool = False

    def start(self, host: Host, group: PlacementGroup | None, bundle: int) -> ActorHandle[Any]:
        """Starts an actor for a host; this does not wait.

        Args:
            host: Its clients and resources.
            group: The reservation it is placed in; None: Ray chooses.
            bundle: Number of its bundle in the reservation.

        Returns:
            The actor's handle.
        """
        own = {self.domains[client] for client in host.clients}
        place = WorkerContext(
            host=host,
            domain=own.pop() if len(own) == 1 else "",
            threads=self.section.threads,
            device=resolve_device(self.section, self.device),
            run=self.run,
            domains=tuple(self.domains[client] for client in host.clients),
            log_level=self.section.log_level,
            tf32=self.tf32,
        )
        # Resources are given here, at the call site, so that each actor can have its own.
        actor: Any = ray.remote(**_resources(host.demand))(self.kind)
        strategy = "DEFAULT" if group is None else PlacementGroupSchedulingStrategy(group, bundle)
        options = actor.options(name=f"{self.run} {place.title}", scheduling_strategy=strategy)
        started: ActorHandle[Any] = options.remote(place)
        return started


def describe_sharing(section: Actors, hosts: Sequence[Host]) -> list[str]:
    """Describes what the user did not ask for: clients that share actors because of memory.

    Args:
        section: The scenario's `actors`.
        hosts: The actors with their clients.

    Returns:
        One line; empty where clients do not share actors, or the user asked for it.
    """
    clients = sum(len(host.clients) for host in hosts)
    if section.clients_per_actor or clients == len(hosts):
        return []
    return [
        f"actors: {clients} clients shared {len(hosts)} actors: a process for each would take about "
        f"{clients * PROCESS_BYTES / 2**30:.0f} GiB. Set actors.clients_per_actor to choose."
    ]


def _resources(demand: Resources) -> dict[str, Any]:
    threads = {"concurrency_groups": {PROTOCOL: 1}}
    others = {"resources": dict(demand.others)}
    asked = {"num_gpus": demand.gpus, "num_cpus": demand.cpus, "max_restarts": -1, **others, **threads}
    return {**asked, "memory": demand.memory} if demand.memory else asked
