"""A job: the federations of one run, one after the other on the same clients, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fedsilo.core import Backend, RoundRecord
from fedsilo.simulation.chance_floor import Floor
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import FederationPlan, Outcome
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, lock

MethodRoundCallback = Callable[[str, RoundRecord], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One federation of a job.

    Attributes:
        name: The method's name.
        folder: Where its records go: the run's folder, or one below `references/`.
        plan: What it does.
    """

    name: str
    folder: Path
    plan: FederationPlan


@dataclass(frozen=True, slots=True)
class Job:
    """What a coordinator is given.

    Attributes:
        folder: The run's folder.
        parts: The federations in the order they run.
        checkpoints: Checkpoints kept of each.
        floor: What guessing comes to; None where it is not known.
    """

    folder: Path
    parts: tuple[Part, ...]
    checkpoints: int
    floor: Floor | None = None

    def run(self, backend: Backend, watch: MethodRoundCallback) -> dict[str, Outcome]:
        """Runs all parts, each from its newest checkpoint if it has one, and returns their outcomes by name.

        Args:
            backend: Where the clients are.
            watch: Told of each finished round with the part's name.
        """
        outcomes = {}
        with lock(self.folder):
            for part in self.parts:
                part.folder.mkdir(parents=True, exist_ok=True)
                checkpoints = Checkpoints(part.folder / "checkpoints", self.checkpoints)
                federation = Federation(part.plan, backend, Journals(part.folder), checkpoints)
                outcomes[part.name] = federation.run(partial(watch, part.name))
        return outcomes
