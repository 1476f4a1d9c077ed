"""The ledger of a federation: every release is charged before it is made, and what was charged survives a crash.

ledger.jsonl is the account: a line per exchange that opens something, on disk before it does, also where it costs
nothing (a later exchange of a pass that was charged). privacy.json is the statement drawn from it after every round:
what the run, and each client in it, has spent.

No noise key is used twice on different content. Attempts at a round are numbered, and all noise and samples follow from
the number. A number that is in any line of the round is used again only where the same bits come of it: nothing more
becomes known then, and nothing is charged. That takes the same states to begin from, the same clients, none of whom
can be left out (no masked sums), clients that compute on CPUs, and the same versions and instruction set. Else the
round gets a number that no line has, and is charged again. An exchange without a line has opened nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from fedsilo.core import Mechanism, PlannedRelease
from fedsilo.core.errors import RunError
from fedsilo.core.privacy_events import AnyPrivacyEvent
from fedsilo.privacy.accounting.accountant import PrivacyAccountant
from fedsilo.privacy.accounting.accountants import epsilon
from fedsilo.privacy.accounting.opacus_check import describe_disagreement, opacus_epsilon
from fedsilo.privacy.ledger_lines import LEDGER, LedgerEntry, append_entry, read_entries
from fedsilo.privacy.passes import PassCounter
from fedsilo.storage.environment import describe_arithmetic
from fedsilo.storage.run_folder import write_json

STATEMENT = "privacy.json"


class Ledger:
    """What a federation's clients have spent, and which attempts at its rounds opened anything."""

    def __init__(
        self, folder: Path, mechanism: Mechanism, repeats: bool = True, clients: Collection[int] | None = None
    ) -> None:
        """Opens the ledger in a federation's folder, with all that was charged in it before.

        Args:
            folder: The federation's folder.
            mechanism: The fitted mechanism.
            repeats: Whether a round that is done again with the same clients gives the same bits.
            clients: Clients with training images; None: not known, and lines are not held to them.

        Raises:
            RunError: The ledger is damaged.
        """
        self._folder, self._mechanism, self._repeats = folder, mechanism, repeats
        self._arithmetic = describe_arithmetic()
        self._spending = PrivacyAccountant()
        self._entries: dict[int, list[LedgerEntry]] = {}
        self._begun: Counter[int] = Counter()  # by round: the next number
        self._passes, self._round = PassCounter(mechanism), -1
        for entry in read_entries(folder / LEDGER, clients):
            self._count(entry)

    def attempt(self, round: int, clients: Sequence[int], start: str = "") -> int:
        """Returns the number of the next attempt at a round: that of the last one only if the same bits come of it.

        Args:
            round: The round.
            clients: Who takes part.
            start: Hash of the states that it begins from; "" if they are not known yet and taken to be the same.
        """
        entries = self._entries.get(round, [])
        newest = max((entry.attempt for entry in entries), default=-1)
        last = {
            (entry.clients, start and entry.start, entry.arithmetic) for entry in entries if entry.attempt == newest
        }
        return newest if self._repeats and last == {(tuple(clients), start, self._arithmetic)} else newest + 1

    def begin(self, round: int, clients: Sequence[int], start: str) -> int:
        """Returns the number of an attempt that begins now, arguments as of `attempt`.

        Where bits do not repeat, this process gives no number twice, opened or not: masks serve one attempt.
        """
        number = self.attempt(round, clients, start)
        if self._repeats:
            return number
        number = max(number, self._begun[round])
        self._begun[round] = number + 1
        return number

    def is_begun(self, round: int) -> bool:
        """Returns whether anything of a round is on record."""
        return round in self._entries

    def is_paid(self, round: int, exchange: int, clients: Sequence[int], start: str = "") -> bool:
        """Returns whether an exchange that is still to do opens bits that are on record; arguments as of `attempt`."""
        return self._has(round, exchange, self.attempt(round, clients, start))

    def require(self, round: int, turns: Iterable[PlannedRelease], dropped: Collection[int] | None = None) -> None:
        """Refuses a ledger in which a finished round was not charged: an epsilon without it would be too small.

        The attempt that finished it has a line for every exchange: a client that missed the first one of its pass is
        charged by a later one. Older ledgers have lines for exchanges that cost something only.

        Args:
            round: The round.
            turns: Its exchanges as planned, each with who takes part.
            dropped: Participants that were left out of some of its sums, by the record of the round; None: not known.

        Raises:
            RunError: Charges are missing, or a line charges others than those whose updates were in the sum.
        """
        entries = self._entries.get(round, [])
        newest = max((entry.attempt for entry in entries), default=0)
        last = [entry for entry in entries if entry.attempt == newest]
        every = any(entry.start for entry in last)
        on_record = {entry.exchange for entry in (last if every else entries)}
        for exchange, clients in turns:
            due = every or any(self._mechanism.expenses(client, exchange) for client in clients)
            if due and exchange not in on_record:
                raise RunError(
                    f"{self._folder / LEDGER}: round {round} is finished and not charged: lines are missing. Put the "
                    "file back; what was spent cannot be known without it."
                )
            if every and dropped is not None:
                self._require_clients([entry for entry in last if entry.exchange == exchange], clients, dropped)

    def _require_clients(
        self, entries: Sequence[LedgerEntry], planned: Sequence[int], dropped: Collection[int]
    ) -> None:
        """Refuses lines that leave out a client that stayed, or name one that was not asked. Raises RunError."""
        for entry in entries:
            stayed, named = set(planned) - set(dropped), set(entry.clients)
            if not stayed <= named <= set(planned):
                client = min((stayed - named) | (named - set(planned)))
                fault = "does not charge" if client in stayed else "charges"
                took = "took part" if client in stayed else "did not take part"
                raise RunError(
                    f"{self._folder / LEDGER}: the line of round {entry.round}, exchange {entry.exchange}, attempt "
                    f"{entry.attempt} {fault} client {client}, which {took}. Put the file back; what was spent cannot "
                    "be known without it."
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

    def charge(self, entry: LedgerEntry) -> None:
        """Records one exchange and charges its clients; it is on disk when this returns.

        Args:
            entry: What is about to be opened; nothing happens if the exchange is on record with this attempt.

        Raises:
            RunError: It cannot be written.
        """
        if not self._mechanism.noisy or self._has(entry.round, entry.exchange, entry.attempt):
            return
        entry = replace(entry, arithmetic=self._arithmetic)
        append_entry(self._folder / LEDGER, entry)
        self._count(entry)

    def affords(self, turns: Iterable[PlannedRelease]) -> bool:
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
        each = {client: spent for _, clients, spent in self._spending.bounds(delta, adjacency) for client in clients}
        self.state({"opacus": max(others, default=math.inf)}, each)
        pairs = zip(candidates, others, strict=True)
        lines = (describe_disagreement(epsilon(one, delta, adjacency).epsilon, other) for one, other in pairs)
        return next(filter(None, lines), "")

    def state(self, others: Mapping[str, float] | None = None, each: Mapping[int, float] | None = None) -> None:
        """Writes the statement: what the run has spent, by which accountant, and what was charged to each client.

        Args:
            others: Bounds of other accountants, by name, to stand beside ours.
            each: What each client has spent; the run's epsilon is the largest of these.
        """
        worst = self._spending.worst(self._mechanism.delta, self._mechanism.adjacency)
        budget = self._mechanism.guarantee(worst.epsilon) if worst else None
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

    def _has(self, round: int, exchange: int, attempt: int) -> bool:
        return any((entry.exchange, entry.attempt) == (exchange, attempt) for entry in self._entries.get(round, []))

    def _count(self, entry: LedgerEntry) -> None:
        if entry.round != self._round:  # of other rounds their lines are enough
            self._passes, self._round = PassCounter(self._mechanism), entry.round
            for earlier in self._entries.get(entry.round, []):
                self._costs(earlier)
        self._entries.setdefault(entry.round, []).append(entry)
        for client, expenses in self._costs(entry):
            self._spending.add(client, expenses)

    def _costs(self, entry: LedgerEntry) -> list[tuple[int, Iterable[AnyPrivacyEvent]]]:
        return [(client, self._passes.take(client, entry.exchange)) for client in entry.clients]
