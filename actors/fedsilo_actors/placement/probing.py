"""Measures what a client needs of a GPU: one exchange and one evaluation of each method, on a GPU of its own.

An actor of the run's own code does this before the others are placed, and is dropped afterwards. All draws depend on
seed, round and client only, so the run does not change by it.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import ray
import torch
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from fedsilo.core import Arrays, ClientTask, EvaluationTask, Mechanism, Method
from fedsilo.core.errors import ClientError, ClientOutOfMemory, FedsiloError, ResourceError
from fedsilo.core.state import to_arrays, to_tensors
from fedsilo.simulation.job import Job
from fedsilo.storage.environment import measure_memory
from fedsilo_actors.client_actor import ClientActor, WorkerInit
from fedsilo_actors.devices import pick_device
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.reservation import WaitLimit, hold_placement
from fedsilo_actors.recovery.client_starter import ClientStarter


class Gauge(Protocol):
    """Measures the memory of this process on its device."""

    def begin(self) -> None:
        """Starts, before anything is on the device."""
        ...

    def peak(self) -> tuple[int, int]:
        """Reads the peak since the beginning.

        Returns:
            Bytes at the peak, the process's own needs included, and bytes that there are.
        """
        ...


class GPUGauge:
    """Memory of a process that has a GPU for itself: torch's reserved memory at its peak, and the rest.

    The rest (the CUDA context, libraries, their workspaces) is what is not free and not reserved by torch at the end.
    """

    def begin(self) -> None:
        """Forgets earlier peaks."""
        torch.cuda.reset_peak_memory_stats()

    def peak(self) -> tuple[int, int]:
        """Reads the peak and the size of the GPU.

        Returns:
            Bytes of both.
        """
        torch.cuda.synchronize()
        free, there_is = torch.cuda.mem_get_info()
        rest = max(there_is - free - torch.cuda.memory_reserved(), 0)
        return torch.cuda.max_memory_reserved() + rest, there_is


class ProcessGauge:
    """Memory of a process on the CPU; pretended GPUs are as large as the machine's memory."""

    def begin(self) -> None:
        """Does nothing: the system counts from the start of the process."""

    def peak(self) -> tuple[int, int]:
        """Reads the process's largest resident memory and the machine's memory.

        Returns:
            Bytes of both.
        """
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, measure_memory()


def make_gauge(device: str) -> Gauge:
    """Makes the gauge for a device.

    Args:
        device: A torch device.

    Returns:
        The gauge.
    """
    return GPUGauge() if device.startswith("cuda") else ProcessGauge()


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """One method that the probe tries.

    Attributes:
        method: The method.
        mechanism: The privacy mechanism, fitted to it.
        shared: What the client receives in round 0.
        neighbours: Whether the run ever evaluates it on other clients' test images.
    """

    method: Method
    mechanism: Mechanism
    shared: Arrays
    neighbours: bool


@dataclass(frozen=True, slots=True)
class ClientFootprint:
    """What one client needs.

    Attributes:
        client: Its number.
        memory: Bytes of the GPU at the peak.
        there_is: Bytes of the GPU.
        train_s: Longest exchange of a method, seconds.
        evaluate_s: Longest evaluation, seconds.
    """

    client: int
    memory: int
    there_is: int
    train_s: float
    evaluate_s: float


class ProbeActor(ClientActor):
    """A host of one client that measures what the client needs.

    Attributes:
        gauge: Makes the gauge for a device.
    """

    gauge: Callable[[str], Gauge] = staticmethod(make_gauge)

    @ray.method
    def measure(self, supplies: WorkerInit, tasks: Sequence[ProbeTask]) -> ClientFootprint:
        """Measures what an exchange and an evaluation of each method need at most.

        Args:
            supplies: What clients are made from.
            tasks: The methods to try.

        Returns:
            The client's needs.
        """
        host = self._place.host
        gauge = self.gauge(pick_device(self._place.device, host.demand.gpus))
        gauge.begin()
        here: Any = self  # called without Ray, which the types of `ray.method` do not allow
        here.supply(replace(supplies, rules=replace(supplies.rules, aggregation=None)))  # no update is sent
        seconds = [self._try_out(task, host.clients[0]) for task in tasks]
        memory, there_is = gauge.peak()
        train_s, evaluate_s = (max(stage) for stage in zip(*seconds, strict=True))
        return ClientFootprint(host.clients[0], memory, there_is, train_s, evaluate_s)

    def _try_out(self, task: ProbeTask, client: int) -> tuple[float, float]:
        here: Any = self
        here.set_method(task.method, task.mechanism)
        times = [time.perf_counter()]
        if task.method.trains:
            here.train({client: ClientTask(0, 0, task.shared)})
        times.append(time.perf_counter())
        here.evaluate({client: EvaluationTask(0, task.shared, task.neighbours)})
        times.append(time.perf_counter())
        return times[1] - times[0], times[2] - times[1]


def list_probe_tasks(job: Job, client: int) -> list[ProbeTask]:
    """Lists the methods of a job as one client would run them.

    Args:
        job: The job.
        client: The client's number.

    Returns:
        One task for each federation.
    """
    return [
        ProbeTask(
            method=part.plan.method,
            mechanism=part.plan.mechanism,
            shared=to_arrays(part.plan.method.download(to_tensors(part.plan.initial), client)),
            neighbours=part.plan.neighbour_rounds > 0,
        )
        for part in job.parts
    ]


def measure_client(hosting: ClientStarter, host: Host, supplies: WorkerInit, job: Job) -> ClientFootprint:
    """Measures what a client needs, by an actor on a GPU of its own.

    Args:
        hosting: Starts the actor; its kind is a `ProbeActor`.
        host: The client, with a whole GPU.
        supplies: What clients are made from.
        job: The job whose methods are tried.

    Returns:
        The client's needs.

    Raises:
        ResourceError: There is no GPU in time, the whole GPU is too little, or it takes longer than a call may.
        FedsiloError: Any other error of the client.
    """
    section = hosting.section
    with hold_placement([host.demand], WaitLimit.of(section), "probe") as group:
        actor: Any = hosting.start(host, group, 0)
        try:
            with _explain_errors(host, section.timeout_s):
                found: ClientFootprint = ray.get(
                    actor.measure.remote(supplies, list_probe_tasks(job, host.clients[0])),
                    timeout=section.start_timeout_s + section.timeout_s,
                )
                return found
        finally:
            ray.kill(actor, no_restart=True)


@contextlib.contextmanager
def _explain_errors(host: Host, limit: float) -> Iterator[None]:
    instead = "Set actors.gpus_per_client to a number instead of auto."
    try:
        yield
    except RayTaskError as fault:
        cause = fault.cause
        if isinstance(cause, ClientOutOfMemory):
            raise ResourceError(f"{cause}. Take smaller batches, or GPUs with more memory (actors.labels).") from None
        if isinstance(cause, FedsiloError):
            raise cause from None
        text = f"{host.title}, stage 'probe': {type(cause).__name__}: {cause}. {instead}"
        raise ClientError(text, host.clients[0], stage="probe") from None
    except GetTimeoutError:
        text = f"{host.title}, stage 'probe': took more than {limit:g} s. Raise actors.timeout_s. {instead}"
        raise ResourceError(text) from None
    except RayError as fault:
        text = f"{host.title}, stage 'probe': its process died ({type(fault).__name__}). {instead}"
        raise ClientError(text, host.clients[0], stage="probe") from None
