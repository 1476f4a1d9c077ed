"""The ledger of a federation: every release is charged before it is made, and what was charged survives a crash.

ledger.jsonl is the account: a line per exchange that published something, on disk before it does. privacy.json is the
statement drawn from it after every round: what the run, and each client in it, has spent.

An exchange that is done again is charged again where its noise is drawn anew. Where the same bits are published again
nothing more becomes known, and nothing is charged.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fedsilo.accounting.accountants import epsilon, quick_epsilon
from fedsilo.accounting.expenses import AnyExpense
from fedsilo.accounting.second_opinion import disagreement, opacus_epsilon
from fedsilo.accounting.spending import Spending
from fedsilo.core import Mechanism, Turn
from fedsilo.errors import RunError
from fedsilo.records import write_json

LEDGER, STATEMENT = "ledger.jsonl", "privacy.json"
EACH = 64
"""Kinds of clients up to which each one's epsilon is counted by all accountants; beyond, by the quick ones."""


class Ledger:
    """What a federation's clients have spent."""

    def __init__(self, folder: Path, mechanism: Mechanism) -> None:
        """Opens the ledger in a federation's folder, with all that was charged in it before.

        Args:
            folder: The federation's folder.
            mechanism: The fitted mechanism.
        """
        self._folder, self._mechanism = folder, mechanism
        self._spending = Spending()
        self._charged: dict[tuple[int, int], set[int]] = {}
        for line in _read(folder / LEDGER):
            self._count(line["round"], line["exchange"], line["attempt"], line["clients"])

    def attempts(self, round: int, exchange: int) -> int:
        """Returns how often an exchange was charged."""
        return len(self._charged.get((round, exchange), ()))

    def next_attempt(self, round: int, exchange: int) -> int:
        """Returns the number of the next attempt at an exchange: one that was not charged yet."""
        return max(self._charged.get((round, exchange), ()), default=-1) + 1

    def require(self, round: int, turns: Iterable[Turn]) -> None:
        """Refuses a ledger in which a finished round was not charged: an epsilon without it would be too small.

        Raises:
            RunError: Charges are missing.
        """
        for exchange, clients in turns:
            due = any(self._mechanism.expenses(client, exchange) for client in clients)
            if due and not self.attempts(round, exchange):
                raise RunError(
                    f"{self._folder / LEDGER}: round {round} is finished and not charged: lines are missing. Put the "
                    "file back; what was spent cannot be known without it."
                )

    def hold(self, recorded: float | None) -> None:
        """Refuses a ledger that comes to less than what was on record after the last finished round.

        Raises:
            RunError: It does: lines are missing.
        """
        counted = self.epsilon() or 0.0
        if recorded is not None and counted < recorded * (1 - 1e-6):
            raise RunError(
                f"{self._folder / LEDGER}: comes to epsilon {counted:.4g}, the last finished round recorded "
                f"{recorded:.4g}: lines are missing. Put the file back; what was spent cannot be known without it."
            )

    def charge(self, round: int, exchange: int, attempt: int, clients: Sequence[int]) -> None:
        """Charges clients for one exchange; it is on disk when this returns. Raises RunError when it cannot be."""
        if attempt in self._charged.get((round, exchange), ()):
            return
        if not any(self._mechanism.expenses(client, exchange) for client in clients):
            return
        line = {"round": round, "exchange": exchange, "attempt": attempt, "clients": list(clients)}
        _append(self._folder / LEDGER, line)
        self._count(round, exchange, attempt, clients)

    def affords(self, turns: Iterable[Turn]) -> bool:
        """Returns whether the limit, if there is one, holds after these exchanges as well."""
        limit = self._mechanism.limit
        if limit is None:
            return True
        ahead = self._spending.copy()
        ahead.take(turns, self._mechanism.expenses)
        worst = ahead.worst(self._mechanism.delta, self._mechanism.adjacency)
        return worst is None or worst.epsilon <= limit

    def epsilon(self) -> float | None:
        """Returns the largest epsilon that any client has spent; None where nothing was charged."""
        worst = self._spending.worst(self._mechanism.delta, self._mechanism.adjacency)
        return worst.epsilon if worst else None

    def conclude(self) -> str:
        """Writes the last statement, with opacus' bound and every client's epsilon; returns a line if the two disagree.

        The line is "" where they agree, and where nothing was charged.
        """
        delta, adjacency, candidates = self._mechanism.delta, self._mechanism.adjacency, self._spending.candidates()
        others = [opacus_epsilon(expenses, delta, adjacency) for expenses in candidates]
        each = {
            client: spent
            for expenses, clients in self._spending.distinct().items()
            for spent in [self._one(expenses)]
            for client in clients
        }
        self.state({"opacus": max(others, default=math.inf)}, each)
        pairs = zip(candidates, others, strict=True)
        lines = (disagreement(epsilon(one, delta, adjacency).epsilon, other) for one, other in pairs)
        return next(filter(None, lines), "")

    def _one(self, expenses: Sequence[AnyExpense]) -> float:
        """One client's epsilon; of very many kinds of clients the bound that is quick to compute."""
        delta, adjacency = self._mechanism.delta, self._mechanism.adjacency
        if len(self._spending.distinct()) > EACH:
            return quick_epsilon(expenses, delta, adjacency)
        return epsilon(expenses, delta, adjacency).epsilon

    def state(self, others: Mapping[str, float] | None = None, each: Mapping[int, float] | None = None) -> None:
        """Writes the statement: what the run has spent, by which accountant, and what was charged to each client.

        Args:
            others: Bounds of other accountants, by name, to stand beside ours.
            each: What each client has spent; the run's epsilon is the largest of these.
        """
        worst = self._spending.worst(self._mechanism.delta, self._mechanism.adjacency)
        budget = self._mechanism.statement(worst.epsilon) if worst else None
        if worst is None or budget is None:
            return
        clients = {
            str(client): {
                "epsilon": (each or {}).get(client),
                "expenses": [asdict(expense) for expense in self._spending.of(client)],
            }
            for client in self._spending.clients
        }
        bounds = {**worst.by_accountant, **(others or {})}
        document = {**asdict(budget), "counted": worst.epsilon, "by_accountant": bounds, "clients": clients}
        write_json(self._folder / STATEMENT, document)

    def _count(self, round: int, exchange: int, attempt: int, clients: Sequence[int]) -> None:
        self._charged.setdefault((round, exchange), set()).add(attempt)
        self._spending.take([(exchange, clients)], self._mechanism.expenses)


def _read(path: Path) -> list[dict[str, Any]]:
    """The charges; a last line cut off by a crash was never followed by its release and is ended, any other refused."""
    content = path.read_bytes() if path.exists() else b""
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        os.truncate(path, len(content) - len(torn))
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        numbers = [{key: int(line[key]) for key in ("round", "exchange", "attempt")} for line in lines]
        return [{**one, "clients": [int(n) for n in line["clients"]]} for one, line in zip(numbers, lines, strict=True)]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: is damaged: {error!r}. Put the file back; it says what was spent.") from error


def _append(path: Path, line: dict[str, object]) -> None:
    """Appends one line, synced: a release that is not on record would be a release for nothing."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}. Free space, then resume.") from error
