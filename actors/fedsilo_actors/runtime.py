"""A run on Ray: encoder actors for the features, then a coordinator actor and client actors."""

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
from fedsilo_actors.recovery.actor_restart import Relocation, sweep
from fedsilo_actors.recovery.client_starter import ClientStarter, describe_sharing
from fedsilo_actors.recovery.coordinator_restart import CoordinatorSupervisor, add_notices
from fedsilo_actors.recovery.failures import translate_ray_errors


class RayRuntime:
    """Runs jobs on the Ray cluster that this process is connected to.

    Attributes:
        host: Class of the actors that host clients.
        probe: Class of the actor that measures what a client needs.
        encoder: Class of the encoders.
        coordinator: Class of the coordinator.
        backend: Class of the coordinator's side of calls to clients.
    """

    host: type[ClientActor] = ClientActor
    probe: type[ProbeActor] = ProbeActor
    encoder: type[EncoderActor] = EncoderActor
    coordinator: type[Coordinator] = Coordinator
    backend: type[RayBackend] = RayBackend

    def __init__(self, section: Actors, device: str = "auto", tf32: bool = False) -> None:
        """Prepares a runtime; nothing is started.

        Args:
            section: The scenario's `actors`.
            device: Its `backbone.device`.
            tf32: Its `backbone.tf32`.
        """
        self._section, self._device, self._tf32 = section, device, tf32

    def devices(self) -> Devices:
        """Chooses where the driver and the encoders compute.

        Returns:
            The devices.

        Raises:
            ResourceError: A GPU is asked for by name, and the cluster has none.
        """
        return choose_devices(self._section, self._device)

    def one_machine(self) -> bool:
        """Checks whether the cluster is this machine alone, so that clients can read the driver's files.

        Returns:
            Whether it is.
        """
        return count_nodes() == 1 and not self._section.address.startswith(CLIENT)

    def encode(self, encoder: ImageEncoder, images: Examples, missing: Sequence[Chunk]) -> Iterator[EncodedChunk]:
        """Encodes images by encoder actors, which end with the last chunk.

        Args:
            encoder: The image tower.
            images: All images.
            missing: The chunks to encode.

        Returns:
            The features of each chunk, in order of arrival.
        """
        return encode_with_actors(self._section, encoder, images, missing, self.encoder)

    def run(self, job: Job, prepared: Prepared, rules: ClientRules, watch: MethodRoundCallback) -> dict[str, Outcome]:
        """Runs a job with client actors and a coordinator actor; all of them are gone when this returns.

        Args:
            job: The federations to run.
            prepared: The data, the model and the feature store.
            rules: What the scenario tells every client.
            watch: Called with each finished round.

        Returns:
            The outcome of each federation, by name.

        Raises:
            ResourceError: The clients cannot be placed.
            ClientError: A client failed.
            ClusterError: The coordinator died more often than `actors.retries` allows.
        """
        section = self._section
        domains = tuple(client.domain for client in prepared.manifest.clients)
        hosting = ClientStarter(section, self._device, job.folder.name, domains, self.host, self._tf32)
        # These references live until the end: a client that is started again fetches the arrays again.
        arrays = ray.put(prepared.warehouse), ray.put(prepared.claims), ray.put(prepared.model.pack())
        supplies = WorkerInit(*arrays, rules=rules, folder=str(job.folder.absolute()))
        probing = replace(hosting, kind=self.probe)
        work = estimate_work(rules.training, prepared.manifest.training_sizes)
        hosts, lines = self._hosts(domains, work, lambda host: measure_client(probing, host, supplies, job))
        with hold_placement([host.demand for host in hosts], WaitLimit.of(section), manner=section.placement) as group:
            actors = [hosting.start(host, group, number) for number, host in enumerate(hosts)]
            moving = Relocation(hosting, group)
            backend = self.backend(actors, hosts, supplies, section.timeout_s, section.start_timeout_s, moving)
            try:
                lines += backend.start()
                outcomes = CoordinatorSupervisor(job, backend, watch, section).run(self.coordinator)
                return add_notices(outcomes, lines)
            finally:
                backend.close()
                sweep(hosting.run)

    def _hosts(self, domains: Sequence[str], work: Sequence[int], measure: Measure) -> tuple[list[Host], list[str]]:
        """The actors with their clients and resources, and notices about what the user did not ask for."""
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
    """Holds a connection to Ray, and prints the dashboard's address if a dashboard was asked for.

    Errors of Ray inside the context leave it as fedsilo errors.

    Args:
        section: The scenario's `actors`.
        device: Its `backbone.device`.
        tf32: Its `backbone.tf32`.
        code: Modules that other machines need beside fedsilo.

    Yields:
        A runtime on the connected cluster.
    """
    with connect_cluster(section, code) as dashboard:
        if dashboard and section.dashboard:
            print(f"Ray dashboard: http://{dashboard}", file=sys.stderr)
        with translate_ray_errors("actors"):
            yield RayRuntime(section, device, tf32)


def read_cluster_resources(section: Actors) -> dict[str, float]:
    """Reads the resources of the Ray cluster that a scenario would use.

    Args:
        section: The scenario's `actors`.

    Returns:
        Amounts by resource name.
    """
    with connect_cluster(section):
        return total_resources()
