"""What a series of struck runs comes to: what was done to them, what they survived, whether the hashes are equal."""

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
    """What came of all runs.

    Attributes:
        reference: The undisturbed run.
        runs: The runs under faults.
    """

    reference: FaultyRun
    runs: tuple[FaultyRun, ...]

    def equal(self, run: FaultyRun) -> bool:
        """Returns whether a run ended with the undisturbed one's hashes and nothing happened that never should."""
        reference = self.reference
        same = bool(reference.sha256) and (run.sha256, run.hashes) == (reference.sha256, reference.hashes)
        return same and not run.trouble

    @property
    def sound(self) -> bool:
        """Returns whether all runs did, and the undisturbed one came to its end."""
        return all(map(self.equal, (self.reference, *self.runs)))

    def by_kind(self, kinds: Sequence[str]) -> list[tuple[str, int, int, int]]:
        """Returns, for each kind: how often it struck, was survived in place, needed a resumption.

        Args:
            kinds: What was asked for; what never struck stands there with zeros.
        """
        struck = [fault for run in self.runs for fault in run.faults]
        survived = Counter(fault["kind"] for fault in struck if fault["survived"])
        every = Counter(fault["kind"] for fault in struck)
        return [(kind, every[kind], survived[kind], every[kind] - survived[kind]) for kind in kinds]

    def by_run(self) -> list[tuple[str, ...]]:
        """Returns, for each run as text: its seed, faults, resumptions, seconds, and "equal" or what is wrong."""
        return [
            (str(run.seed), str(len(run.faults)), str(len(run.stops)), f"{run.seconds:.0f}", self._word(run))
            for run in self.runs
        ]

    def document(self, kinds: Sequence[str]) -> dict[str, Any]:
        """Returns all of it for machines."""
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
    """Returns the two tables in Markdown, with the command that made them.

    Args:
        verdict: What came of the runs.
        kinds: What was asked for.
        command: As the user typed it.
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
