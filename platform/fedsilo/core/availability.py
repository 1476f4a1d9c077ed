"""The contract of availability: simulated times at which clients are available, and durations of their work."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core.data import Component


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a client's update of one round.

    Attributes:
        client: The client's number.
        round: The round of the update.
        tries: How often the client was asked in this round before.
        at: When the client begins, simulated seconds since the run began.
        steps: Training steps that it makes.
        exchanges: Exchanges that the steps are divided into.
        download_bytes: Bytes that it receives in each exchange.
        upload_bytes: Bytes that it sends in each exchange.
    """

    client: int
    round: int
    tries: int
    at: float
    steps: int
    exchanges: int = 1
    download_bytes: int = 0
    upload_bytes: int = 0


class AvailabilityModel:
    """Availability and speed of the clients of one run: a function of its arguments, with the same answer at every
    call.

    By default all clients are always available, and a round's work takes each of them one simulated second.
    """

    def window(self, client: int, round: int, now: float) -> tuple[float, float]:
        """Finds the next time window in which a client is available.

        Args:
            client: The client's number.
            round: The round in which it is asked.
            now: Earliest time of interest, simulated seconds.

        Returns:
            Start (not before `now`) and end (after `now`) of the window, simulated seconds; (inf, inf) where the client
            is not available any more in this round.
        """
        return now, math.inf

    def seconds(self, call: Call) -> float:
        """Computes how long a client's work takes without interruption.

        Args:
            call: The request.

        Returns:
            Simulated seconds, above 0.
        """
        return 1.0

    def fails(self, call: Call) -> bool:
        """Decides whether the client fails during the work and never answers.

        Args:
            call: The request.

        Returns:
            True if it fails.
        """
        return False


class Availability(Component, ABC):
    """When clients are available and how long they work: simulated, a function of the scenario."""

    kind = "availability"
    timed: ClassVar[bool] = True
    """False for the default model, in which all clients are always available and equally fast."""

    @property
    def weighs_messages(self) -> bool:
        """Returns whether simulated time depends on the bytes of messages."""
        return False

    def refusals(self, clients: int) -> list[str]:
        """Lists why this availability cannot be used for a number of clients.

        Args:
            clients: How many clients.

        Returns:
            Lines 'key: why. What to do.'; empty when it can.
        """
        return []

    @abstractmethod
    def make_model(self, clients: int, seed: int) -> AvailabilityModel:
        """Makes the availability model of a run.

        Args:
            clients: How many clients: numbers 0 to clients - 1.
            seed: The scenario's seed; all draws follow from it.

        Returns:
            The model.
        """
