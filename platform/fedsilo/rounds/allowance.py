"""How many rounds a privacy budget allows: looked at before the first round, and before any that is done once more."""

from __future__ import annotations

from bisect import bisect_left

from fedsilo.core import Mechanism
from fedsilo.errors import PrivacyBudgetError
from fedsilo.rounds.ledger import Ledger
from fedsilo.rounds.schedule import Schedule


class Allowance:
    """The rounds that a federation may still run.

    Attributes:
        end: The number of rounds allowed, as known so far.
        notices: What the user should know, one line each.
    """

    def __init__(self, ledger: Ledger, schedule: Schedule, mechanism: Mechanism, same_bits: bool) -> None:
        """Begins with all rounds of the schedule.

        Args:
            ledger: What was spent.
            schedule: What is planned.
            mechanism: The fitted mechanism; its limit is the budget.
            same_bits: Whether an exchange that is done again publishes the same bits, which were paid for.
        """
        self._ledger, self._schedule, self._mechanism, self._same_bits = ledger, schedule, mechanism, same_bits
        self.end, self.notices = schedule.rounds, list[str]()
        self._seen = False

    def rounds(self, round: int, again: bool = False) -> int:
        """Returns the number of rounds that the budget allows, seen from before a round.

        Args:
            round: The next round.
            again: Whether to look again, because an attempt at this round failed that may have been charged.

        Raises:
            PrivacyBudgetError: Not even one round is allowed.
        """
        if not self._seen or again:
            self._seen = True
            self._look(round)
        return self.end

    def _look(self, round: int) -> None:
        planned, limit = self.end, self._mechanism.limit
        if self._affords(round, planned):
            return
        if self._mechanism.on_budget == "warn":
            self.notices.append(f"from round {round} on the run may exceed its budget, epsilon {limit:g}.")
            return
        self.end = round + bisect_left(range(round, planned), True, key=lambda last: not self._affords(round, last + 1))
        if self.end == 0:
            raise PrivacyBudgetError(
                f"privacy.budget: one round already costs more than {limit:g}. Take more noise or a larger budget."
            )
        self.notices.append(
            f"stopped after {self.end} of {planned} rounds: the next one would exceed the budget, epsilon {limit:g}."
        )

    def _affords(self, begin: int, end: int) -> bool:
        turns = ((round, turn) for round in range(begin, end) for turn in self._schedule.turns_of(round))
        return self._ledger.affords(turn for round, turn in turns if not self._is_paid(round, turn[0]))

    def _is_paid(self, round: int, exchange: int) -> bool:
        """Whether an exchange that is still to do publishes bits that were charged for before a crash."""
        return self._same_bits and self._ledger.attempts(round, exchange) > 0
