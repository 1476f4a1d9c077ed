"""A run on Ray: encoder actors for the features, then a coordinator and actors that host the clients."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fedsilo.client import ClientRules
from fedsilo.contracts import Devices
from fedsilo.errors import ClientError, FedsiloError
from fedsilo.federation import Outcome
from fedsilo.job import Job, Watch
from fedsilo.preparation import Prepared
from fedsilo.scenario.sections import Actors
from fedsilo_actors.backend import RayBackend
from fedsilo_actors.cluster import cluster, nodes, total
from fedsilo_actors.coordinator import Coordinator
from fedsilo_actors.demand import Demand, demands
from fedsilo_actors.devices import devices, wanted
from fedsilo_actors.encoder import encode_with_actors
from fedsilo_actors.host import PROTOCOL, HostActor, Place, Supplies
from fedsilo_actors.packing import PROCESS_BYTES, Host, clients_per_actor, pack, works
from fedsilo_actors.placement import placement

POLL_S = 0.1
PATIENCE_S = 10.0
"""Progress that comes later than this is asked for again: news, not a reason to stop."""


class RayRuntime:
    """Runs jobs on the Ray that is connected."""

    def __init__(self, section: Actors, device: str = "auto") -> None:
        """Takes the scenario's `actors` and its `backbone.device`."""
        self._section, self._device = section, device

    def devices(self) -> Devices:
        """Returns the driver's device and the encoders'. Raises ResourceError."""
        return devices(self._section, self._device)

    def one_machine(self) -> bool:
        """Returns whether the cluster is this machine alone, so that clients can read the driver's files."""
        return nodes() == 1

    def encode(self, *work: Any) -> Any:
        """Encodes chunks of images with encoder actors, released when the last chunk is done."""
        return encode_with_actors(self._section, *work)

    def run(self, job: Job, prepared: Prepared, rules: ClientRules, watch: Watch) -> dict[str, Outcome]:
        """Runs a job with actors for the clients and a coordinator actor; all are gone when it returns.

        Raises:
            ResourceError: The clients cannot be placed.
            ClientError: A client failed, or the coordinator did.
        """
        asked = demands(self._section, [client.domain for client in prepared.manifest.clients])
        most = clients_per_actor(self._section, len(asked), total())
        hosts = pack(asked, works(rules.training, prepared.manifest.training_sizes), most)
        with placement([host.demand for host in hosts], self._section.start_timeout_s) as group:
            model = prepared.model.pack()
            # Held here until the end: a client that is started again fetches them again.
            supplies = Supplies(ray.put(prepared.warehouse), ray.put(prepared.claims), ray.put(model), rules)
            actors = self._start_hosts(job.folder.name, prepared, hosts, group)
            backend = RayBackend(actors, hosts, supplies, self._section.timeout_s, self._section.start_timeout_s)
            try:
                backend.start()
                return _with_notices(self._coordinate(job, backend, watch), self._notices(hosts))
            finally:
                backend.close()

    def _start_hosts(
        self, run: str, prepared: Prepared, hosts: Sequence[Host], group: PlacementGroup | None
    ) -> list[ActorHandle[Any]]:
        handles: list[ActorHandle[Any]] = []
        for number, host in enumerate(hosts):
            domains = {prepared.manifest.clients[client].domain for client in host.clients}
            place = Place(
                host=host,
                domain=domains.pop() if len(domains) == 1 else "",
                threads=self._section.threads,
                device=wanted(self._section, self._device),
            )
            # Resources are given here, at the call site, so that each actor can have its own.
            actor: Any = ray.remote(**_resources(host.demand))(HostActor)
            strategy = "DEFAULT" if group is None else PlacementGroupSchedulingStrategy(group, number)
            options = actor.options(name=f"{run} {place.title}", scheduling_strategy=strategy)
            handles.append(options.remote(place))
        return handles

    def _notices(self, hosts: Sequence[Host]) -> list[str]:
        """What the user did not ask for: clients that share actors for want of memory."""
        clients = sum(len(host.clients) for host in hosts)
        if self._section.clients_per_actor or clients == len(hosts):
            return []
        return [
            f"actors: {clients} clients shared {len(hosts)} actors: a process for each would take about "
            f"{clients * PROCESS_BYTES / 2**30:.0f} GiB. Set actors.clients_per_actor to choose."
        ]

    def _coordinate(self, job: Job, backend: RayBackend, watch: Watch) -> dict[str, Outcome]:
        actor: Any = ray.remote(num_cpus=0)(Coordinator)
        options = actor.options(name=f"{job.folder.name} coordinator", max_concurrency=2)
        coordinator = options.remote(job, backend)
        try:
            return self._follow(coordinator, watch)
        except RayTaskError as error:
            raise _unwrapped(error, "coordinator") from None
        except RayActorError as error:
            raise ClientError(
                f"the coordinator died: {str(error).strip().splitlines()[0]} `fedsilo resume {job.folder}` goes on.",
                stage="coordinator",
            ) from None
        finally:
            ray.kill(coordinator)

    def _follow(self, coordinator: ActorHandle[Any], watch: Watch) -> dict[str, Outcome]:
        """Tells of rounds as they finish, until the run does; the run's own time limits end every wait."""
        pending: Any = coordinator.run.remote()
        seen = 0
        while True:
            done, _ = ray.wait([pending], timeout=POLL_S)
            told, _ = ray.wait([coordinator.progress.remote(seen)], timeout=PATIENCE_S)
            for part, record in ray.get(told[0]) if told else ():
                seen += 1
                watch(part, record)
            if done:
                outcomes: dict[str, Outcome] = ray.get(pending)
                return outcomes


def _resources(demand: Demand) -> dict[str, Any]:
    threads = {"concurrency_groups": {PROTOCOL: 1}}
    others = {"resources": dict(demand.others)}
    asked = {"num_gpus": demand.gpus, "num_cpus": demand.cpus, "max_restarts": -1, **others, **threads}
    return {**asked, "memory": demand.memory} if demand.memory else asked


@contextlib.contextmanager
def ray_runtime(section: Actors, device: str = "auto") -> Iterator[RayRuntime]:
    """Holds a connection to Ray and yields a runtime on it; says where the dashboard is, if one was asked for.

    Args:
        section: The scenario's `actors`.
        device: Its `backbone.device`.
    """
    with cluster(section) as dashboard:
        if dashboard and section.dashboard:
            print(f"Ray dashboard: http://{dashboard}", file=sys.stderr)
        yield RayRuntime(section, device)


def _with_notices(outcomes: Mapping[str, Outcome], notices: Sequence[str]) -> dict[str, Outcome]:
    """The outcomes of a job's parts, the first with the job's own notices."""
    first = next(iter(outcomes))
    outcome = outcomes[first]
    return {**outcomes, first: replace(outcome, notices=(*notices, *outcome.notices))}


def _unwrapped(error: RayTaskError, stage: str) -> FedsiloError:
    """Our own error as it was raised in an actor, or an unforeseen one in our words."""
    cause = error.cause
    if isinstance(cause, FedsiloError):
        return cause
    return ClientError(f"stage '{stage}': {type(cause).__name__}: {cause}.", stage=stage)


def resources(section: Actors) -> dict[str, float]:
    """Returns what the Ray that a scenario would use has to give, by name."""
    with cluster(section):
        return total()
