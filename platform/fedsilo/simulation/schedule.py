"""Who trains when: a function of the scenario, so that a budget can be planned before the first round."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fedsilo.config.stragglers import StragglerPolicy, find_impossible
from fedsilo.core import Arrays, Call, Method, PlannedRelease, Trace
from fedsilo.core.errors import ScenarioError
from fedsilo.core.seeds import numpy_generator
from fedsilo.core.state import size
from fedsilo.core.training_settings import FLOATING_ERROR, Training
from fedsilo.simulation.availability.none import NoTrace
from fedsilo.simulation.cohort import Cohort, synchronous
from fedsilo.simulation.fedbuff import BufferedSchedule


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
class Schedule:
    """The rounds of one federation.

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

    def participants(self, round: int) -> tuple[int, ...]:
        """Returns whose updates count in a round, ascending; nobody's where a paced round ends without an update."""
        return self.cohort(round).participants

    def cohort(self, round: int) -> Cohort:
        """Returns who takes part in a round, and when it is."""
        return self.cohorts[round] if self.paced else Cohort(self.asked(round))

    @cached_property
    def cohorts(self) -> tuple[Cohort, ...]:
        """The turnout of every round of a paced federation.

        Raises:
            ScenarioError: Pace and trace do not fit so many clients, or nobody would ever answer.
        """
        self._refuse(find_impossible(self.pace, self.trace, len(self.clients), len(self.sizes)))
        if self.pace.buffered and self.buffer > self.concurrency:
            self._refuse(
                f"pace.concurrency: {self.concurrency} clients at work cannot fill a buffer of {self.buffer} at once. "
                "Use more, or a smaller pace.buffer."
            )
        if self.trace.weighs_messages and self.traffic is None:
            self._refuse(
                "trace: how long messages take (download_mbit_s, upload_mbit_s) is known once the backbone is loaded, "
                "not in a plan. Plan without the lines' speeds."
            )
        course = self.trace.course(len(self.sizes), self.seed)
        made = tuple(BufferedSchedule(self, course).cohorts() if self.pace.buffered else synchronous(self, course))
        if not any(cohort.participants for cohort in made):
            self._refuse(_never(self))
        return made

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

    def turns(self) -> Iterator[PlannedRelease]:
        """Yields all exchanges of the run, in order."""
        for round in range(self.rounds):
            yield from self.turns_of(round)

    def turns_of(self, round: int) -> Iterator[PlannedRelease]:
        """Yields the exchanges of one round, in order."""
        participants = self.participants(round)
        return ((exchange, participants) for exchange in range(self.exchanges(participants)))

    def origins(self, round: int) -> Mapping[int, int]:
        """Returns the round whose shared state each participant's update began from: in a synchronous one this."""
        cohort = self.cohort(round)
        return cohort.origins or dict.fromkeys(cohort.participants, round)

    def outstanding(self, round: int) -> frozenset[int]:
        """Returns the rounds up to this one, without the first, from whose shared states updates are still to come."""
        return frozenset(begun for begun, last in self._last_needed.items() if 0 < begun <= round < last)

    @cached_property
    def _last_needed(self) -> dict[int, int]:
        """The last round in which an update comes that began from a round's shared state, by the latter."""
        if not (self.paced and self.pace.buffered):
            return {}
        return {begun: round for round, cohort in enumerate(self.cohorts) for begun in cohort.origins.values()}

    def _refuse(self, why: str) -> None:
        if why:
            raise ScenarioError(why)


def _never(schedule: Schedule) -> str:
    """Why nobody ever answers, as far as it can be told in a line."""
    pace, rounds = schedule.pace, schedule.rounds
    waited = "as long as it takes" if pace.deadline_s is None else f"{pace.deadline_s:g} simulated seconds"
    wanted = f"{schedule.buffer} updates" if pace.buffered else f"{pace.minimum} of those asked"
    return (
        f"trace: in none of {rounds} rounds would {wanted} come, each waited for {waited}. Give clients more time "
        "(pace.deadline_s), or let them be there more often (trace)."
    )
