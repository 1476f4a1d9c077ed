"""How many rounds a budget holds, where every client of an exchange costs one unit of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.simulation.privacy_budget import PrivacyBudget


class Counted:
    """A ledger that affords so many exchanges, of which some are paid and some rounds begun."""

    def __init__(self, affordable: int, paid: frozenset[tuple[int, int]] = frozenset()) -> None:
        self.affordable, self.paid, self.begun, self.looks = affordable, paid, set[int](), 0

    def affords(self, turns: Any) -> bool:
        self.looks += 1
        return len(list(turns)) <= self.affordable

    def is_paid(self, round: int, exchange: int, clients: Any, start: str = "") -> bool:
        return (round, exchange) in self.paid and start == "here"

    def is_begun(self, round: int) -> bool:
        return round in self.begun


def budget(ledger: Counted, on_budget: str = "stop") -> PrivacyBudget:
    """Six rounds of two exchanges."""
    schedule = SimpleNamespace(rounds=6, turns_of=lambda round: ((exchange, (0, 1)) for exchange in range(2)))
    mechanism = SimpleNamespace(limit=1.5, on_budget=on_budget)
    return PrivacyBudget(ledger, schedule, mechanism)  # type: ignore[arg-type]


@pytest.mark.parametrize(("affordable", "rounds"), [(12, 6), (11, 5), (10, 5), (2, 1), (100, 6)])
def test_a_run_has_as_many_whole_rounds_as_the_budget_holds(affordable: int, rounds: int) -> None:
    found = budget(Counted(affordable))
    assert found.rounds(0, "here") == rounds
    assert bool(found.notices) is (rounds < 6)
    if rounds < 6:
        assert f"stopped after {rounds} of 6 rounds" in found.notices[0]
        assert "epsilon 1.5" in found.notices[0]


def test_finished_rounds_are_counted_in_and_what_is_paid_costs_nothing_from_the_same_start() -> None:
    assert budget(Counted(4)).rounds(3, "here") == 5
    paid = frozenset({(3, 0), (3, 1)})
    assert budget(Counted(4, paid)).rounds(3, "here") == 6
    assert budget(Counted(4, paid)).rounds(3, "elsewhere") == 5


def test_not_even_one_round_is_refused_with_the_key() -> None:
    with pytest.raises(PrivacyBudgetError, match=r"^privacy\.budget: one round already costs more than 1\.5\. Take"):
        budget(Counted(1)).rounds(0, "here")


def test_a_run_that_only_warns_keeps_its_rounds_and_says_from_where() -> None:
    found = budget(Counted(4), "warn")
    assert found.rounds(2, "here") == 6
    assert found.notices == ["from round 2 on the run may exceed its budget, epsilon 1.5."]


def test_it_is_looked_at_once_and_again_where_a_round_was_begun_before() -> None:
    ledger = Counted(12)
    found = budget(ledger)
    for round in range(3):
        assert found.rounds(round, "here") == 6
    assert ledger.looks == 1
    ledger.begun, ledger.affordable = {3}, 4
    assert found.rounds(3, "here") == 5
