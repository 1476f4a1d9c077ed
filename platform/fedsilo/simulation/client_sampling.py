"""Which clients a round asks, and what it asks them for: a function of the scenario, known before the first round."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import Arrays, Availability, Call, Method
from fedsilo.core.seeds import numpy_generator
from fedsilo.core.state import size
from fedsilo.core.training_settings import FLOATING_ERROR, Training
from fedsilo.simulation.availability.none import AlwaysAvailable


@dataclass(frozen=True, slots=True)
class Traffic:
    """What crosses in one exchange, bytes.

    Attributes:
        download: What a client receives.
        upload: What it sends.
    """

    download: int
    upload: int


def traffic_of(method: Method, initial: Arrays) -> Traffic:
    """Computes what crosses in one exchange of a method.

    Args:
        method: The method.
        initial: The shared state before round 0.

    Returns:
        Bytes down and up.
    """
    upload = {name: initial[name] for name in method.uploads if name in initial}
    return Traffic(size(initial), size(upload))


@dataclass(frozen=True)
class ClientSampling:
    """The clients of one federation, and what each round asks of them.

    Attributes:
        method: The method.
        training: The scenario's section.
        sizes: Training examples of each client, in client order.
        seed: The scenario's seed.
        stragglers: The scenario's section.
        availability: When clients are there and how long they take.
        traffic: What crosses in an exchange; None where it is not known, as before a backbone is loaded.
    """

    method: Method
    training: Training
    sizes: tuple[int, ...]
    seed: int
    stragglers: StragglerPolicy = field(default_factory=StragglerPolicy)
    availability: Availability = field(default_factory=AlwaysAvailable)
    traffic: Traffic | None = None

    @property
    def rounds(self) -> int:
        """Returns the number of rounds; a method that has nothing to learn is only evaluated."""
        return self.training.rounds if self.method.trains else 1

    @property
    def timed(self) -> bool:
        """Returns whether time is simulated: whether anybody could be late, away or behind."""
        return self.method.trains and (self.stragglers != StragglerPolicy() or self.availability.timed)

    @cached_property
    def clients(self) -> tuple[int, ...]:
        """The clients that train: those without a training image are there to be measured."""
        return tuple(client for client, size in enumerate(self.sizes) if size)

    @property
    def buffer(self) -> int:
        """Returns the updates of a buffered round."""
        return self.stragglers.buffer or self.training.participants(len(self.clients))

    @property
    def concurrency(self) -> int:
        """Returns how many clients are at work at once in buffered rounds."""
        return self.stragglers.concurrency or len(self.clients)

    def asked(self, round: int) -> tuple[int, ...]:
        """Samples the clients of a synchronous round.

        All clients in round 0 (private states begin there, as in FedOTP's code). Then a uniform sample, of the size
        that `participation` gives times `over_select`.

        Args:
            round: The round.

        Returns:
            Client numbers, ascending.
        """
        clients = self.clients
        count = min(math.ceil(self.stragglers.over_select * self.target(round) - FLOATING_ERROR), len(clients))
        if round == 0 or count == len(clients):
            return clients
        chosen = numpy_generator(self.seed, "participation", round=round).choice(len(clients), count, replace=False)
        return tuple(sorted(clients[number] for number in chosen))

    def target(self, round: int) -> int:
        """Computes how many updates a synchronous round waits for.

        Args:
            round: The round.

        Returns:
            Number of updates, >= 1.
        """
        return len(self.clients) if round == 0 else self.training.participants(len(self.clients))

    def call(self, client: int, round: int, tries: int, at: float, exchanges: int = 1) -> Call:
        """Builds the request to one client.

        Args:
            client: The client's number.
            round: The round.
            tries: How often it was asked in this round before.
            at: When it is asked, simulated seconds since the run began.
            exchanges: Exchanges of the round.

        Returns:
            The request, with its training steps and bytes.
        """
        traffic = self.traffic or Traffic(0, 0)
        steps = self.training.batches(self.sizes[client]) * self.training.local_epochs
        if self.method.exchanges(2) == 2:  # a batch an exchange, for all as many as the longest client has
            steps = exchanges
        return Call(client, round, tries, at, steps, exchanges, traffic.download, traffic.upload)

    def exchanges(self, participants: tuple[int, ...]) -> int:
        """Computes the exchanges of a round: one, or one per batch of the client with the most batches.

        Args:
            participants: Clients of the round.

        Returns:
            Number of exchanges; 0 without participants.
        """
        if not participants:
            return 0
        longest = max(self.training.batches(self.sizes[client]) for client in participants)
        return self.method.exchanges(longest * self.training.local_epochs)
