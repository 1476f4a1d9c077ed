"""A mechanism fitted to a federation before its first round, and what is to be said of it then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fedsilo.aggregation.plain import Plain
from fedsilo.core import Aggregation, Budget, Mechanism, PrivacyContext
from fedsilo.core.errors import ScenarioError
from fedsilo.core.privacy_events import AnyPrivacyEvent
from fedsilo.core.registry import title_of
from fedsilo.privacy.accounting.accountant import PrivacyAccountant
from fedsilo.privacy.accounting.epsilon_curve import EpsilonPoint, choose_points
from fedsilo.privacy.mechanism_base import EXAMPLE, DifferentialPrivacy
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.schedule import Schedule

EVERY_ROUND = 64
"""Rounds up to which each has its epsilon in an outlook; of more, so many have."""


def facts_of(schedule: Schedule) -> PrivacyContext:
    """Returns what a mechanism must know of a federation; sizes count as public."""
    training, method = schedule.training, schedule.method
    sizes = [size for size in schedule.sizes if size]
    return PrivacyContext(
        rounds=training.rounds,
        clients=len(sizes),
        batch_size=min(training.batch_size, max(sizes)),
        personal=method.personal,
        gradients=method.uploads_gradients,
        streams=method.streams,
        federation=title_of(method),
        local_epochs=training.local_epochs,
        sizes=schedule.sizes,
        turns=tuple(schedule.turns()),
    )


def fitted(mechanism: Mechanism, schedule: Schedule) -> Mechanism:
    """Returns the mechanism fitted to a federation; none where nothing is sent: there is nothing to protect.

    Raises:
        PrivacyBudgetError: No noise gives the epsilon that is asked for.
    """
    if not (schedule.method.trains and schedule.method.uploads):
        return NoMechanism()
    return mechanism.fit(facts_of(schedule))


def checked(aggregation: Aggregation, schedule: Schedule) -> Aggregation:
    """Returns the aggregation; the plain one where there is nothing to add up.

    Raises:
        ScenarioError: It cannot add up the updates of as many clients as take part, or does not know their keys.
    """
    if not schedule.method.uploads:
        return Plain()
    rounds = range(schedule.rounds if schedule.paced else min(schedule.rounds, 2))  # all clients, then equally many
    for count in sorted({len(schedule.participants(round)) for round in rounds} - {0}):
        for line in aggregation.refusals(count):
            also = " Or set pace.minimum, so that smaller rounds end without an update." if schedule.paced else ""
            raise ScenarioError(f"aggregation.{line}{also}")
    for line in aggregation.identity_problems(len(schedule.sizes)):
        raise ScenarioError(f"aggregation.{line}")
    return aggregation


@dataclass(frozen=True, slots=True)
class Group:
    """Clients that spend alike.

    Attributes:
        clients: Their numbers, ascending.
        expenses: What each will have spent.
        epsilon: What that comes to.
    """

    clients: tuple[int, ...]
    expenses: tuple[AnyPrivacyEvent, ...]
    epsilon: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a federation will spend if it runs as planned.

    Attributes:
        mechanism: The fitted mechanism.
        groups: Its clients by what they will have spent.
        curve: The largest epsilon of any client, after so many rounds, of `EVERY_ROUND` rounds at most; empty where
            nothing is promised.
        statement: What the result will say.
    """

    mechanism: Mechanism
    groups: tuple[Group, ...]
    curve: tuple[EpsilonPoint, ...]
    guarantee: Budget


def outlook(
    mechanism: Mechanism,
    schedule: Schedule,
    counted: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Outlook:
    """Returns what a federation will spend. Raises PrivacyBudgetError where no noise is enough.

    The tight accountant, of which an answer takes up to a second, is asked for `EVERY_ROUND` rounds at most, and for
    each kind of client while these are few; the rest of the work is counting turns.

    Args:
        mechanism: The mechanism, not fitted yet.
        schedule: Who trains when.
        counted: Called as counted("round" or "kind of client", done, total) with how many of them have their epsilon.
    """
    made, total = fitted(mechanism, schedule), schedule.rounds
    spending, curve, done = PrivacyAccountant(), [], 0
    for end in range(1, total + 1) if total <= EVERY_ROUND else choose_points(total, EVERY_ROUND):
        counted("round", done, total)
        spending.take((turn for round in range(done, end) for turn in schedule.turns_of(round)), made.expenses)
        worst, done = spending.worst(made.delta, made.adjacency), end
        if worst:
            curve.append(EpsilonPoint(end, worst))
    groups, kinds = list[Group](), len(spending.distinct())
    for expenses, clients, spent in spending.bounds(made.delta, made.adjacency):
        groups.append(Group(tuple(clients), expenses, spent))
        counted("kind of client", len(groups), kinds)
    stated = made.guarantee(curve[-1].spent.epsilon) if curve else None
    return Outlook(made, tuple(groups), tuple(curve), stated or Budget(0.0, made.delta, guaranteed=False, unit=""))


def announcements(mechanisms: Iterable[Mechanism]) -> Iterator[str]:
    """Yields a line for each fitted mechanism that guarantees something: its noise, and what the run will spend."""
    for mechanism in mechanisms:
        if isinstance(mechanism, DifferentialPrivacy):
            how = f", {mechanism.sampling} batches" if mechanism.unit == EXAMPLE else ""
            yield (
                f"privacy: noise multiplier {mechanism.multiplier:.4g} per {mechanism.unit} "
                f"({mechanism.adjacency}{how}): epsilon {mechanism.planned:.4g} at delta {mechanism.delta:g} "
                "if all rounds are run."
            )
