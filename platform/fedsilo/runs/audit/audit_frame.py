"""What audits of images and of whole clients have in common: what is asked for, one at a time, the document's frame."""

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
from fedsilo.runs.run import threads
from fedsilo.storage.run_folder import DRIVER_LOCK
from fedsilo.storage.run_lock import lock

DELTA = 1e-5
"""At which epsilon is asked for where the run claims none."""
WAIT_S = 1.0
"""How long an audit waits for another one of the same run, seconds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of any audit.

    Attributes:
        shadows: Shadow runs.
        jobs: Shadow runs side by side, each in a process of its own, >= 1.
        shuffle: The control: the guesses are judged by coins, or a membership, that had no effect on any run.
    """

    least: ClassVar[int] = 1
    why_least: ClassVar[str] = ""

    shadows: int = 16
    jobs: int = 1
    shuffle: bool = False

    def refuse(self, run: Run) -> None:
        """Refuses what can be known to be impossible before anything is computed.

        Raises:
            RunError: There are too few shadow runs or jobs, or the run has not finished.
        """
        for name, value, least, why in (
            ("shadows", self.shadows, self.least, self.why_least),
            ("jobs", self.jobs, 1, ""),
        ):
            if value < least:
                raise RunError(f"{name}: must be at least {least}{why}, got {value}.")
        run.result  # noqa: B018, says what to do about a run that has not finished


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
