"""Which clients a round asks, and what it asks them for: a function of the scenario, known before the first round."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import Arrays, Call, Method, Trace
from fedsilo.core.seeds import numpy_generator
from fedsilo.core.state import size
from fedsilo.core.training_settings import FLOATING_ERROR, Training
from fedsilo.simulation.availability.none import NoTrace


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
    """Returns a method's traffic, from the shared state before round 0."""
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
        pace: The scenario's section.
        trace: When clients are there and how long they take.
        traffic: What crosses in an exchange; None where it is not known, as before a backbone is loaded.
    """

    method: Method
    training: Training
    sizes: tuple[int, ...]
    seed: int
    pace: StragglerPolicy = field(default_factory=StragglerPolicy)
    trace: Trace = field(default_factory=NoTrace)
    traffic: Traffic | None = None

    @property
    def rounds(self) -> int:
        """Returns the number of rounds; a method that has nothing to learn is only evaluated."""
        return self.training.rounds if self.method.trains else 1

    @property
    def paced(self) -> bool:
        """Returns whether time is simulated: whether anybody could be late, away or behind."""
        return self.method.trains and (self.pace != StragglerPolicy() or self.trace.timed)

    @cached_property
    def clients(self) -> tuple[int, ...]:
        """The clients that train: those without a training image are there to be measured."""
        return tuple(client for client, size in enumerate(self.sizes) if size)

    @property
    def buffer(self) -> int:
        """Returns the updates of a buffered round."""
        return self.pace.buffer or self.training.participants(len(self.clients))

    @property
    def concurrency(self) -> int:
        """Returns how many clients are at work at once in buffered rounds."""
        return self.pace.concurrency or len(self.clients)

    def asked(self, round: int) -> tuple[int, ...]:
        """Returns who is asked in a synchronous round, ascending.

        All in round 0 (private states begin there, as in FedOTP's code), then a uniform sample of as many as
        participation says, times over_select.
        """
        clients = self.clients
        count = min(math.ceil(self.pace.over_select * self.target(round) - FLOATING_ERROR), len(clients))
        if round == 0 or count == len(clients):
            return clients
        chosen = numpy_generator(self.seed, "participation", round=round).choice(len(clients), count, replace=False)
        return tuple(sorted(clients[number] for number in chosen))

    def target(self, round: int) -> int:
        """Returns how many updates a synchronous round waits for."""
        return len(self.clients) if round == 0 else self.training.participants(len(self.clients))

    def call(self, client: int, round: int, tries: int, at: float, exchanges: int = 1) -> Call:
        """Returns what a client is asked for, in a round of so many exchanges."""
        traffic = self.traffic or Traffic(0, 0)
        steps = self.training.batches(self.sizes[client]) * self.training.local_epochs
        if self.method.exchanges(2) == 2:  # a batch an exchange, for all as many as the longest client has
            steps = exchanges
        return Call(client, round, tries, at, steps, exchanges, traffic.download, traffic.upload)

    def exchanges(self, participants: tuple[int, ...]) -> int:
        """Returns the exchanges of a round in which these clients take part; none where nobody does."""
        if not participants:
            return 0
        longest = max(self.training.batches(self.sizes[client]) for client in participants)
        return self.method.exchanges(longest * self.training.local_epochs)
