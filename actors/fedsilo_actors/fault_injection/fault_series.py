"""A series: one undisturbed run, then runs of the same scenario under faults, each with a chaos seed of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fedsilo.config.sections import Actors, Scenario
from fedsilo.core.errors import ScenarioError
from fedsilo_actors.fault_injection.fault_plan import FaultPlan, check_faults
from fedsilo_actors.fault_injection.fault_verdict import Verdict
from fedsilo_actors.fault_injection.faulty_run import Limits, run_with_faults

BACKENDS = ("serial", "ray")


@dataclass(frozen=True, slots=True)
class FaultSeries:
    """A series of runs.

    Attributes:
        scenario: The scenario of every run.
        odds: Probability of each kind of fault at each point where it can strike.
        seed: Chaos seed of the first run; each following run adds one.
        runs: Number of runs under faults.
        reference: Backend of the undisturbed run; serial and Ray give the same bits.
        limits: Limits of each run.
    """

    scenario: Scenario
    odds: Mapping[str, float]
    seed: int = 0
    runs: int = 1
    reference: str = "serial"
    limits: Limits = Limits()  # noqa: RUF009, it is frozen

    def check(self) -> None:
        """Refuses a series that cannot be run, before anything starts.

        Raises:
            ScenarioError: Faults, scenario or reference do not fit.
        """
        check_faults(self.odds, self.scenario, self.limits.attempt_s)
        if self.reference not in BACKENDS:
            raise ScenarioError(f"--reference: must be {' or '.join(BACKENDS)}, got '{self.reference}'.")

    def carry_out(self, root: Path, tell: Callable[[Verdict], None]) -> Verdict:
        """Runs the series; without an undisturbed run that ends well no other run is made.

        Args:
            root: Folder for all run folders.
            tell: Called after each run with the verdict so far; the first run is the undisturbed one.

        Returns:
            The verdict.
        """
        actors = self.scenario.actors
        if self.reference == "serial":  # which accepts no keys for Ray
            actors = Actors(backend="serial", threads=actors.threads)
        calm = replace(self.scenario, actors=actors)
        found = Verdict(run_with_faults(calm, root, FaultPlan(self.seed, {}), replace(self.limits, resumptions=0)), ())
        tell(found)
        for number in range(self.runs if found.reference.sha256 else 0):
            plan = FaultPlan(self.seed + number, self.odds)
            found = replace(found, runs=(*found.runs, run_with_faults(self.scenario, root, plan, self.limits)))
            tell(found)
        return found
