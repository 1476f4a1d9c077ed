"""Shadow runs: the audited scenario carried out again in full, on the same images with membership redrawn by chance.

Each is an ordinary run in `RUN/audit/shadow-NNN`, with a seed of its own: what the method draws (start, batches, noise)
is not what the audited run drew, because an attacker does not know that either. What has finished is used again, what
was interrupted is gone on with. All are carried out by the serial backend, which gives the same bits as Ray does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsilo.config.dumping import to_yaml
from fedsilo.config.sections import Actors, Scenario, Tracking
from fedsilo.core import Method
from fedsilo.core.errors import FedsiloError, RunError
from fedsilo.core.printing import encode_utf8
from fedsilo.core.seeds import derive, numpy_generator
from fedsilo.core.state import write_bytes
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.run_entry import settings
from fedsilo.runs.audit.absent_clients import Absence
from fedsilo.runs.audit.shadow_scenario import Pool, Redrawn, Unchanged
from fedsilo.runs.comparison.execute import side_by_side

AUDIT = "audit"
"""The folder below the audited run's."""

RUN_KEYS = ("data.run", "partition.run", "method.run")
"""Keys of a shadow's scenario that name the folder of the audited run."""

Told = Callable[[int, int, str, bool], None]
"""told(done, total, name, before): a shadow run has ended, or had finished before."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow run.

    Attributes:
        number: From 0; its membership and its seed follow from it.
        folder: Where it is.
        scenario: What it runs.
    """

    number: int
    folder: Path
    scenario: Scenario

    def finished(self) -> bool:
        """Returns whether the folder holds the finished run of this scenario.

        What is there of another scenario, an older version's for instance, is removed; and the scenario is written, so
        that the run can be begun or gone on with.
        """
        if self.folder.exists() and not self._is_this():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Also over one that is there: it names the folder of the audited run, which may have been moved.
        write_bytes(self.folder / "scenario.yaml", encode_utf8(to_yaml(self.scenario)))
        return Run(self.folder).finished

    def _is_this(self) -> bool:
        try:
            return _settings(Run(self.folder).scenario) == _settings(self.scenario)
        except FedsiloError:
            return False


def shadows_of(run: Run, count: int) -> list[Shadow]:
    """Returns the first so many shadow runs of a run; nothing is carried out yet."""
    return [
        Shadow(number, run.folder / AUDIT / f"shadow-{number:03d}", _scenario(run, number)) for number in range(count)
    ]


def carry_out(shadows: Sequence[Shadow], jobs: int, told: Told) -> None:
    """Carries out those that have not finished.

    Args:
        shadows: All that are wanted.
        jobs: Processes side by side; 1 runs everything in this process.
        told: Told of every one that is there.

    Raises:
        RunError: One of them failed.
    """
    missing, done = [], 0
    for shadow in shadows:
        if shadow.finished():
            done += 1
            told(done, len(shadows), shadow.folder.name, True)
        else:
            missing.append(shadow)
    for shadow, error in side_by_side(missing, jobs, lambda one, attempt: attempt(one.folder)):
        if error:
            raise RunError(f"{shadow.folder.name}: {error}")
        done += 1
        told(done, len(shadows), shadow.folder.name, False)


def coins(run: Run, number: int) -> NDArray[np.bool_]:
    """Returns (clients,) whether each client contributes in a shadow run of the attack on clients: fair coins."""
    generator = numpy_generator(run.scenario.seed, "audit clients", step=number)
    return generator.random(len(run.manifest.clients)) < 0.5


def client_shadows_of(run: Run, count: int) -> list[Shadow]:
    """Returns the first so many shadow runs of the attack on clients; nothing is carried out yet."""
    return [
        Shadow(number, run.folder / AUDIT / f"clients-{number:03d}", _with_absent(run, number))
        for number in range(count)
    ]


def _with_absent(run: Run, number: int) -> Scenario:
    """The audited scenario with another seed, with clients whose coin says so absent; every round's state is kept."""
    scenario, where = run.scenario, str(run.folder.resolve())
    absent = [client for client, there in enumerate(coins(run, number).tolist()) if not there]
    return replace(
        scenario,
        name=f"clients-{number:03d}",
        seed=derive(scenario.seed, "audit clients shadow", step=number),
        data=Pool(where),
        partition=Unchanged(where),
        method=Absence(where, absent),
        evaluation=replace(scenario.evaluation, every=scenario.training.rounds, neighbours="never", references=[]),
        actors=Actors(backend="serial", threads=scenario.actors.threads),
        tracking=Tracking(str(run.folder / AUDIT), checkpoints=scenario.training.rounds),
    )


def _scenario(run: Run, number: int) -> Scenario:
    """The audited scenario with another seed and membership; nothing that training depends on is changed."""
    scenario, where = run.scenario, str(run.folder.resolve())
    # Evaluations in between can be left out unless clients adapt in them, which may leave a trace in their state.
    adapts = type(scenario.method).adapt is not Method.adapt
    every = scenario.evaluation.every if adapts else scenario.training.rounds
    return replace(
        scenario,
        name=f"shadow-{number:03d}",
        seed=derive(scenario.seed, "audit shadow", step=number),
        data=Pool(where),
        partition=Redrawn(where, number),
        evaluation=replace(scenario.evaluation, every=every, neighbours="never", references=[]),
        actors=Actors(backend="serial", threads=scenario.actors.threads),
        tracking=Tracking(str(run.folder / AUDIT), checkpoints=1),
    )


def _settings(scenario: Scenario) -> dict[str, Any]:
    """What its numbers depend on; not the folder of the audited run, in which it lies."""
    return {key: value for key, value in settings(scenario).items() if key not in RUN_KEYS}
