"""What clients, or their examples, have spent: privacy events counted by client, and the epsilon of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.privacy.accounting.epsilon_bounds import AccountedEpsilon, epsilon, quick_epsilon

Turn = tuple[int, Sequence[int]]
"""One exchange: its number within its round, and the clients that take part."""
EACH = 64
"""Kinds of clients up to which all accountants compute each epsilon; beyond, only the quick ones."""


class PrivacyAccountant:
    """Privacy events by client."""

    def __init__(self) -> None:
        """Begins with nothing spent."""
        self._counts: dict[int, Counter[AnyPrivacyEvent]] = {}

    def add(self, client: int, expenses: Iterable[AnyPrivacyEvent], times: int = 1) -> None:
        """Counts privacy events of a client.

        Args:
            client: The client's number.
            expenses: The events.
            times: How often each of them happened.
        """
        for expense in expenses:
            single = replace(expense, count=1)
            self._counts.setdefault(client, Counter())[single] += times * expense.count

    def take(self, turns: Iterable[Turn], expenses: Callable[[int, int], Iterable[AnyPrivacyEvent]]) -> None:
        """Counts the costs of exchanges for all clients that take part in them.

        Args:
            turns: The exchanges, each with the clients that take part.
            expenses: `expenses(client, exchange)` returns the events of one exchange; it is called once for each client
                and
                exchange, however many rounds have the same exchange.
        """
        parts: Counter[tuple[int, int]] = Counter()
        for (exchange, clients), times in Counter((exchange, tuple(clients)) for exchange, clients in turns).items():
            for client in clients:
                parts[client, exchange] += times
        for (client, exchange), times in parts.items():
            self.add(client, expenses(client, exchange), times)

    def copy(self) -> PrivacyAccountant:
        """Copies the accountant, for a look at what further exchanges would cost.

        Returns:
            An independent accountant with the same events.
        """
        other = PrivacyAccountant()
        other._counts = {client: counts.copy() for client, counts in self._counts.items()}
        return other

    def of(self, client: int) -> tuple[AnyPrivacyEvent, ...]:
        """Lists what a client has spent.

        Args:
            client: The client's number.

        Returns:
            One event of each kind, with its count.
        """
        return _sort_events(self._counts.get(client, Counter()))

    @property
    def clients(self) -> list[int]:
        """The clients that have spent anything, ascending."""
        return sorted(self._counts)

    def distinct(self) -> Mapping[tuple[AnyPrivacyEvent, ...], Sequence[int]]:
        """Groups the clients by what they have spent: of a thousand clients of one size, only one must be accounted.

        Returns:
            Clients by their events.
        """
        groups: dict[tuple[AnyPrivacyEvent, ...], list[int]] = {}
        for client in self.clients:
            groups.setdefault(self.of(client), []).append(client)
        return groups

    def candidates(self) -> list[tuple[AnyPrivacyEvent, ...]]:
        """Selects what must be accounted to know the largest epsilon, which is one client's events in most federations.

        A client whose releases are of one kind spends at least as much as another with the same kind, a rate no higher
        and a
        count no larger.

        Returns:
            Events of the clients that no other client covers.
        """
        left: list[tuple[AnyPrivacyEvent, ...]] = []
        for expenses in sorted(self.distinct(), key=lambda one: (-_most(one).rate, -_most(one).count)):
            if not any(_covers(other, expenses) for other in left):
                left.append(expenses)
        return left

    def worst(self, delta: float, adjacency: Adjacency) -> AccountedEpsilon | None:
        """Computes the largest epsilon of any client.

        The tight accountant is used only for clients whose quick bound is above the largest epsilon found so far.

        Args:
            delta: In (0, 1).
            adjacency: "zero_out" or "replace".

        Returns:
            The largest epsilon with its bounds; None where nothing was spent.
        """
        candidates = self.candidates()
        if len(candidates) < 2:
            return epsilon(candidates[0], delta, adjacency) if candidates else None
        quick = {expenses: quick_epsilon(expenses, delta, adjacency) for expenses in candidates}
        found: AccountedEpsilon | None = None
        for expenses in sorted(candidates, key=lambda one: -quick[one]):
            if found and quick[expenses] <= found.epsilon:
                break
            spent = epsilon(expenses, delta, adjacency)
            found = spent if found is None or spent.epsilon > found.epsilon else found
        return found

    def bounds(
        self, delta: float, adjacency: Adjacency
    ) -> Iterator[tuple[tuple[AnyPrivacyEvent, ...], Sequence[int], float]]:
        """Computes the epsilon of every client.

        With more than `EACH` kinds of clients it is a bound that is quick to compute.

        Args:
            delta: In (0, 1).
            adjacency: "zero_out" or "replace".

        Yields:
            Events, the clients that have spent them, and their epsilon.
        """
        groups = self.distinct()
        for expenses, clients in groups.items():
            if len(groups) > EACH:
                yield expenses, clients, quick_epsilon(expenses, delta, adjacency)
            else:
                yield expenses, clients, epsilon(expenses, delta, adjacency).epsilon


def _most(expenses: Sequence[AnyPrivacyEvent]) -> AnyPrivacyEvent:
    return max(expenses, key=lambda one: (one.rate, one.count))


def _covers(one: tuple[AnyPrivacyEvent, ...], other: tuple[AnyPrivacyEvent, ...]) -> bool:
    """Whether one spends at least what the other does, as far as this shows without accounting."""
    if len(one) != 1 or len(other) != 1:
        return False
    more, less = one[0], other[0]
    alike = replace(more, rate=less.rate, count=less.count) == less
    return alike and more.rate >= less.rate and more.count >= less.count


def _sort_events(counts: Mapping[AnyPrivacyEvent, int]) -> tuple[AnyPrivacyEvent, ...]:
    return tuple(sorted((replace(one, count=count) for one, count in counts.items()), key=repr))
