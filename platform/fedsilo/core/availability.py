"""Simulated time: when clients are there, and how long their work takes them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core.data import Component


@dataclass(frozen=True, slots=True)
class Call:
    """A client that is asked for a round's update.

    Attributes:
        client: The client's number.
        round: The round in which it is asked.
        tries: How often it was asked in this round before.
        at: When it begins, simulated seconds since the run began.
        steps: Training steps that it makes.
        exchanges: Exchanges that these are divided into.
        download_bytes: What it receives in each exchange.
        upload_bytes: What it sends in each exchange.
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
    """What a trace says of the clients of one run: a function of what is asked, the same at every call.

    As it stands everybody is always there, and a round's work takes everybody one simulated second.
    """

    def window(self, client: int, round: int, now: float) -> tuple[float, float]:
        """Returns when the client is there next, from and until, in simulated seconds.

        Args:
            client: The client's number.
            round: The round that it is asked in.
            now: The first moment that matters: `from` is not before it, `until` is after it.

        Returns:
            (inf, inf) where it does not come any more in this round.
        """
        return now, math.inf

    def seconds(self, call: Call) -> float:
        """Returns how long the work takes if nothing comes between, simulated seconds, above 0."""
        return 1.0

    def fails(self, call: Call) -> bool:
        """Returns whether the client breaks down over it and never answers."""
        return False


class Trace(Component, ABC):
    """When clients are there, and how long they take: simulated, a function of the scenario."""

    kind = "trace"
    timed: ClassVar[bool] = True
    """Whether it says anything; False for the one that everybody is always there and equally fast by."""

    @property
    def weighs_messages(self) -> bool:
        """Returns whether time depends on the bytes of messages."""
        return False

    def refusals(self, clients: int) -> list[str]:
        """Returns why it cannot be that of so many clients, as 'key: why. What to do.' lines."""
        return []

    @abstractmethod
    def course(self, clients: int, seed: int) -> AvailabilityModel:
        """Returns how it goes for clients 0 to clients - 1; everything that is drawn follows from the seed."""
