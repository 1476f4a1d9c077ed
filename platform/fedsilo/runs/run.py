"""A run from scenario to result: folder, data, partition, features, clients, rounds, result.

Starting and resuming are the same walk: everything before the rounds is a function of the scenario, so it is done
again and compared with what the folder holds, and the rounds go on from the newest checkpoint.
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

from fedsilo.config.dumping import to_yaml
from fedsilo.config.external_components import list_external_modules
from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Scenario
from fedsilo.core import Progress, RoundRecord
from fedsilo.core.errors import ClientError, ClusterError, FedsiloError, ScenarioError
from fedsilo.core.printing import encode_utf8
from fedsilo.core.registry import title_of
from fedsilo.core.state import write_bytes
from fedsilo.models.clip.precision import tf32
from fedsilo.report.page.document import PAGE, write_page
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.summary import summarise
from fedsilo.runs.provenance import keep_origin
from fedsilo.runs.trackers import chosen, tracked
from fedsilo.simulation.chance_floor import Floor
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.federations import headline_rounds, methods_of, part_of
from fedsilo.simulation.job import Job, MethodRoundCallback, Part
from fedsilo.simulation.noise_calibration import announcements
from fedsilo.simulation.preparation import Encoders, Prepared, prepare
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.environment import keep_environment
from fedsilo.storage.run_folder import (
    DRIVER_LOCK,
    ROUNDS_LOCK,
    create_named_folder,
    create_run_folder,
    find_run_folder,
    lock,
    write_json,
)

DRIVER_WAIT_S = 1.0
"""How long a second process waits for the first, seconds."""

UNTOUCHED = {"scenario.yaml", ROUNDS_LOCK, DRIVER_LOCK}
"""What is in a run's folder before anything was done."""


class Runtime(Encoders, Protocol):
    """Where work is done: in this process, or on a Ray cluster."""

    def run(self, job: Job, prepared: Prepared, rules: ClientRules, watch: MethodRoundCallback) -> dict[str, Outcome]:
        """Runs a job's federations over clients made from what was prepared."""
        ...


Runtimes = Callable[[Scenario], AbstractContextManager[Runtime]]


@dataclass(frozen=True, slots=True)
class RunCallbacks:
    """Who is told how a run goes; all by default do nothing.

    Attributes:
        progress: Told of preparation: progress(stage, done, total).
        prepared: Told when data, partition and features are there, with the run's folder.
        announce: Told what should be known before the first round, such as the noise that a budget takes.
        watch: Told of each finished round.
    """

    progress: Progress = lambda stage, done, total: None
    prepared: Any = lambda prepared, folder: None
    announce: Callable[[str], None] = lambda line: None
    watch: MethodRoundCallback = lambda part, record: None


def begin(scenario: Scenario, folder: Path | None = None) -> Path:
    """Returns a new run folder that holds the resolved scenario and nothing else.

    Args:
        scenario: The scenario.
        folder: The folder, which must not be there yet; None for a new one below `tracking.root`.
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
    """Runs what is still to do in a run folder and returns the finished run.

    Args:
        folder: The run's folder.
        listener: Who is told how it goes.
        runtimes: Holds the runtime of a scenario; by default the one that its `actors.backend` names.
        changes: `actors.KEY=value` texts: where and with which resources, if not as the run began.

    Raises:
        FedsiloError: Whatever the user can act on; the folder then holds all that was finished. A folder in which
            nothing was finished is removed when the scenario cannot be run at all.
        RunError: Another process is at work in the folder.
    """
    run = Run(find_run_folder(folder))
    if run.finished:
        return run
    scenario = _moved(run, changes)
    with lock(folder, DRIVER_WAIT_S, DRIVER_LOCK):
        if run.finished:  # by whoever held it a moment ago
            return run
        try:
            return _execute(scenario, folder, listener or RunCallbacks(), runtimes or _runtime)
        except FedsiloError as error:
            resumable = isinstance(error, (ClientError, ClusterError))
            if not resumable and {path.name for path in folder.iterdir()} <= UNTOUCHED:
                shutil.rmtree(folder)
            raise


def _moved(run: Run, changes: Sequence[str]) -> Scenario:
    """The run's scenario, with other `actors`: whatever its numbers depend on stays as it was."""
    for change in changes:
        if not change.startswith("actors.") or change.startswith("actors.threads"):
            raise ScenarioError(
                f"{change}: a run that has begun keeps its scenario; only where it runs, actors.* but actors.threads, "
                "may change. Start a new run."
            )
    return read(run.folder / "scenario.yaml", changes) if changes else run.scenario


