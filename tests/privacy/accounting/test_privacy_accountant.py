"""Counts of privacy events by client: the worst client, and many kinds of clients."""

from collections import Counter
from typing import Any

import pytest

from fedsilo.core.privacy_events import PrivacyEvent
from fedsilo.privacy.accounting import privacy_accountant as spending
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.accounting.privacy_accountant import EACH, PrivacyAccountant


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the tight accountants are asked."""
    calls: Counter[str] = Counter()

    def exact(expenses: Any, *rest: Any) -> Any:
        calls["accountant"] += 1
        return epsilon(expenses, *rest)

    monkeypatch.setattr(spending, "epsilon", exact)
    return calls


def test_the_worst_client_is_found_without_accounting_for_all_of_them(counted: Counter[str]) -> None:
    """Clients of which none has both the higher rate and the larger count."""
    spent, kinds = PrivacyAccountant(), 12
    for client in range(kinds):
        spent.add(client, [PrivacyEvent(8.0, 0.02 * (client + 1), 4000 // (client + 1))])
    assert len(spent.candidates()) == kinds
    found = spent.worst(1e-5, "zero_out")
    every = [epsilon(spent.of(client), 1e-5).epsilon for client in range(kinds)]
    assert found is not None
    assert found.epsilon == max(every)
    assert counted["accountant"] <= kinds // 2
    assert PrivacyAccountant().worst(1e-5, "zero_out") is None


def test_of_very_many_kinds_of_clients_each_one_s_epsilon_is_the_quick_bound(counted: Counter[str]) -> None:
    spent = PrivacyAccountant()
    for client in range(EACH + 1):
        spent.add(client, [PrivacyEvent(8.0, 0.1, 100 + client)])
    found = list(spent.bounds(1e-5, "zero_out"))
    assert len(found) == EACH + 1
    assert counted["accountant"] == 0
    assert all(bound >= epsilon(expenses, 1e-5).epsilon for expenses, _, bound in found[:2])


def test_an_exchange_is_counted_for_its_clients_as_often_as_it_happens_and_asked_about_once() -> None:
    asked: list[tuple[int, int]] = []

    def cost(client: int, exchange: int) -> list[PrivacyEvent]:
        asked.append((client, exchange))
        return [PrivacyEvent(2.0, 0.1 * (1 + client), 1 + exchange)]

    spent = PrivacyAccountant()
    spent.take([(0, (0, 1)), (1, (0,)), (0, (0, 1)), (0, (1,))], cost)
    assert sorted(asked) == [(0, 0), (0, 1), (1, 0)]
    assert spent.of(0) == (PrivacyEvent(2.0, 0.1, 2 * 1 + 1 * 2),)
    assert spent.of(1) == (PrivacyEvent(2.0, 0.2, 3),)
    ahead = spent.copy()
    ahead.add(2, [PrivacyEvent(2.0, 0.2, 1)], times=3)
    assert (ahead.clients, spent.clients) == ([0, 1, 2], [0, 1])
    assert [list(clients) for clients in ahead.distinct().values()] == [[0], [1, 2]]
