"""Starting the actors that host clients, each with its own resources and a name that people can read."""

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
    """How actors are started, whoever is in them.

    Attributes:
        section: The scenario's `actors`.
        device: Its `backbone.device`.
        run: The run's name.
        domains: Each client's domain, "" when mixed.
        kind: What the actors are made of.
        tf32: Its `backbone.tf32`.
    """

    section: Actors
    device: str
    run: str
    domains: tuple[str, ...]
    kind: type[ClientActor] = ClientActor
    tf32: bool = False

    def start(self, host: Host, group: PlacementGroup | None, bundle: int) -> ActorHandle[Any]:
        """Returns an actor for a host; nobody waits for it here.

        Args:
            host: Who is in it.
            group: Where it is placed; None: wherever Ray likes.
            bundle: In which part of the group.
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
    """Returns what the user did not ask for: clients that share actors for want of memory."""
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
