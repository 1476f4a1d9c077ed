"""Cohorts of synchronous rounds in simulated time: clients are asked together and waited for.

A round begins where the one before ended. It asks its clients. A client that is away starts when it comes. A client
that goes away during its work starts again when it is back. The round ends with the last answer that it needs, at its
deadline at the latest; without a deadline, with the last answer that comes. Evaluation takes no simulated time.

A client that is not counted is stopped: its private state is as before the round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fedsilo.core import AvailabilityModel, Call
from fedsilo.simulation.client_sampling import ClientSampling

MOST_BEGINNINGS = 1000
"""How often a client that goes away during its work starts again before it counts as one that never answers."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who takes part in one round.

    Attributes:
        participants: Whose updates count, ascending.
        late: Who was asked, was there and does not count: too late, not needed any more, or of a round that is given
            up; ascending.
        offline: Who was asked and was not there, or went away or broke down before it answered; ascending.
        begins: When the round begins, simulated seconds; None where time is not simulated.
        ends: When it ends.
        origins: The round whose shared state an update began from, by participant; empty: this round's.
    """

    participants: tuple[int, ...]
    late: tuple[int, ...] = ()
    offline: tuple[int, ...] = ()
    begins: float | None = None
    ends: float | None = None
    origins: Mapping[int, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """Returns how long the round takes, simulated."""
        return None if self.begins is None or self.ends is None else self.ends - self.begins

    def staleness(self, round: int) -> tuple[int, ...]:
        """Computes the staleness of each participant's update.

        Args:
            round: This round's number.

        Returns:
            Rounds since each update began, in the order of `participants`; empty where all began in this round.
        """
        return tuple(round - self.origins[client] for client in self.participants) if self.origins else ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a call.

    Attributes:
        begins: When the client begins; inf where it is never there.
        ends: When its update comes; where none does, when it is lost.
        came: Whether an update comes.
    """

    begins: float
    ends: float
    came: bool


def simulate_call(model: AvailabilityModel, call: Call) -> Answer:
    """Simulates one request, without a deadline.

    Args:
        model: When clients are available, and how fast.
        call: The request.

    Returns:
        When the client begins and ends, and whether an update comes.
    """
    begins, until = model.window(call.client, call.round, call.at)
    first, lost = begins, call.at
    for _ in range(MOST_BEGINNINGS):
        if math.isinf(begins):
            break
        ends = begins + model.seconds(replace(call, at=begins))
        if ends <= until:
            return Answer(first, ends, came=not model.fails(call))
        lost = until
        begins, until = model.window(call.client, call.round, until)
    return Answer(first, lost, came=False)


def synchronous_cohorts(schedule: ClientSampling, model: AvailabilityModel) -> Iterator[Cohort]:
    """Simulates rounds that wait for their clients.

    Args:
        schedule: What each round asks of which clients.
        model: When clients are available, and how fast.

    Yields:
        The cohort of each round.
    """
    clock, stragglers = 0.0, schedule.stragglers
    for round in range(schedule.rounds):
        asked = schedule.asked(round)
        exchanges = schedule.exchanges(asked)
        answers = {client: simulate_call(model, schedule.call(client, round, 0, clock, exchanges)) for client in asked}
        deadline = math.inf if stragglers.deadline_s is None else clock + stragglers.deadline_s
        cohort = _of(answers, schedule.target(round), clock, deadline)
        if len(cohort.participants) < stragglers.minimum:  # given up: what came is not used
            late = tuple(sorted((*cohort.participants, *cohort.late)))
            cohort = replace(cohort, participants=(), late=late)
        assert cohort.ends is not None
        clock = cohort.ends
        yield cohort


def _of(answers: Mapping[int, Answer], target: int, clock: float, deadline: float) -> Cohort:
    """The turnout of a round that wants so many of these answers; of two at once the lower number is first."""
    came = sorted((simulate_call.ends, client) for client, simulate_call in answers.items() if simulate_call.came)
    taken = [(ends, client) for ends, client in came if ends <= deadline][:target]
    if len(taken) == target:
        ends = taken[-1][0]
    elif math.isfinite(deadline):
        ends = deadline
    else:  # no client is left to wait for
        ends = max((simulate_call.ends for simulate_call in answers.values()), default=clock)
    participants = {client for _, client in taken}
    others = answers.keys() - participants
    late = {client for client in others if answers[client].came and answers[client].begins <= ends}
    return Cohort(_ascending(participants), _ascending(late), _ascending(others - late), clock, ends)


def _ascending(clients: set[int]) -> tuple[int, ...]:
    return tuple(sorted(clients))


def describe_absences(cohorts: Sequence[Cohort]) -> list[str]:
    """Sums up who did not take part.

    Args:
        cohorts: The cohorts of the finished rounds.

    Returns:
        Notices for the user, one line each.
    """
    empty = [str(round) for round, cohort in enumerate(cohorts) if not cohort.participants]
    counts = [sum(len(part) for part in parts) for parts in zip(*map(_parts, cohorts), strict=True)]
    found = []
    if empty:
        which = ", ".join(empty[:8]) + (", ..." if len(empty) > 8 else "")
        found.append(f"stragglers: {len(empty)} of {len(cohorts)} rounds ended without an update: {which}.")
    if counts and (counts[1] or counts[2]):
        found.append(
            f"stragglers: {counts[0]} updates counted; {counts[1]} times a client was late or not needed, {counts[2]} "
            "times offline."
        )
    return found


def _parts(cohort: Cohort) -> tuple[tuple[int, ...], ...]:
    return cohort.participants, cohort.late, cohort.offline
