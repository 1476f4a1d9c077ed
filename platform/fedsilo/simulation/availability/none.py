"""The default: all clients are always available, and a round's work takes each of them one simulated second."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import Availability, AvailabilityModel


@dataclass(frozen=True)
class AlwaysAvailable(Availability):
    """All clients are always available and equally fast."""

    timed = False

    def make_model(self, clients: int, seed: int) -> AvailabilityModel:
        """Builds the default model, in which all clients are always available and equally fast.

        Args:
            clients: Number of clients.
            seed: The scenario's seed; nothing is drawn.

        Returns:
            The model.
        """
        return AvailabilityModel()
