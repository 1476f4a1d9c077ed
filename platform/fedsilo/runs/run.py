"""Executes a run from scenario to result: folder, data, partition, features, clients, rounds, result.

Starting and resuming use the same code. Everything before the rounds is a function of the scenario, so a resumed run
computes it again and compares it with the folder; its rounds continue from the newest checkpoint.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from fedsilo.config.dumping import format_value, to_yaml
from fedsilo.config.external_components import list_external_modules
from fedsilo.config.reference_methods import find_own_settings
from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Scenario
from fedsilo.core import Progress, RoundRecord
from fedsilo.core.errors import ClientError, ClusterError, FedsiloError, ScenarioError
from fedsilo.core.printing import encode_utf8
from fedsilo.core.registry import title_of
from fedsilo.core.state import write_bytes
from fedsilo.models.clip.precision import use_tf32
from fedsilo.report.page.document import PAGE, write_page
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.result_schema import write_result
from fedsilo.report.results.summary import summarise
from fedsilo.runs.provenance import keep_origin
from fedsilo.runs.trackers import choose_loggers, open_trackers
from fedsilo.simulation.chance_floor import Floor
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.feature_encoding import Encoders
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.federation_planning import headline_rounds, methods_of, part_of
from fedsilo.simulation.job import Job, JobPart, MethodRoundCallback
from fedsilo.simulation.noise_calibration import describe_guarantees
from fedsilo.simulation.preparation import Prepared, prepare
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.environment import keep_environment
from fedsilo.storage.run_folder import (
    DRIVER_LOCK,
    ROUNDS_LOCK,
    create_named_folder,
    create_run_folder,
    find_run_folder,
)
from fedsilo.storage.run_lock import lock

DRIVER_WAIT_S = 1.0
"""Seconds that a second process waits for the first."""

UNTOUCHED = {"scenario.yaml", ROUNDS_LOCK, DRIVER_LOCK}
"""Files in a run's folder before any work is done."""


class Runtime(Encoders, Protocol):
    """Where a run is executed: in this process, or on a Ray cluster."""

    def run(self, job: Job, prepared: Prepared, rules: ClientRules, watch: MethodRoundCallback) -> dict[str, Outcome]:
        """Runs the federations of a job.

        Args:
            job: The methods of the run, with their folders.
            prepared: Data, partition, features and the frozen model.
            rules: Settings that all clients share.
            watch: Called after each finished round.

        Returns:
            The outcome of each method by name.
        """
        ...


Runtimes = Callable[[Scenario], AbstractContextManager[Runtime]]


@dataclass(frozen=True, slots=True)
class RunCallbacks:
    """Callbacks for the progress of a run. By default they do nothing.

    Attributes:
        progress: Called during preparation: progress(stage, done, total).
        prepared: Called when data, partition and features are ready: prepared(prepared, folder).
        announce: Called with each line that a user should read before the first round, such as the noise of a privacy
            budget.
        watch: Called after each finished round: watch(method, record).
    """

    progress: Progress = lambda stage, done, total: None
    prepared: Any = lambda prepared, folder: None
    announce: Callable[[str], None] = lambda line: None
    watch: MethodRoundCallback = lambda part, record: None


def begin(scenario: Scenario, folder: Path | None = None) -> Path:
    """Creates a run folder that holds the resolved scenario and nothing else.

    Args:
        scenario: The scenario.
        folder: The folder, which must not exist; None for a new one below `tracking.root`.

    Returns:
        The folder.

    Raises:
        RunError: The folder cannot be created.
    """
    if folder is None:
        folder = create_run_folder(Path(scenario.tracking.root), scenario.name)
    else:
        create_named_folder(folder)
    write_bytes(folder / "scenario.yaml", encode_utf8(to_yaml(scenario)))
    return folder


def go(
    folder: Path, listener: RunCallbacks | None = None, runtimes: Runtimes | None = None, changes: Sequence[str] = ()
) -> Run:
    """Runs what remains to be done in a run folder.

    Args:
        folder: The run's folder.
        listener: Callbacks for the progress.
        runtimes: Creates the runtime of a scenario; by default the one that `actors.backend` names.
        changes: `actors.KEY=value` texts that replace the scenario's settings of where the run is executed.

    Returns:
        The finished run.

    Raises:
        FedsiloError: An error that the user can fix. The folder then holds everything that was finished. If the
            scenario cannot be run at all and nothing was finished, the folder is removed.
        RunError: Another process works in the folder.
    """
    run = Run(find_run_folder(folder))
    if run.finished:
        return run
    scenario = _change_actors(run, changes)
    with lock(folder, DRIVER_WAIT_S, DRIVER_LOCK):
        if run.finished:  # by the process that held the lock
            return run
        try:
            return _execute(scenario, folder, listener or RunCallbacks(), runtimes or _runtime)
        except FedsiloError as error:
            resumable = isinstance(error, (ClientError, ClusterError))
            if not resumable and {path.name for path in folder.iterdir()} <= UNTOUCHED:
                shutil.rmtree(folder)
            raise


