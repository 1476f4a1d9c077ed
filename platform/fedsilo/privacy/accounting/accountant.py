"""What clients, or their examples, have spent: expenses counted client by client, and the epsilon they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.privacy.accounting.accountants import AccountedEpsilon, epsilon, quick_epsilon

Turn = tuple[int, Sequence[int]]
"""One exchange: its number within its round, and the clients that take part."""
EACH = 64
"""Kinds of clients up to which each one's epsilon is counted by all accountants; beyond, by the quick ones."""


class PrivacyAccountant:
    """Expenses by client."""

    def __init__(self) -> None:
        """Begins with nothing spent."""
        self._counts: dict[int, Counter[AnyPrivacyEvent]] = {}

    def add(self, client: int, expenses: Iterable[AnyPrivacyEvent], times: int = 1) -> None:
        """Counts expenses of a client, so many times each."""
        for expense in expenses:
            single = replace(expense, count=1)
            self._counts.setdefault(client, Counter())[single] += times * expense.count

    def take(self, turns: Iterable[Turn], expenses: Callable[[int, int], Iterable[AnyPrivacyEvent]]) -> None:
        """Counts what exchanges cost all that take part in them; `expenses(client, exchange)` says what.

        It is asked once for each client and exchange, however many rounds have the same turn.
        """
        parts: Counter[tuple[int, int]] = Counter()
        for (exchange, clients), times in Counter((exchange, tuple(clients)) for exchange, clients in turns).items():
            for client in clients:
                parts[client, exchange] += times
        for (client, exchange), times in parts.items():
            self.add(client, expenses(client, exchange), times)

    def copy(self) -> PrivacyAccountant:
        """Returns a spending that can go on by itself, to see what would be."""
        other = PrivacyAccountant()
        other._counts = {client: counts.copy() for client, counts in self._counts.items()}
        return other

    def of(self, client: int) -> tuple[AnyPrivacyEvent, ...]:
        """Returns what a client has spent, one expense of each kind."""
        return _listed(self._counts.get(client, Counter()))

    @property
    def clients(self) -> list[int]:
        """Returns the clients that have spent anything, ascending."""
        return sorted(self._counts)

    def distinct(self) -> Mapping[tuple[AnyPrivacyEvent, ...], Sequence[int]]:
        """Returns the clients by what they have spent: of a thousand clients of one size one needs to be accounted."""
        groups: dict[tuple[AnyPrivacyEvent, ...], list[int]] = {}
        for client in self.clients:
            groups.setdefault(self.of(client), []).append(client)
        return groups

    def candidates(self) -> list[tuple[AnyPrivacyEvent, ...]]:
        """Returns what must be accounted to know the worst: no more than one of all clients in most federations.

        A client whose releases are of one kind spends no less than another with the same kind, no higher rate and no
        larger count.
        """
        left: list[tuple[AnyPrivacyEvent, ...]] = []
        for expenses in sorted(self.distinct(), key=lambda one: (-_most(one).rate, -_most(one).count)):
            if not any(_covers(other, expenses) for other in left):
                left.append(expenses)
        return left

    def worst(self, delta: float, adjacency: Adjacency) -> AccountedEpsilon | None:
        """Returns the largest epsilon of any client at a delta; None where nothing was spent.

        The tight accountant is asked of those only whose quick bound is above what was found by then.
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
        """Yields what clients have spent, which of them have spent it, and the epsilon that it comes to.

        Of more than `EACH` kinds of clients it is the bound that is quick to compute.
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
    """Whether one spends at least what the other does, seen without accounting."""
    if len(one) != 1 or len(other) != 1:
        return False
    more, less = one[0], other[0]
    alike = replace(more, rate=less.rate, count=less.count) == less
    return alike and more.rate >= less.rate and more.count >= less.count


def _listed(counts: Mapping[AnyPrivacyEvent, int]) -> tuple[AnyPrivacyEvent, ...]:
    return tuple(sorted((replace(one, count=count) for one, count in counts.items()), key=repr))
