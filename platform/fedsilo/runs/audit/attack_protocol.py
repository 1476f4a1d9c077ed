"""What an attack on a run's images must provide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fedsilo.runs.audit.audited_images import Population
from fedsilo.runs.audit.model_scores import Observation, Scores


class Fitted(Protocol):
    """An attack after training."""

    def scores(self, seen: Observation, population: Population) -> Scores:
        """Scores the rows of a run.

        Args:
            seen: The run's models.
            population: The rows.

        Returns:
            Scores (n,); a higher score speaks for membership.
        """
        ...


class Attack(Protocol):
    """A way to distinguish members from other images."""

    @property
    def name(self) -> str:
        """Its name, for tables."""
        ...

    @property
    def decides_at(self) -> float | None:
        """Score above which it calls an image a member; None if trials must choose it."""
        ...

    def fit(self, references: Sequence[Observation], population: Population) -> Fitted:
        """Trains the attack.

        Args:
            references: Runs with known membership.
            population: The rows.

        Returns:
            The attack after training.
        """
        ...
