"""The driver's side of the coordinator: started, followed round by round, started again when it dies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fedsilo.config.sections import Actors
from fedsilo.core.errors import ClientError, ClusterError, FedsiloError
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job, MethodRoundCallback
from fedsilo_actors.coordinator import Coordinator
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.recovery.failures import explain, first_line

POLL_S = 0.1
PATIENCE_S = 10.0
"""Longest wait for one report of progress, seconds; then the coordinator is asked again."""


def coordinator_name(run: str, attempt: int = 0) -> str:
    """Names a run's coordinator on its cluster; each restart has another name.

    A name becomes free only some time after its actor died.

    Args:
        run: The run's name.
        attempt: How often the coordinator was started again.

    Returns:
        The actor's name.
    """
    return f"{run} coordinator" + (f" {attempt + 1}" if attempt else "")


class CoordinatorLost(Exception):
    """The coordinator's process died, or was ended because it did not answer."""


class CoordinatorSupervisor:
    """A job in a coordinator actor, which is replaced when it dies: the next one goes on from the newest checkpoint.

    The client actors stay. They first finish what the dead coordinator asked of them. Then the first call of the next
    one
    gives each client the private state of the checkpoint, so it does not matter how far the client was. An actor that
    was
    lost together with the coordinator is found at that call.
    """

    def __init__(self, job: Job, backend: RayBackend, watch: MethodRoundCallback, section: Actors) -> None:
        """Prepares the job; nothing is started.

        Args:
            job: The federations to run.
            backend: Calls the clients.
            watch: Called with each finished round, once.
            section: The scenario's `actors`: `retries` is how often a coordinator is replaced, `timeout_s` how long one
                may be silent.
        """
        self._job, self._backend, self._watch, self._section = job, backend, watch, section
        self._told: set[tuple[str, int]] = set()
        self._where = "before the first round was finished"

    def run(self, coordinator: type[Coordinator] = Coordinator) -> dict[str, Outcome]:
        """Runs the job's rounds; no coordinator is left when this returns.

        Args:
            coordinator: Class of the actor.

        Returns:
            The outcome of each federation, by name.

        Raises:
            FedsiloError: An error in the coordinator.
            ClusterError: It died or was silent more often than is allowed.
        """
        notices: list[str] = []
        lost: CoordinatorLost | None = None
        for attempt in range(self._section.retries + 1):
            try:
                return add_notices(self._attempt(coordinator, attempt), notices)
            except CoordinatorLost as error:
                lost = error
                notices.append(f"the coordinator died {self._where} and was started again: {error}")
        raise ClusterError(f"the coordinator died: {lost} `fedsilo resume {self._job.folder}` goes on.")

    def _attempt(self, coordinator: type[Coordinator], attempt: int) -> dict[str, Outcome]:
        actor: Any = ray.remote(num_cpus=0)(coordinator)
        # On the driver's machine, where the run's folder is. Ray ignores a soft affinity of actors without resources.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        name = coordinator_name(self._job.folder.name, attempt)
        options = actor.options(name=name, max_concurrency=3, scheduling_strategy=here)
        handle = options.remote(_with_absolute_folders(self._job), self._backend, self._section.log_level)
        try:
            return self._follow(handle)
        except RayTaskError as error:
            raise _unwrap(error) from None
        except RayError as error:
            raise CoordinatorLost(f"{first_line(error)}.") from None
        finally:
            ray.kill(handle)

    def _follow(self, coordinator: ActorHandle[Any]) -> dict[str, Outcome]:
        """Reports rounds as they finish, until the run finishes.

        `run` waits for clients within their limits; `progress` is answered beside it, so a coordinator that does not
        answer that either hangs as a whole.
        """
        pending: Any = coordinator.run.remote()
        seen, heard, limit = 0, time.monotonic(), self._section.start_timeout_s
        while True:
            done, _ = ray.wait([pending], timeout=POLL_S)
            answers, _ = ray.wait([coordinator.progress.remote(seen)], timeout=PATIENCE_S)
            if answers:
                news = ray.get(answers[0])
                self._report(news)
                seen, heard, limit = seen + len(news), time.monotonic(), self._section.timeout_s
            elif time.monotonic() - heard > limit:
                raise CoordinatorLost(f"it was silent for more than {limit:g} s.")
            if done:
                return self._outcomes(pending)

    def _outcomes(self, pending: Any) -> dict[str, Outcome]:
        try:
            outcomes: dict[str, Outcome] = ray.get(pending, timeout=self._section.timeout_s)
        except GetTimeoutError:
            raise CoordinatorLost(f"its result did not come within {self._section.timeout_s:g} s.") from None
        return outcomes

    def _report(self, news: Sequence[tuple[str, Any]]) -> None:
        """Reports rounds, but not those that were repeated because their checkpoint was damaged."""
        for part, record in news:
            self._where = f"after round {record.round} of {part}"
            if (part, record.round) not in self._told:
                self._told.add((part, record.round))
                self._watch(part, record)


def _with_absolute_folders(job: Job) -> Job:
    """The job with absolute folders, because actors work in another folder."""
    parts = tuple(replace(part, folder=part.folder.absolute()) for part in job.parts)
    return replace(job, folder=job.folder.absolute(), parts=parts)


def add_notices(outcomes: dict[str, Outcome], notices: Sequence[str]) -> dict[str, Outcome]:
    """Adds notices about the job as a whole to the outcome of its first federation.

    Args:
        outcomes: The outcome of each federation, by name.
        notices: The notices; they come before the federation's own.

    Returns:
        The outcomes.
    """
    first = next(iter(outcomes))
    return {**outcomes, first: replace(outcomes[first], notices=(*notices, *outcomes[first].notices))}


def _unwrap(error: RayTaskError) -> FedsiloError:
    """An error in the coordinator as a fedsilo error."""
    cause = error.cause
    if isinstance(cause, (FedsiloError, RayError, MemoryError)):
        return explain(error, "coordinator")
    return ClientError(f"stage 'coordinator': {type(cause).__name__}: {first_line(cause)}.", stage="coordinator")