def _execute(scenario: Scenario, folder: Path, listener: RunCallbacks, runtimes: Runtimes) -> Run:
    loggers = chosen(scenario.tracking)
    if scenario.actors.address:  # actors on a cluster start in other folders than this process
        folder = folder.absolute()
    with threads(scenario.actors.threads), tf32(scenario.backbone.tf32), runtimes(scenario) as runtime:
        methods = methods_of(scenario)
        prepared = prepare(scenario, list(methods.values()), runtime, listener.progress)
        keep_origin(scenario, prepared, folder)
        keep_environment(folder / "environment.json")
        listener.prepared(prepared, folder)
        parts = tuple(part_of(name, method, scenario, prepared, folder) for name, method in methods.items())
        for line in announcements(part.plan.mechanism for part in parts if part.folder == folder):
            listener.announce(line)
        rules = ClientRules(
            seed=scenario.seed,
            training=scenario.training,
            test_batch=scenario.evaluation.batch_size,
            task=scenario.task,
            aggregation=scenario.aggregation.with_absolute_paths(),
            clients=len(prepared.claims),
        )
        job = Job(folder, parts, scenario.tracking.checkpoints, _floor(scenario, prepared))
        with tracked(loggers, scenario, folder, listener.announce) as trackers:
            outcomes = runtime.run(job, prepared, rules, _both(listener.watch, trackers.watch))
            _conclude(scenario, prepared, folder, parts, outcomes)
            trackers.conclude(Run(folder).result)
    _draw(Run(folder), listener)
    return Run(folder)


def _both(first: MethodRoundCallback, second: MethodRoundCallback) -> MethodRoundCallback:
    """Who is told of a round, and who after."""

    def watch(part: str, record: RoundRecord) -> None:
        first(part, record)
        second(part, record)

    return watch


def _conclude(
    scenario: Scenario, prepared: Prepared, folder: Path, parts: Sequence[Part], outcomes: dict[str, Outcome]
) -> None:
    method = title_of(scenario.method)
    spent = outcomes[method].epsilon
    mechanism = next(part.plan.mechanism for part in parts if part.name == method)
    budget = None if spent is None else mechanism.guarantee(spent)
    document = summarise(method, outcomes, _floor(scenario, prepared), headline_rounds(scenario), budget)
    notices = [*prepared.notices, *(line for outcome in outcomes.values() for line in outcome.notices)]
    others = [part.name for part in parts if part.name != method and part.plan.method.trains]
    if budget and others:
        notices.append(
            f"privacy: the budget is {method}'s alone; {', '.join(others)} learnt from the same data, each with a "
            "budget of its own or, where nothing is sent, none. Publish one of them."
        )
    write_json(
        folder / "result.json",
        {"scenario": scenario.name, "seed": scenario.seed, **document, "notices": notices},
    )


def _floor(scenario: Scenario, prepared: Prepared) -> Floor:
    return Floor(scenario.task.measured, scenario.task.floor(prepared.model.candidates))


def _draw(run: Run, listener: RunCallbacks) -> None:
    """Writes the run's page; the run is finished, so whatever is wrong with a picture is no reason to fail."""
    try:
        write_page(run, run.folder / PAGE)
    except Exception as error:
        listener.announce(f"{run.folder / PAGE}: was not drawn: {error!r}. `fedsilo report {run.folder}` tries again.")


def _runtime(scenario: Scenario) -> AbstractContextManager[Runtime]:
    if scenario.actors.backend == "serial":
        return contextlib.nullcontext(SerialRuntime(scenario.backbone.device))
    # The engine's one look upwards, and only when the scenario asks for Ray.
    from fedsilo_actors.runtime import ray_runtime

    return ray_runtime(
        scenario.actors, scenario.backbone.device, scenario.backbone.tf32, list_external_modules(scenario)
    )


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Holds torch to a number of threads, the scenario's: sums depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["RunCallbacks", "Runtime", "begin", "go", "threads"]
