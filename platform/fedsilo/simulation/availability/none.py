"""No trace: everybody is always there, and a round's work takes everybody one simulated second, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import AvailabilityModel, Trace


@dataclass(frozen=True)
class NoTrace(Trace):
    """Everybody is always there and equally fast."""

    timed = False

    def course(self, clients: int, seed: int) -> AvailabilityModel:
        """Builds the default model, in which all clients are always available and equally fast.

        Args:
            clients: Number of clients.
            seed: The scenario's seed; nothing is drawn.

        Returns:
            The model.
        """
        return AvailabilityModel()
