"""How many rounds a privacy budget allows: looked at before the first round, and before any that is done once more."""

from __future__ import annotations

from bisect import bisect_left

from fedsilo.core import Mechanism
from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.privacy.ledger import Ledger
from fedsilo.simulation.schedule import Schedule


class PrivacyBudget:
    """The rounds that a federation may still run.

    Attributes:
        end: The number of rounds allowed, as known so far.
        notices: What the user should know, one line each.
    """

    def __init__(self, ledger: Ledger, schedule: Schedule, mechanism: Mechanism) -> None:
        """Begins with all rounds of the schedule.

        Args:
            ledger: What was spent.
            schedule: What is planned.
            mechanism: The fitted mechanism; its limit is the budget.
        """
        self._ledger, self._schedule, self._mechanism = ledger, schedule, mechanism
        self.end, self.notices = schedule.rounds, list[str]()
        self._seen = False

    def rounds(self, round: int, start: str) -> int:
        """Computes how many rounds the budget allows.

        It computes before the first round, and again before a round of which an earlier attempt was charged anything.

        Args:
            round: The next round.
            start: Hash of the states that it begins from.

        Returns:
            Number of rounds in all, finished ones included.

        Raises:
            PrivacyBudgetError: Not even one round is allowed.
        """
        if not self._seen or self._ledger.is_begun(round):
            self._seen = True
            self._look(round, start)
        return self.end

    def _look(self, round: int, start: str) -> None:
        planned, limit = self.end, self._mechanism.limit
        if self._affords(round, planned, start):
            return
        if self._mechanism.on_budget == "warn":
            self.notices.append(f"from round {round} on the run may exceed its budget, epsilon {limit:g}.")
            return
        ends = range(round, planned)
        self.end = round + bisect_left(ends, True, key=lambda last: not self._affords(round, last + 1, start))
        if self.end == 0:
            raise PrivacyBudgetError(
                f"privacy.budget: one round already costs more than {limit:g}. Take more noise or a larger budget."
            )
        self.notices.append(
            f"stopped after {self.end} of {planned} rounds: the next one would exceed the budget, epsilon {limit:g}."
        )

    def _affords(self, begin: int, end: int, start: str) -> bool:
        turns = ((round, turn) for round in range(begin, end) for turn in self._schedule.turns_of(round))
        starts = {begin: start}  # of later rounds it is not known
        return self._ledger.affords(
            turn for round, turn in turns if not self._ledger.is_paid(round, *turn, starts.get(round, ""))
        )
