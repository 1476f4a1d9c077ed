"""Reports of actors: log lines and metrics beside what they answer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ray

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, EvaluationTask, Method, RoundRecord, Task
from fedsilo.core.registry import title_of
from fedsilo.storage.run_folder import ROUNDS, read_lines
from fedsilo_actors.monitoring import logs
from fedsilo_actors.monitoring.metric_readings import RoundContext, read_process, read_round, read_scores, read_updates
from fedsilo_actors.monitoring.ray_metrics import LOG, RESTARTS, MetricExporter, Reading

if TYPE_CHECKING:  # clients do not need what runs rounds
    from fedsilo.simulation.job import Job, JobPart

ZERO_SHOT = "zero_shot"


class HostReporter:
    """Reports what the clients in one actor do."""

    def __init__(self, run: str, host: str, domains: Mapping[int, str], level: str) -> None:
        """Sets up the log of this process.

        Args:
            run: The run's name.
            host: The actor's name for people.
            domains: Domain of each of its clients, "" when mixed.
            level: Lowest level of log lines.
        """
        logs.start_logging(level)
        self._run, self._host, self._domains = run, host, dict(domains)
        self._meters, self._method, self._device = MetricExporter(), "", "cpu"

    def report_start(self, device: str, task: Task) -> None:
        """Reports that the clients are ready.

        Args:
            device: The device they compute on.
            task: What they predict.
        """
        self._device, self._task = device, task
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray calls a function of its own that it has deprecated
            again = bool(ray.get_runtime_context().was_current_actor_reconstructed)
        LOG.log(
            logging.WARNING if again else logging.INFO,
            "%s: %d clients on %s%s",
            *(self._host, len(self._domains), device, ", started again after it died" if again else ""),
        )
        self._meters.export([Reading(RESTARTS, float(again), (self._run, self._host))])

    def report_method(self, method: Method) -> None:
        """Keeps the method's name for further reports.

        Args:
            method: The method that was set.
        """
        self._method = title_of(method)

    def report_training(self, tasks: Mapping[int, ClientTask], updates: Sequence[ClientUpdate]) -> None:
        """Reports updates before they leave.

        Only the first exchange of a round becomes a metric, because a round may have many.

        Args:
            tasks: The tasks of the exchange, by client.
            updates: The clients' updates.
        """
        first = next(iter(tasks.values())).exchange == 0
        if first or LOG.isEnabledFor(logging.DEBUG):
            logs.log_training(tasks, updates, self._domains)
        if not first:
            return
        self._meters.export(read_updates(updates, self._run, self._method, self._domains))

    def report_masked_training(self, tasks: Mapping[int, ClientTask]) -> None:
        """Reports updates that stay until they are masked.

        Args:
            tasks: The tasks of the exchange, by client.
        """
        logs.log_masked_training(tasks, self._domains)

    def report_scores(self, tasks: Mapping[int, EvaluationTask], scores: Sequence[ClientScore]) -> None:
        """Reports scores before they leave, and the process's memory, because all of the round's work is done.

        Args:
            tasks: The tasks of the evaluation, by client.
            scores: The clients' scores.
        """
        logs.log_scores(next(iter(tasks.values())).round, scores, self._task, self._domains)
        self._meters.export(read_scores(scores, self._task, self._run, self._method, self._domains))
        self._meters.export(read_process(self._run, self._host, self._device))


class CoordinatorReporter:
    """Reports the progress of a job."""

    def __init__(self, job: Job, level: str) -> None:
        """Sets up the log of this process.

        Args:
            job: The job.
            level: Lowest level of log lines.
        """
        logs.start_logging(level)
        self._job, self._meters = job, MetricExporter()
        self._parts = {part.name: part for part in job.parts}

    def report_round(self, name: str, record: RoundRecord) -> None:
        """Reports a finished round.

        Args:
            name: Name of the federation.
            record: The round's record.
        """
        part = self._parts[name]
        logs.log_round(name, record, part.plan.task.measured, part.plan.schedule.rounds)
        self._meters.export(read_round(record, self._around(part)))

    def _around(self, part: JobPart) -> RoundContext:
        return RoundContext(
            run=self._job.folder.name,
            method=part.name,
            planned=part.plan.schedule.rounds,
            measures=part.plan.task.measured,
            chance=self._job.floor.headline if self._job.floor else None,
            zero_shot=self._floor(part.plan.task.measured.local),
            budget=part.plan.mechanism.limit,
        )

    def _floor(self, local: str) -> float | None:
        """Zero-shot's headline metric; zero-shot runs before the other methods, perhaps in an earlier process."""
        if ZERO_SHOT not in self._parts:
            return None
        records = read_lines(self._parts[ZERO_SHOT].folder / ROUNDS)
        return records[-1][local] if records else None
