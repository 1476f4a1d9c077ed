"""Shadow runs: the audited scenario executed again in full, on the same images with new random membership.

Each is an ordinary run in `RUN/audit/shadow-NNN` with its own seed. The method's random draws (initial values, batches,
noise) differ from those of the audited run, because an attacker does not know them either. Finished runs are reused,
and interrupted runs continue. All of them use the serial backend, which gives the same bits as Ray.
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
from fedsilo.report.results.run_entry import list_settings
from fedsilo.runs.audit.absent_clients import Absence
from fedsilo.runs.audit.shadow_scenario import ImagePool, Redrawn, Unchanged
from fedsilo.runs.comparison.execute import run_side_by_side

AUDIT = "audit"
"""Name of the audit folder in the audited run's folder."""

RUN_KEYS = ("data.run", "partition.run", "method.run")
"""Keys of a shadow's scenario that name the folder of the audited run."""

ShadowCallback = Callable[[int, int, str, bool], None]
"""callback(done, total, name, before): a shadow run has ended now, or (`before`) had finished earlier."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow run.

    Attributes:
        number: Its number from 0, which determines its membership and its seed.
        folder: Its folder.
        scenario: Its scenario.
    """

    number: int
    folder: Path
    scenario: Scenario

    def prepare(self) -> bool:
        """Prepares the folder, and checks whether it holds the finished run of this scenario.

        A run of another scenario, for example of an older version, is removed. The scenario is written, so that the run
        can begin or continue.

        Returns:
            Whether the run has finished.
        """
        if self.folder.exists() and not self._is_this():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # An existing file is replaced too: it names the folder of the audited run, which may have been moved.
        write_bytes(self.folder / "scenario.yaml", encode_utf8(to_yaml(self.scenario)))
        return Run(self.folder).finished

    def _is_this(self) -> bool:
        try:
            return _settings(Run(self.folder).scenario) == _settings(self.scenario)
        except FedsiloError:
            return False


def list_shadows(run: Run, count: int) -> list[Shadow]:
    """Lists the shadow runs of an audit of images without executing them.

    Args:
        run: The audited run.
        count: Number of shadow runs.

    Returns:
        The shadow runs.
    """
    return [
        Shadow(number, run.folder / AUDIT / f"shadow-{number:03d}", _build_scenario(run, number))
        for number in range(count)
    ]


def carry_out(shadows: Sequence[Shadow], jobs: int, callback: ShadowCallback) -> None:
    """Executes the shadow runs that have not finished.

    Args:
        shadows: All shadow runs of the audit.
        jobs: Number of runs at the same time, each in its own process; 1 runs all of them in this process.
        callback: Called after every shadow run: callback(done, total, name, before).

    Raises:
        RunError: A shadow run failed.
    """
    missing, done = [], 0
    for shadow in shadows:
        if shadow.prepare():
            done += 1
            callback(done, len(shadows), shadow.folder.name, True)
        else:
            missing.append(shadow)
    for shadow, error in run_side_by_side(missing, jobs, lambda one, attempt: attempt(one.folder)):
        if error:
            raise RunError(f"{shadow.folder.name}: {error}")
        done += 1
        callback(done, len(shadows), shadow.folder.name, False)


def toss_coins(run: Run, number: int) -> NDArray[np.bool_]:
    """Tosses the coins of a shadow run of the attack on clients.

    Args:
        run: The audited run.
        number: Number of the shadow run.

    Returns:
        Whether (clients,) each client contributes.
    """
    generator = numpy_generator(run.scenario.seed, "audit clients", step=number)
    return generator.random(len(run.manifest.clients)) < 0.5


def list_client_shadows(run: Run, count: int) -> list[Shadow]:
    """Lists the shadow runs of an audit of clients without executing them.

    Args:
        run: The audited run.
        count: Number of shadow runs.

    Returns:
        The shadow runs.
    """
    return [
        Shadow(number, run.folder / AUDIT / f"clients-{number:03d}", _build_client_scenario(run, number))
        for number in range(count)
    ]


def _build_client_scenario(run: Run, number: int) -> Scenario:
    """The audited scenario with another seed, in which coins make clients absent; checkpoints keep every round."""
    scenario, where = run.scenario, str(run.folder.resolve())
    absent = [client for client, there in enumerate(toss_coins(run, number).tolist()) if not there]
    return replace(
        scenario,
        name=f"clients-{number:03d}",
        seed=derive(scenario.seed, "audit clients shadow", step=number),
        data=ImagePool(where),
        partition=Unchanged(where),
        method=Absence(where, absent),
        evaluation=replace(scenario.evaluation, every=scenario.training.rounds, neighbours="never", references=[]),
        actors=Actors(backend="serial", threads=scenario.actors.threads),
        tracking=Tracking(str(run.folder / AUDIT), checkpoints=scenario.training.rounds),
    )


def _build_scenario(run: Run, number: int) -> Scenario:
    """The audited scenario with another seed and membership. Everything else that training depends on is equal."""
    scenario, where = run.scenario, str(run.folder.resolve())
    # Intermediate evaluations can be left out unless clients adapt in them, which may change their state.
    adapts = type(scenario.method).adapt is not Method.adapt
    every = scenario.evaluation.every if adapts else scenario.training.rounds
    return replace(
        scenario,
        name=f"shadow-{number:03d}",
        seed=derive(scenario.seed, "audit shadow", step=number),
        data=ImagePool(where),
        partition=Redrawn(where, number),
        evaluation=replace(scenario.evaluation, every=every, neighbours="never", references=[]),
        actors=Actors(backend="serial", threads=scenario.actors.threads),
        tracking=Tracking(str(run.folder / AUDIT), checkpoints=1),
    )


def _settings(scenario: Scenario) -> dict[str, Any]:
    """The settings that its numbers depend on, without the folder of the audited run."""
    return {key: value for key, value in list_settings(scenario).items() if key not in RUN_KEYS}
