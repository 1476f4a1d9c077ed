"""The verdict on a series of runs under faults: faults, survivals, resumptions, and equal hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fedsilo_actors.fault_injection.faulty_run import FaultyRun

COLUMNS = ("fault", "struck", "survived in place", "resumed after")
RUN_COLUMNS = ("chaos seed", "faults", "resumed", "seconds", "hashes")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of all runs.

    Attributes:
        reference: The undisturbed run.
        runs: The runs under faults.
    """

    reference: FaultyRun
    runs: tuple[FaultyRun, ...]

    def equal(self, run: FaultyRun) -> bool:
        """Checks whether a run ended with the undisturbed run's hashes and without trouble.

        Args:
            run: The run.

        Returns:
            Whether it did.
        """
        reference = self.reference
        same = bool(reference.sha256) and (run.sha256, run.hashes) == (reference.sha256, reference.hashes)
        return same and not run.trouble

    @property
    def sound(self) -> bool:
        """Whether all runs are equal to the undisturbed run, which has finished."""
        return all(map(self.equal, (self.reference, *self.runs)))

    def by_kind(self, kinds: Sequence[str]) -> list[tuple[str, int, int, int]]:
        """Counts the faults of each kind.

        Args:
            kinds: The kinds that were asked for; one that never struck has zeros.

        Returns:
            Kind, number of faults, how many the run survived in place, and after how many it was resumed.
        """
        struck = [fault for run in self.runs for fault in run.faults]
        survived = Counter(fault["kind"] for fault in struck if fault["survived"])
        every = Counter(fault["kind"] for fault in struck)
        return [(kind, every[kind], survived[kind], every[kind] - survived[kind]) for kind in kinds]

    def by_run(self) -> list[tuple[str, ...]]:
        """Describes each run as text.

        Returns:
            Seed, faults, resumptions, seconds, and "equal" or what is wrong.
        """
        return [
            (str(run.seed), str(len(run.faults)), str(len(run.stops)), f"{run.seconds:.0f}", self._word(run))
            for run in self.runs
        ]

    def document(self, kinds: Sequence[str]) -> dict[str, Any]:
        """Collects everything for machines.

        Args:
            kinds: The kinds that were asked for.

        Returns:
            A JSON document.
        """
        return {
            "equal": self.sound,
            "reference": asdict(self.reference),
            "faults": [dict(zip(COLUMNS, row, strict=True)) for row in self.by_kind(kinds)],
            "runs": [{**asdict(run), "equal": self.equal(run)} for run in self.runs],
        }

    def _word(self, run: FaultyRun) -> str:
        if run.trouble:
            return run.trouble
        return "equal" if self.equal(run) else "NOT EQUAL"


def render_markdown(verdict: Verdict, kinds: Sequence[str], command: str) -> str:
    """Renders the two tables in Markdown, with the command that made them.

    Args:
        verdict: The verdict.
        kinds: The kinds of faults that were asked for.
        command: As the user typed it.

    Returns:
        Markdown.
    """
    equal = sum(map(verdict.equal, verdict.runs))
    rows = [[str(cell) for cell in row] for row in verdict.by_kind(kinds)]
    return "\n".join(
        [
            f"    {command}",
            "",
            f"{len(verdict.runs)} runs under faults; {equal} ended with the hashes of the undisturbed run "
            f"(sha256 `{verdict.reference.sha256[:16]}`).",
            "",
            *_table(COLUMNS, rows),
            "",
            *_table(RUN_COLUMNS, verdict.by_run()),
        ]
    )  # fmt: skip


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
