"""The coordinator actor: it runs the rounds and answers, meanwhile, how far they are."""

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
    """Runs a job over client actors; started with threads enough to answer two who ask while `run` works."""

    def __init__(self, job: Job, backend: RayBackend, log_level: str = "warning") -> None:
        """Takes the job, the way to its clients, and the least level of log lines."""
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
        """Runs all rounds of all parts and returns their outcomes."""
        return self._job.run(self._backend, self._watch)

    @ray.method
    def progress(self, known: int) -> list[tuple[str, RoundRecord]]:
        """Returns the rounds finished since the first `known` ones."""
        with self._guard:
            return self._seen[known:]

    @ray.method
    def overview(self) -> Overview:
        """Returns how far the run is, for whoever does not reach its folder."""
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
