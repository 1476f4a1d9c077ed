"""What a client needs of a GPU, measured: one exchange and one evaluation of each method, on a GPU of its own.

It is done in an actor like those of the run, by their code, before they are placed; the actor is thrown away. What is
drawn depends on seed, round and client alone, so that nothing of the run changes by it.
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
from fedsilo_actors.recovery.client_start import ClientStarter


class Gauge(Protocol):
    """Measures the memory of this process on its device."""

    def begin(self) -> None:
        """Starts, before anything is on the device."""
        ...

    def peak(self) -> tuple[int, int]:
        """Returns the most that was held since then, the process's own needs included, and what there is; bytes."""
        ...


class GPUGauge:
    """What a process takes of a GPU that it has for itself: torch's reserved memory at its peak, and the rest.

    The rest (the CUDA context, libraries, their workspaces) is what is not free and not reserved by torch at the end.
    """

    def begin(self) -> None:
        """Forgets earlier peaks."""
        torch.cuda.reset_peak_memory_stats()

    def peak(self) -> tuple[int, int]:
        """Returns peak and size of the GPU, bytes."""
        torch.cuda.synchronize()
        free, there_is = torch.cuda.mem_get_info()
        rest = max(there_is - free - torch.cuda.memory_reserved(), 0)
        return torch.cuda.max_memory_reserved() + rest, there_is


class ProcessGauge:
    """Stands in where actors compute on the CPU, as on pretended GPUs, which are as large as the machine's memory."""

    def begin(self) -> None:
        """The system counts from the start of the process."""

    def peak(self) -> tuple[int, int]:
        """Returns the process's largest resident memory and the machine's, bytes."""
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, measure_memory()


def make_gauge(device: str) -> Gauge:
    """Returns what measures on a device."""
    return GPUGauge() if device.startswith("cuda") else ProcessGauge()


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """What is tried of one method.

    Attributes:
        method: The method.
        mechanism: The privacy mechanism, fitted to it.
        shared: What the client receives in round 0.
        neighbours: Whether it is ever measured on all others' test images.
    """

    method: Method
    mechanism: Mechanism
    shared: Arrays
    neighbours: bool


@dataclass(frozen=True, slots=True)
class ClientFootprint:
    """What one client needed.

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
    """A host of one client that measures what it needs.

    Attributes:
        gauge: Gives what measures on a device.
    """

    gauge: Callable[[str], Gauge] = staticmethod(make_gauge)

    @ray.method
    def measure(self, supplies: WorkerInit, tasks: Sequence[ProbeTask]) -> ClientFootprint:
        """Returns what an exchange and an evaluation of each method need at most."""
        host = self._place.host
        gauge = self.gauge(pick_device(self._place.device, host.demand.gpus))
        gauge.begin()
        here: Any = self  # called without Ray, which types do not tell
        here.supply(replace(supplies, rules=replace(supplies.rules, aggregation=None)))  # nothing of it is sent
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
    """Returns what is tried of a job by a client."""
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
    """Returns what a client needs of the GPU that its host is given, as an actor on it finds.

    Args:
        hosting: Starts the actor; of a kind that measures.
        host: The client, with a whole GPU.
        supplies: What clients are made from.
        job: Whose methods are tried.

    Raises:
        ResourceError: There is no GPU in time, the whole GPU is too little, or it takes longer than a call may.
        FedsiloError: What else is wrong with the client.
    """
    section = hosting.section
    with hold_placement([host.demand], WaitLimit.of(section), "probe") as group:
        actor: Any = hosting.start(host, group, 0)
        try:
            with _explained(host, section.timeout_s):
                found: ClientFootprint = ray.get(
                    actor.measure.remote(supplies, list_probe_tasks(job, host.clients[0])),
                    timeout=section.start_timeout_s + section.timeout_s,
                )
                return found
        finally:
            ray.kill(actor, no_restart=True)


@contextlib.contextmanager
def _explained(host: Host, limit: float) -> Iterator[None]:
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
