"""Options of audits, checked before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core.errors import RunError

CLIENT, SHARED = "client", "shared"
VIEWS = (CLIENT, SHARED)
"""Whose model is attacked; see `fedsilo.runs.audit.model_scores`."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of any audit.

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

    def check(self) -> None:
        """Checks the options before anything is computed.

        Raises:
            RunError: There are too few shadow runs or jobs.
        """
        for name, value, least, why in (
            ("shadows", self.shadows, self.least, self.why_least),
            ("jobs", self.jobs, 1, ""),
        ):
            if value < least:
                raise RunError(f"{name}: must be at least {least}{why}, got {value}.")


@dataclass(frozen=True, slots=True)
class Audit(AuditOptions):
    """Options of an audit of single images. At least two shadow runs train the attacks, and two are trials.

    Attributes:
        view: `client` or `shared`, see `fedsilo.runs.audit.model_scores`.
    """

    least: ClassVar[int] = 4
    why_least: ClassVar[str] = ", half to train the attacks and half as trials"

    view: str = CLIENT

    def check(self) -> None:
        """Checks the options before anything is computed.

        Raises:
            RunError: There are too few shadow runs or jobs, or there is no such view.
        """
        if self.view not in VIEWS:
            raise RunError(f"view: must be one of {', '.join(VIEWS)}, got '{self.view}'.")
        AuditOptions.check(self)


@dataclass(frozen=True, slots=True)
class ClientAudit(AuditOptions):
    """Options of an audit of whole clients."""
