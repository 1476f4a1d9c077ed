"""No trace: everybody is always there, and a round's work takes everybody one simulated second, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core import AvailabilityModel, Trace


@dataclass(frozen=True)
class NoTrace(Trace):
    """Everybody is always there and equally fast."""

    timed = False

    def course(self, clients: int, seed: int) -> AvailabilityModel:
        """Returns a course in which nothing happens."""
        return AvailabilityModel()
