"""A run on Ray: encoder actors for the features, then a coordinator and actors that host the clients."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType

import ray

from fedsilo.config.sections import Actors
from fedsilo.core import Devices, Examples
from fedsilo.models.clip.features import Chunk, EncodedChunk
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job, MethodRoundCallback
from fedsilo.simulation.preparation import Prepared
from fedsilo_actors.client_actor import ClientActor, WorkerInit
from fedsilo_actors.cluster import CLIENT, connect_cluster, count_nodes, total_resources
from fedsilo_actors.coordinator import Coordinator
from fedsilo_actors.devices import choose_devices, resolve_device
from fedsilo_actors.encoder import EncoderActor, encode_with_actors
from fedsilo_actors.placement.automatic import Measure, choose_gpu_shares
from fedsilo_actors.placement.packing import Host, clients_per_actor, estimate_work, pack
from fedsilo_actors.placement.probing import ProbeActor, measure_client
from fedsilo_actors.placement.reservation import WaitLimit, hold_placement
from fedsilo_actors.placement.resources import find_automatic_clients, read_demands
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.recovery.client_start import ClientStarter, describe_sharing
from fedsilo_actors.recovery.coordinator_restart import CoordinatorSupervisor, add_notices
from fedsilo_actors.recovery.failures import translate_ray_errors
from fedsilo_actors.recovery.relocation import Relocation, sweep


class RayRuntime:
    """Runs jobs on the Ray that is connected.

    Attributes:
        host: What actors that host clients are made of.
        probe: What the actor is made of that measures what a client needs.
        encoder: What encoders are made of.
        coordinator: What the coordinator is made of.
        backend: What the coordinator calls the clients by.
    """

    host: type[ClientActor] = ClientActor
    probe: type[ProbeActor] = ProbeActor
    encoder: type[EncoderActor] = EncoderActor
    coordinator: type[Coordinator] = Coordinator
    backend: type[RayBackend] = RayBackend

    def __init__(self, section: Actors, device: str = "auto", tf32: bool = False) -> None:
        """Takes the scenario's `actors`, its `backbone.device` and its `backbone.tf32`."""
        self._section, self._device, self._tf32 = section, device, tf32

    def devices(self) -> Devices:
        """Returns the driver's device and the encoders'. Raises ResourceError."""
        return choose_devices(self._section, self._device)

    def one_machine(self) -> bool:
        """Returns whether the cluster is this machine alone, so that clients can read the driver's files."""
        return count_nodes() == 1 and not self._section.address.startswith(CLIENT)

    def encode(self, encoder: ImageEncoder, images: Examples, missing: Sequence[Chunk]) -> Iterator[EncodedChunk]:
        """Yields the features of chunks of images by encoder actors, released when the last chunk is done."""
        return encode_with_actors(self._section, encoder, images, missing, self.encoder)

    def run(self, job: Job, prepared: Prepared, rules: ClientRules, watch: MethodRoundCallback) -> dict[str, Outcome]:
        """Runs a job with actors for the clients and a coordinator actor; all are gone when it returns.

        Raises:
            ResourceError: The clients cannot be placed.
            ClientError: A client failed.
            ClusterError: The coordinator died again and again.
        """
        section = self._section
        domains = tuple(client.domain for client in prepared.manifest.clients)
        hosting = ClientStarter(section, self._device, job.folder.name, domains, self.host, self._tf32)
        # Held here until the end: a client that is started again fetches them again.
        arrays = ray.put(prepared.warehouse), ray.put(prepared.claims), ray.put(prepared.model.pack())
        supplies = WorkerInit(*arrays, rules=rules, folder=str(job.folder.absolute()))
        probing = replace(hosting, kind=self.probe)
        work = estimate_work(rules.training, prepared.manifest.training_sizes)
        hosts, told = self._hosts(domains, work, lambda host: measure_client(probing, host, supplies, job))
        with hold_placement([host.demand for host in hosts], WaitLimit.of(section), manner=section.placement) as group:
            actors = [hosting.start(host, group, number) for number, host in enumerate(hosts)]
            moving = Relocation(hosting, group)
            backend = self.backend(actors, hosts, supplies, section.timeout_s, section.start_timeout_s, moving)
            try:
                told += backend.start()
                outcomes = CoordinatorSupervisor(job, backend, watch, section).run(self.coordinator)
                return add_notices(outcomes, told)
            finally:
                backend.close()
                sweep(hosting.run)

    def _hosts(self, domains: Sequence[str], work: Sequence[int], measure: Measure) -> tuple[list[Host], list[str]]:
        """Who shares an actor and what each asks for, and what the user did not ask for but gets."""
        section = self._section
        asked, left = read_demands(section, domains), find_automatic_clients(section, domains)
        most = clients_per_actor(section, len(asked), total_resources())
        if not left:
            hosts = pack(asked, work, most)
            return hosts, describe_sharing(section, hosts)
        on_gpus = section.pretend_gpus or resolve_device(section, self._device).startswith(("auto", "cuda"))
        found = choose_gpu_shares(section, asked, left, work, measure if on_gpus else None)
        for line in found.notices:
            print(line, file=sys.stderr)
        return pack(found.asked, work, max(most, found.per_actor)), found.notices


@contextlib.contextmanager
def ray_runtime(
    section: Actors, device: str = "auto", tf32: bool = False, code: Sequence[ModuleType] = ()
) -> Iterator[RayRuntime]:
    """Holds a connection to Ray and yields a runtime on it; says where the dashboard is, if one was asked for.

    Whatever Ray raises in whoever uses it is one of our errors outside.

    Args:
        section: The scenario's `actors`.
        device: Its `backbone.device`.
        tf32: Its `backbone.tf32`.
        code: Modules that other machines need beside fedsilo.
    """
    with connect_cluster(section, code) as dashboard:
        if dashboard and section.dashboard:
            print(f"Ray dashboard: http://{dashboard}", file=sys.stderr)
        with translate_ray_errors("actors"):
            yield RayRuntime(section, device, tf32)


def read_cluster_resources(section: Actors) -> dict[str, float]:
    """Returns what the Ray that a scenario would use has to give, by name."""
    with connect_cluster(section):
        return total_resources()
