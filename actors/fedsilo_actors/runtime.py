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
from fedsilo_actors.cluster import CLIENT, cluster, nodes, total
from fedsilo_actors.coordinator import Coordinator
from fedsilo_actors.devices import devices, wanted
from fedsilo_actors.encoder import EncoderActor, encode_with_actors
from fedsilo_actors.placement.automatic import Measure, shares
from fedsilo_actors.placement.packing import Host, clients_per_actor, pack, works
from fedsilo_actors.placement.probing import ProbeActor, measure
from fedsilo_actors.placement.reservation import Waiting, placement
from fedsilo_actors.placement.resources import automatic, demands
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.recovery.client_start import Hosting, notices
from fedsilo_actors.recovery.coordinator_restart import Coordination, with_notices
from fedsilo_actors.recovery.failures import own_words
from fedsilo_actors.recovery.relocation import Moving, sweep


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
        return devices(self._section, self._device)

    def one_machine(self) -> bool:
        """Returns whether the cluster is this machine alone, so that clients can read the driver's files."""
        return nodes() == 1 and not self._section.address.startswith(CLIENT)

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
        hosting = Hosting(section, self._device, job.folder.name, domains, self.host, self._tf32)
        # Held here until the end: a client that is started again fetches them again.
        arrays = ray.put(prepared.warehouse), ray.put(prepared.claims), ray.put(prepared.model.pack())
        supplies = WorkerInit(*arrays, rules=rules, folder=str(job.folder.absolute()))
        probing = replace(hosting, kind=self.probe)
        work = works(rules.training, prepared.manifest.training_sizes)
        hosts, told = self._hosts(domains, work, lambda host: measure(probing, host, supplies, job))
        with placement([host.demand for host in hosts], Waiting.of(section), manner=section.placement) as group:
            actors = [hosting.start(host, group, number) for number, host in enumerate(hosts)]
            moving = Moving(hosting, group)
            backend = self.backend(actors, hosts, supplies, section.timeout_s, section.start_timeout_s, moving)
            try:
                told += backend.start()
                outcomes = Coordination(job, backend, watch, section).run(self.coordinator)
                return with_notices(outcomes, told)
            finally:
                backend.close()
                sweep(hosting.run)

    def _hosts(self, domains: Sequence[str], work: Sequence[int], measure: Measure) -> tuple[list[Host], list[str]]:
        """Who shares an actor and what each asks for, and what the user did not ask for but gets."""
        section = self._section
        asked, left = demands(section, domains), automatic(section, domains)
        most = clients_per_actor(section, len(asked), total())
        if not left:
            hosts = pack(asked, work, most)
            return hosts, notices(section, hosts)
        on_gpus = section.pretend_gpus or wanted(section, self._device).startswith(("auto", "cuda"))
        found = shares(section, asked, left, work, measure if on_gpus else None)
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
    with cluster(section, code) as dashboard:
        if dashboard and section.dashboard:
            print(f"Ray dashboard: http://{dashboard}", file=sys.stderr)
        with own_words("actors"):
            yield RayRuntime(section, device, tf32)


def resources(section: Actors) -> dict[str, float]:
    """Returns what the Ray that a scenario would use has to give, by name."""
    with cluster(section):
        return total()