def _change_actors(run: Run, changes: Sequence[str]) -> Scenario:
    """The run's scenario with other `actors` settings. All settings that its numbers depend on stay."""
    for change in changes:
        if not change.startswith("actors.") or change.startswith("actors.threads"):
            raise ScenarioError(
                f"{change}: a run that has begun keeps its scenario; only actors.* without actors.threads may "
                "change. Start a new run."
            )
    return read(run.folder / "scenario.yaml", changes, notify=lambda line: None) if changes else run.scenario


def _execute(scenario: Scenario, folder: Path, listener: RunCallbacks, runtimes: Runtimes) -> Run:
    loggers = choose_loggers(scenario.tracking)
    if scenario.actors.address:  # actors on a cluster start in other folders than this process
        folder = folder.absolute()
    with set_threads(scenario.actors.threads), use_tf32(scenario.backbone.tf32), runtimes(scenario) as runtime:
        methods = methods_of(scenario)
        prepared = prepare(scenario, list(methods.values()), runtime, listener.progress)
        keep_origin(scenario, prepared, folder)
        keep_environment(folder / "environment.json")
        listener.prepared(prepared, folder)
        parts = tuple(part_of(name, method, scenario, prepared, folder) for name, method in methods.items())
        for line in describe_guarantees(part.plan.mechanism for part in parts if part.folder == folder):
            listener.announce(line)
        rules = ClientRules(
            seed=scenario.seed,
            training=scenario.training,
            test_batch=scenario.evaluation.batch_size,
            task=scenario.task,
            aggregation=scenario.aggregation.with_absolute_paths(),
            clients=len(prepared.claims),
            own_training=tuple(
                (plan.method, plan.training)
                for plan in (part.plan for part in parts)
                if plan.training != scenario.training
            ),
            never_train=frozenset(client.number for client in prepared.manifest.clients if not client.seen),
        )
        job = Job(folder, parts, scenario.tracking.checkpoints, _floor(scenario, prepared))
        with open_trackers(loggers, scenario, folder, listener.announce) as trackers:
            watch = _call_both(listener.watch, trackers.watch) if loggers else listener.watch
            outcomes = runtime.run(job, prepared, rules, watch)
            _conclude(scenario, prepared, folder, parts, outcomes)
            trackers.conclude(Run(folder).result)
    _draw(Run(folder), listener)
    return Run(folder)


def _call_both(first: MethodRoundCallback, second: MethodRoundCallback) -> MethodRoundCallback:
    """Calls two callbacks after each round."""

    def watch(part: str, record: RoundRecord) -> None:
        first(part, record)
        second(part, record)

    return watch


def _conclude(
    scenario: Scenario, prepared: Prepared, folder: Path, parts: Sequence[JobPart], outcomes: dict[str, Outcome]
) -> None:
    method = title_of(scenario.method)
    spent = outcomes[method].epsilon
    mechanism = next(part.plan.mechanism for part in parts if part.name == method)
    budget = None if spent is None else mechanism.guarantee(spent)
    document = summarise(method, outcomes, _floor(scenario, prepared), headline_rounds(scenario), budget)
    notices = [*prepared.notices, *(line for outcome in outcomes.values() for line in outcome.notices)]
    for name, keys in find_own_settings(scenario).items():
        values = ", ".join(f"{key} {format_value(value)}" for key, value in keys.items())
        notices.append(f"evaluation.references: {name} was trained with settings of its own: {values}.")
    others = [part.name for part in parts if part.name != method and part.plan.method.trains]
    if budget and others:
        notices.append(
            f"privacy: the budget covers {method} alone; {', '.join(others)} trained on the same data, each with a "
            "budget of its own or, where nothing is sent, without one. Publish only one of these models."
        )
    write_result(
        folder / "result.json",
        {"scenario": scenario.name, "seed": scenario.seed, **document, "notices": notices},
        scenario.task.measured,
    )


def _floor(scenario: Scenario, prepared: Prepared) -> Floor:
    return Floor(scenario.task.measured, scenario.task.floor(prepared.model.candidates))


def _draw(run: Run, listener: RunCallbacks) -> None:
    """Writes the run's page. The run has finished, so an error of the page is announced and does not fail the run."""
    try:
        write_page(run, run.folder / PAGE)
    except Exception as error:
        listener.announce(
            f"{run.folder / PAGE}: was not drawn: {error!r}. Draw it again with `fedsilo report {run.folder}`."
        )


def _runtime(scenario: Scenario) -> AbstractContextManager[Runtime]:
    if scenario.actors.backend == "serial":
        return contextlib.nullcontext(SerialRuntime(scenario.backbone.device))
    # The engine's only import of an upper layer, and only when the scenario asks for Ray.
    from fedsilo_actors.runtime import ray_runtime

    return ray_runtime(
        scenario.actors, scenario.backbone.device, scenario.backbone.tf32, list_external_modules(scenario)
    )


@contextlib.contextmanager
def set_threads(count: int) -> Iterator[None]:
    """Sets torch's number of threads for a while, because sums depend on it.

    Args:
        count: Number of threads.

    Yields:
        Nothing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["RunCallbacks", "Runtime", "begin", "go", "set_threads"]
