"""Common parts of audits of images and of whole clients: lock, and frame of the document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import AuditOptions
from fedsilo.runs.audit.epsilon_bound import CONFIDENCE
from fedsilo.runs.audit.repeated_audits import add_look
from fedsilo.runs.audit.shadow_runs import AUDIT
from fedsilo.runs.run import set_threads
from fedsilo.storage.run_folder import DRIVER_LOCK
from fedsilo.storage.run_lock import lock

DELTA = 1e-5
"""Delta of the bound on epsilon where the run claims none."""
WAIT_S = 1.0
"""Seconds that an audit waits for another audit of the same run."""


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
