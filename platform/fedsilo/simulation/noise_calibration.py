"""A mechanism fitted to a federation before its first round, and what is to be said of it then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fedsilo.aggregation.plain import Plain
from fedsilo.core import Aggregation, Budget, Mechanism, PrivacyContext
from fedsilo.core.errors import ScenarioError
from fedsilo.core.privacy_events import AnyPrivacyEvent
from fedsilo.core.registry import title_of
from fedsilo.privacy.accounting.epsilon_curve import EpsilonPoint, choose_points
from fedsilo.privacy.accounting.privacy_accountant import PrivacyAccountant
from fedsilo.privacy.mechanism_base import EXAMPLE, DifferentialPrivacy
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.schedule import Schedule

EVERY_ROUND = 64
"""Rounds up to which each has its epsilon in an outlook; of more, so many have."""


def privacy_context(schedule: Schedule) -> PrivacyContext:
    """Collects what a mechanism must know of a federation; the sizes of clients count as public.

    Args:
        schedule: The cohorts of the federation.

    Returns:
        The context.
    """
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


def fit_mechanism(mechanism: Mechanism, schedule: Schedule) -> Mechanism:
    """Fits a mechanism to a federation.

    Args:
        mechanism: The mechanism of the scenario.
        schedule: The cohorts of the federation.

    Returns:
        The fitted mechanism; `NoMechanism` where nothing is uploaded.

    Raises:
        PrivacyBudgetError: No noise gives the epsilon that is asked for.
    """
    if not (schedule.method.trains and schedule.method.uploads):
        return NoMechanism()
    return mechanism.fit(privacy_context(schedule))


def check_aggregation(aggregation: Aggregation, schedule: Schedule) -> Aggregation:
    """Checks that an aggregation fits a federation.

    Args:
        aggregation: The aggregation of the scenario.
        schedule: The cohorts of the federation.

    Returns:
        The aggregation; the plain one where nothing is uploaded.

    Raises:
        ScenarioError: It cannot sum the updates of so many clients, or does not know their keys.
    """
    if not schedule.method.uploads:
        return Plain()
    rounds = range(schedule.rounds if schedule.timed else min(schedule.rounds, 2))  # all clients, then equally many
    for count in sorted({len(schedule.participants(round)) for round in rounds} - {0}):
        for line in aggregation.refusals(count):
            also = " Or set stragglers.minimum, so that smaller rounds end without an update." if schedule.timed else ""
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


def plan_privacy(
    mechanism: Mechanism,
    schedule: Schedule,
    counted: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Outlook:
    """Computes what a federation will spend.

    The tight accountant needs up to a second for an answer. It is asked for `EVERY_ROUND` rounds at most, and for each
    kind of client while these are few.

    Args:
        mechanism: The mechanism, not fitted yet.
        schedule: The cohorts of the federation.
        counted: Called as counted("round" or "kind of client", done, total) after each epsilon.

    Returns:
        Noise, epsilon by round and by kind of client, and the guarantee.

    Raises:
        PrivacyBudgetError: No noise gives the epsilon that is asked for.
    """
    made, total = fit_mechanism(mechanism, schedule), schedule.rounds
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


def describe_guarantees(mechanisms: Iterable[Mechanism]) -> Iterator[str]:
    """Describes fitted mechanisms to the user.

    Args:
        mechanisms: Fitted mechanisms.

    Yields:
        A line for each that guarantees something: its noise, and what the run will spend.
    """
    for mechanism in mechanisms:
        if isinstance(mechanism, DifferentialPrivacy):
            how = f", {mechanism.sampling} batches" if mechanism.unit == EXAMPLE else ""
            yield (
                f"privacy: noise multiplier {mechanism.multiplier:.4g} per {mechanism.unit} "
                f"({mechanism.adjacency}{how}): epsilon {mechanism.planned:.4g} at delta {mechanism.delta:g} "
                "if all rounds are run."
            )
