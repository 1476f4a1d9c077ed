"""The common part of models in which clients differ: their speeds, lines and breakdowns."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass

from fedsilo.core import Availability, AvailabilityModel, Call
from fedsilo.core.config_fields import key
from fedsilo.core.seeds import numpy_generator

BITS = 8e-6
"""Megabits in a byte."""


@dataclass(frozen=True)
class TimedAvailability(Availability):
    """Availability in which clients differ in speed."""

    _: KW_ONLY
    step_s: float = key(1.0, "Simulated seconds of one training step, at the median client.", within="> 0")
    spread: float = key(
        0.0,
        "How unlike the clients' speeds are: step_s times exp(spread * a normal draw) for each, which stays its own; "
        "with 1 every sixth client takes 2.7 times as long or longer.",
        within="in [0, 10]",
    )
    seconds_per_step: list[float] = key(
        list, "Simulated seconds of one training step of each client, in client order. Empty: drawn by spread."
    )
    download_mbit_s: float | None = key(
        None, "A client's line, megabits a second, down. null: no time is lost.", within="> 0"
    )
    upload_mbit_s: float | None = key(None, "The same, up.", within="> 0")
    drop_out: float = key(
        0.0, "Probability that a client that is asked breaks down and does not answer.", within="in [0, 1)"
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields beyond their ranges."""
        found = [
            f"seconds_per_step: must be above 0, got {seconds}." for seconds in self.seconds_per_step if seconds <= 0
        ]
        if self.seconds_per_step and self.spread:
            found.append("spread: is for speeds that are drawn, but seconds_per_step lists them. Leave out one.")
        return found

    @property
    def weighs_messages(self) -> bool:
        """Returns whether messages take time."""
        return self.download_mbit_s is not None or self.upload_mbit_s is not None

    def refusals(self, clients: int) -> list[str]:
        """Checks that the section fits the run.

        Args:
            clients: Number of clients of the run.

        Returns:
            Why it does not fit, as 'key: why. What to do.' lines.
        """
        listed = len(self.seconds_per_step)
        if listed in (0, clients):
            return []
        return [f"seconds_per_step: lists {listed} clients, there are {clients}. List one number for each."]

    def make_model(self, clients: int, seed: int) -> TimedModel:
        """Builds the availability of the clients of a run; by default all clients are always available.

        Args:
            clients: Number of clients.
            seed: The scenario's seed.

        Returns:
            The model.
        """
        return TimedModel(self, clients, seed)


class TimedModel(AvailabilityModel):
    """The availability model of clients with different speeds."""

    def __init__(self, availability: TimedAvailability, clients: int, seed: int) -> None:
        """Draws what stays the same for the whole run."""
        self.availability, self.clients, self.seed = availability, clients, seed
        self._step_s = availability.seconds_per_step or [self._drawn(client) for client in range(clients)]

    def _drawn(self, client: int) -> float:
        if not self.availability.spread:
            return self.availability.step_s
        draw = numpy_generator(self.seed, "client speed", client=client).standard_normal()
        return self.availability.step_s * math.exp(self.availability.spread * draw)

    def step_s(self, call: Call) -> float:
        """Computes how long one training step of a client takes.

        Args:
            call: The request to the client.

        Returns:
            Simulated seconds, above 0.
        """
        return self._step_s[call.client]

    def seconds(self, call: Call) -> float:
        """Computes how long a client works: its steps, and its messages where lines have a speed.

        Args:
            call: The request to the client.

        Returns:
            Simulated seconds, above 0.
        """
        down, up = self.availability.download_mbit_s, self.availability.upload_mbit_s
        message = BITS * call.download_bytes / down if down else 0.0
        message += BITS * call.upload_bytes / up if up else 0.0
        return call.steps * self.step_s(call) + call.exchanges * message

    def fails(self, call: Call) -> bool:
        """Draws whether a client breaks down, once for each request.

        Args:
            call: The request to the client.

        Returns:
            Whether it breaks down and never answers.
        """
        if not self.availability.drop_out:
            return False
        where = {"round": call.round, "client": call.client, "step": call.tries}
        return bool(numpy_generator(self.seed, "drop out", **where).random() < self.availability.drop_out)
