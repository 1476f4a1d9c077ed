"""A pass over shuffled data is charged if a client is in any sum of it, whichever exchanges it is missing in."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.core import Mechanism, PrivacyContext
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.paper import Paper
from fedsilo.privacy.pass_counter import PassCounter

BATCH, CLIENTS = 8, 4
SHUFFLED = {"unit": "example", "sampling": "shuffled", "noise_multiplier": 2.0}
MECHANISMS: list[Any] = [Central(**SHUFFLED), Distributed(**SHUFFLED), Paper()]
NAMED: Any = {"ids": lambda mechanism: type(mechanism).__name__}

Survivors = frozenset[int]
SIZES = st.lists(st.integers(1, 60), min_size=CLIENTS, max_size=CLIENTS)
SUMS = st.lists(st.frozensets(st.integers(0, CLIENTS - 1)), min_size=1, max_size=9)


def fitted(mechanism: Mechanism, sizes: list[int]) -> Mechanism:
    return mechanism.fit(PrivacyContext(3, len(sizes), BATCH, personal=True, gradients=True, sizes=tuple(sizes)))


def batches(size: int) -> int:
    return max(size // BATCH, 1)


@pytest.mark.parametrize("mechanism", MECHANISMS, **NAMED)
@settings(max_examples=150, deadline=None)
@given(sizes=SIZES, attempts=st.lists(SUMS, min_size=1, max_size=3))
def test_no_example_is_in_more_sums_of_a_pass_than_the_pass_was_charged(
    mechanism: Mechanism, sizes: list[int], attempts: list[list[Survivors]]
) -> None:
    """Each attempt opens the sums 0, 1, ... of one round, as far as it comes, over the clients that are left."""
    made = fitted(mechanism, sizes)
    counter, charged, entered = PassCounter(made), Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for attempt in attempts:
        for exchange, survivors in enumerate(attempt):
            for client in survivors:
                count = sum(expense.count for expense in counter.take(client, exchange))
                charged[client, exchange // batches(sizes[client])] += count
                entered[client, exchange] += 1
    for (client, exchange), times in entered.items():
        assert charged[client, exchange // batches(sizes[client])] >= times
    for client, number in charged:
        each = [entered[client, exchange] for exchange in range(9) if exchange // batches(sizes[client]) == number]
        assert charged[client, number] == max(each), "and no more"


@pytest.mark.parametrize("mechanism", MECHANISMS, **NAMED)
@settings(max_examples=100, deadline=None)
@given(sizes=SIZES, sums=SUMS)
def test_a_round_that_is_done_once_costs_no_client_more_than_was_planned(
    mechanism: Mechanism, sizes: list[int], sums: list[Survivors]
) -> None:
    made = fitted(mechanism, sizes)
    counter = PassCounter(made)
    spent = Counter[int]()
    for exchange, survivors in enumerate(sums):
        for client in survivors:
            spent[client] += sum(expense.count for expense in counter.take(client, exchange))
    for client in range(CLIENTS):
        planned = sum(expense.count for e in range(len(sums)) for expense in made.expenses(client, e))
        assert spent[client] <= planned
        if all(client in survivors for survivors in sums):
            assert spent[client] == planned


def test_a_ledger_counts_the_same_read_back_and_written_round_after_round(tmp_path: Any) -> None:
    """Rounds mixed, as where a damaged checkpoint has an earlier round made again."""
    made = fitted(Distributed(**SHUFFLED), [16, 24, 40, 60])
    ledger = Ledger(tmp_path, made, repeats=False)
    for round, attempt, exchange, clients in [
        (0, 0, 0, (0, 1, 2)),
        (0, 0, 1, (0, 1, 2, 3)),
        (1, 0, 1, (3,)),
        (0, 1, 1, (2, 3)),
        (0, 1, 2, (0, 3)),
        (1, 1, 0, (3,)),
        (1, 1, 1, (3,)),
    ]:
        ledger.charge(LedgerEntry(round, exchange, attempt, clients))
    expected = {0: 1 + 1, 1: 1, 2: 2, 3: 2 + 2}  # batches in a pass: 2, 3, 5, 7
    for one in (ledger, Ledger(tmp_path, made)):
        spent = {client: sum(e.count for e in one._spending.of(client)) for client in range(4)}
        assert spent == expected
