"""The coordinator actor: it runs the rounds, and reports its progress meanwhile."""

from __future__ import annotations

import threading

import ray
import torch

from fedsilo.core import RoundRecord
from fedsilo.report.results.progress_overview import RUNNING, MethodFolder, Overview, read_progress
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job
from fedsilo_actors.monitoring.actor_reports import CoordinatorReporter
from fedsilo_actors.ray_backend import RayBackend


class Coordinator:
    """Runs a job over client actors; it is started with enough threads to answer two callers while `run` works."""

    def __init__(self, job: Job, backend: RayBackend, log_level: str = "warning") -> None:
        """Prepares the job; nothing runs yet.

        Args:
            job: The federations to run.
            backend: Calls the clients.
            log_level: Lowest level of its log lines.
        """
        torch.set_num_threads(1)
        self._job, self._backend = job, backend
        self._seen: list[tuple[str, RoundRecord]] = []
        self._guard = threading.Lock()
        self._reporter = CoordinatorReporter(job, log_level)

    def __repr__(self) -> str:
        """Returns the name in logs and the dashboard."""
        return "coordinator"

    @ray.method
    def run(self) -> dict[str, Outcome]:
        """Runs all rounds of all federations.

        Returns:
            The outcome of each federation, by name.
        """
        return self._job.run(self._backend, self._watch)

    @ray.method
    def progress(self, known: int) -> list[tuple[str, RoundRecord]]:
        """Reports finished rounds.

        Args:
            known: Number of rounds that the caller knows already.

        Returns:
            Name of the federation and record of each further round.
        """
        with self._guard:
            return self._seen[known:]

    @ray.method
    def overview(self) -> Overview:
        """Summarises the run's progress, for a caller that cannot read its folder.

        Returns:
            The overview.
        """
        job = self._job
        parts = [
            MethodFolder(part.name, part.folder, part.plan.schedule.rounds, part.plan.mechanism.limit)
            for part in job.parts
        ]
        measures = job.parts[0].plan.task.measured
        chance = job.floor.headline if job.floor else None
        return Overview(job.folder.name, RUNNING, read_progress(parts, measures), measures, chance)

    def _watch(self, part: str, record: RoundRecord) -> None:
        with self._guard:
            self._seen.append((part, record))
        self._reporter.report_round(part, record)
