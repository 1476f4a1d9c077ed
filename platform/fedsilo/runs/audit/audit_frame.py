"""Common parts of audits of images and of whole clients: options, lock, and frame of the document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fedsilo.core.errors import RunError
from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.epsilon_bound import CONFIDENCE
from fedsilo.runs.audit.repeated_audits import add_look
from fedsilo.runs.audit.shadow_runs import AUDIT
from fedsilo.runs.run import set_threads
from fedsilo.storage.run_folder import DRIVER_LOCK, lock

DELTA = 1e-5
"""Delta of the bound on epsilon where the run claims none."""
WAIT_S = 1.0
"""Seconds that an audit waits for another audit of the same run."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of any audit.

    Attributes:
        shadows: Number of shadow runs.
        jobs: Number of shadow runs at the same time, each in its own process, >= 1.
        shuffle: Whether this is a control, in which the true coins or the true membership are replaced by chance.
    """

    least: ClassVar[int] = 1
    why_least: ClassVar[str] = ""

    shadows: int = 16
    jobs: int = 1
    shuffle: bool = False

    def refuse(self, run: Run) -> None:
        """Checks the options before anything is computed.

        Args:
            run: The audited run.

        Raises:
            RunError: There are too few shadow runs or jobs, or the run has not finished.
        """
        for name, value, least, why in (
            ("shadows", self.shadows, self.least, self.why_least),
            ("jobs", self.jobs, 1, ""),
        ):
            if value < least:
                raise RunError(f"{name}: must be at least {least}{why}, got {value}.")
        run.result  # noqa: B018, raises for a run that has not finished


@contextmanager
def lock_audit(run: Run) -> Iterator[Path]:
    """Locks the run's audit folder, and sets the run's number of threads.

    Args:
        run: The audited run.

    Yields:
        The audit folder.

    Raises:
        RunError: Another audit of the run is at work.
    """
    place = run.folder / AUDIT
    place.mkdir(exist_ok=True)
    with lock(place, WAIT_S, DRIVER_LOCK), set_threads(run.scenario.actors.threads):
        yield place


def choose_delta(run: Run) -> float:
    """Chooses the delta of the bound on epsilon.

    Args:
        run: The audited run.

    Returns:
        The run's claimed delta; `DELTA` without a claim.
    """
    claim = run.result["privacy"]
    return float(claim["delta"]) if claim else DELTA


def build_frame(run: Run, asked: AuditOptions, place: Path, look: Mapping[str, Any]) -> dict[str, Any]:
    """Builds the part of the document that all audits have, and counts the audit unless it is a control.

    Args:
        run: The audited run.
        asked: The options.
        place: The run's audit folder.
        look: What distinguishes this audit from other audits of the run, beside the number of shadow runs; it includes
            the unit.

    Returns:
        The part of the document.
    """
    return {
        "run": run.folder.name,
        "method": title_of(run.scenario.method),
        **look,
        "shadows": asked.shadows,
        "shuffled": asked.shuffle,
        "confidence": CONFIDENCE,
        "claim": run.result["privacy"],
        "looks": 0 if asked.shuffle else add_look(place, {**look, "shadows": asked.shadows}),
    }
