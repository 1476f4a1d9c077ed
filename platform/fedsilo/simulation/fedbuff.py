"""Cohorts of buffered asynchronous rounds in simulated time (FedBuff): clients work all the time.

A round lasts until `buffer` updates have come. `concurrency` clients work at the same time. A client that has finished
makes room for another, which is drawn from the clients that are available, idle and not in the buffer: a client counts
at most once in a round. A client works from the shared state of the round in which it is asked, and counts in the round
in which it answers. Of events at the same moment, answers come before requests, lower numbers first.

A client that takes longer than the deadline is given up and makes room. A round that cannot end, because no client
works and none can be asked, or because every client that is asked fails, ends without an update; the buffer keeps what
it has.

Source: Nguyen et al., "Federated Learning with Buffered Asynchronous Aggregation", AISTATS 2022, arXiv:2106.06639,
algorithm 1. There a client is drawn again as soon as it has finished, whether its last update was used or not.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from fedsilo.core import AvailabilityModel
from fedsilo.core.seeds import numpy_generator
from fedsilo.simulation.client_sampling import ClientSampling
from fedsilo.simulation.cohort import Cohort, simulate_call

MOST_FAILURES = 10
"""Fruitless ends of work in one round, for every client, after which it is given up."""


class BufferedSchedule:
    """Clients at work, in simulated time.

    Attributes:
        clock: Simulated seconds since the run began.
    """

    def __init__(self, schedule: ClientSampling, model: AvailabilityModel) -> None:
        """Begins with everybody idle."""
        self._schedule, self._model = schedule, model
        self._clients = [client for client, size in enumerate(schedule.sizes) if size]
        self._buffer_size, self._concurrency = schedule.buffer, schedule.concurrency
        self._deadline = math.inf if schedule.stragglers.deadline_s is None else schedule.stragglers.deadline_s
        self._events: list[tuple[float, int, bool, bool, int]] = []
        """Ends of work: when, client, whether an update comes, whether it is given up for being late, its origin."""
        self._buffer: dict[int, int] = {}
        self.clock = 0.0

    def cohorts(self) -> Iterator[Cohort]:
        """Yields the turnout of every round."""
        for round in range(self._schedule.rounds):
            yield self._round(round)

    def _round(self, round: int) -> Cohort:
        begins, late, offline, tries = self.clock, set[int](), set[int](), Counter[int]()
        failures = 0
        while len(self._buffer) < self._buffer_size and failures < MOST_FAILURES * len(self._clients):
            if not self._events or self._events[0][0] > self.clock:
                self._ask(round, tries)
            if not self._advance(round):
                break
            while self._events and self._events[0][0] <= self.clock and len(self._buffer) < self._buffer_size:
                _, client, came, gave_up, origin = heapq.heappop(self._events)
                if came:
                    self._buffer[client] = origin
                else:
                    failures += 1
                    (late if gave_up else offline).add(client)
        return self._ended(begins, late, offline)

    def _ended(self, begins: float, late: set[int], offline: set[int]) -> Cohort:
        origins: dict[int, int] = {}
        if len(self._buffer) >= self._buffer_size:
            origins, self._buffer = self._buffer, {}
        participants = tuple(sorted(origins))
        return Cohort(
            participants,
            tuple(sorted(late - origins.keys())),
            tuple(sorted(offline - late - origins.keys())),
            begins,
            self.clock,
            {client: origins[client] for client in participants},
        )

    def _ask(self, round: int, tries: Counter[int]) -> None:
        """Sets idle clients to work that are there, until so many are at work as may be."""
        free, idle = self._concurrency - len(self._events), self._idle()
        if free <= 0 or not idle:
            return
        drawn = numpy_generator(self._schedule.seed, "asked", round=round, step=sum(tries.values())).permutation(idle)
        there = (client for client in drawn.tolist() if self._from(client, round) <= self.clock)
        for client in sorted(islice(there, free)):
            call = self._schedule.call(client, round, tries[client], self.clock)
            tries[client] += 1
            found = simulate_call(self._model, call)
            gave_up = found.ends - self.clock > self._deadline
            ends = self.clock + self._deadline if gave_up else found.ends
            heapq.heappush(self._events, (ends, client, found.came and not gave_up, gave_up, round))

    def _advance(self, round: int) -> bool:
        """Moves the clock to the next end of work, or to when a client comes that may be asked; False for neither."""
        moments = [self._events[0][0]] if self._events else []
        if len(self._events) < self._concurrency:
            moments += [self._from(client, round) for client in self._idle()]
        moments = [moment for moment in moments if math.isfinite(moment)]
        if not moments:
            return False
        self.clock = max(self.clock, min(moments))
        return True

    def _idle(self) -> list[int]:
        busy = {client for _, client, *_ in self._events} | self._buffer.keys()
        return [client for client in self._clients if client not in busy]

    def _from(self, client: int, round: int) -> float:
        return self._model.window(client, round, self.clock)[0]
