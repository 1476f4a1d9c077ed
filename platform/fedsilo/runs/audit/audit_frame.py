"""What audits of images and of whole clients have in common: one at a time, the document's frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import Asked
from fedsilo.runs.audit.epsilon_bound import CONFIDENCE
from fedsilo.runs.audit.repeated_audits import add_look
from fedsilo.runs.audit.shadow_runs import AUDIT
from fedsilo.runs.run import threads
from fedsilo.storage.run_folder import DRIVER_LOCK, lock

DELTA = 1e-5
"""At which epsilon is asked for where the run claims none."""
WAIT_S = 1.0
"""How long an audit waits for another one of the same run, seconds."""


@contextmanager
def at_work(run: Run) -> Iterator[Path]:
    """Gives an audit the run's audit folder, which no other has meanwhile, and the run's number of threads.

    Raises:
        RunError: Another audit of the run is at work.
    """
    place = run.folder / AUDIT
    place.mkdir(exist_ok=True)
    with lock(place, WAIT_S, DRIVER_LOCK), threads(run.scenario.actors.threads):
        yield place


def delta_of(run: Run) -> float:
    """Returns the delta that epsilon is asked for at: the claimed one, if there is one."""
    claim = run.result["privacy"]
    return float(claim["delta"]) if claim else DELTA


def framed(run: Run, asked: Asked, place: Path, look: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of a document that every audit has; the look is counted, unless it is a control.

    Args:
        run: The audited run.
        asked: What was asked for.
        place: The run's audit folder.
        look: What sets this audit apart from others of the run, beside its shadow runs; its unit is among it.
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
