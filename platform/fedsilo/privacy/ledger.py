"""The privacy ledger of a federation: every release is charged before it is made, and a crash loses no charge.

Two files. ledger.jsonl is the account: one line for each exchange that releases something, on disk before the release.
Exchanges that cost nothing (a later exchange of a pass that was charged) have lines too. privacy.json is the statement
computed from the account after every round: what the run, and each client in it, has spent.

What is guaranteed:

- The epsilon in privacy.json counts every release that was made, including releases of attempts that failed.
- No noise key is used for two different contents. Attempts at a round are numbered, and all noise and all samples are
  derived from the number.

When a number is used again: a number that is in any line of the round is used again only if the attempt reproduces the
same bits. Then nothing more becomes known, and nothing is charged. This needs the same starting states, the same
clients, an aggregation that leaves no client out (no masked sums), clients on CPUs, and the same versions and
instruction set. Otherwise the attempt gets a number that no line has, and is charged again. An exchange without a line
has released nothing.

What is assumed: the ledger's file is whole. Missing lines are detected where records of rounds contradict them, and
stop the run.
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
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.accounting.opacus_check import describe_disagreement, opacus_epsilon
from fedsilo.privacy.accounting.privacy_accountant import PrivacyAccountant
from fedsilo.privacy.ledger_lines import LEDGER, LedgerEntry, append_entry, read_entries
from fedsilo.privacy.pass_counter import PassCounter
from fedsilo.storage.environment import describe_arithmetic
from fedsilo.storage.run_folder import write_json

STATEMENT = "privacy.json"


class Ledger:
    """What a federation's clients have spent, and which attempts at its rounds released anything."""

    def __init__(
        self, folder: Path, mechanism: Mechanism, repeats: bool = True, clients: Collection[int] | None = None
    ) -> None:
        """Opens the ledger in a federation's folder, with all earlier charges.

        Args:
            folder: The federation's folder.
            mechanism: The fitted mechanism.
            repeats: Whether a round that is repeated with the same clients gives the same bits.
            clients: Clients with training images, the only ones that can be charged; None if they are not known.

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
        """Computes the number of the next attempt at a round.

        Args:
            round: The round.
            clients: The clients that take part.
            start: Hash of the starting states; "" if they are not known yet and assumed to be the same.

        Returns:
            The number of the last attempt if the next one reproduces its bits, otherwise a new number.
        """
        entries = self._entries.get(round, [])
        newest = max((entry.attempt for entry in entries), default=-1)
        last = {
            (entry.clients, start and entry.start, entry.arithmetic) for entry in entries if entry.attempt == newest
        }
        return newest if self._repeats and last == {(tuple(clients), start, self._arithmetic)} else newest + 1

    def begin(self, round: int, clients: Sequence[int], start: str) -> int:
        """Begins an attempt at a round.

        Where bits do not repeat, this process uses no number twice, whether anything was released or not, because masks
        serve
        one attempt only.

        Args:
            round: The round.
            clients: The clients that take part.
            start: Hash of the starting states.

        Returns:
            The number of the attempt.
        """
        number = self.attempt(round, clients, start)
        if self._repeats:
            return number
        number = max(number, self._begun[round])
        self._begun[round] = number + 1
        return number

    def is_begun(self, round: int) -> bool:
        """Checks whether the ledger has a line of a round.

        Args:
            round: The round.

        Returns:
            Whether anything of the round was released.
        """
        return round in self._entries

    def is_paid(self, round: int, exchange: int, clients: Sequence[int], start: str = "") -> bool:
        """Checks whether an exchange would only release bits that were charged before.

        Args:
            round: The round.
            exchange: Exchange within the round.
            clients: The clients that take part.
            start: Hash of the starting states; "" if they are not known yet and assumed to be the same.

        Returns:
            Whether the next attempt at the exchange costs nothing.
        """
        return self._has(round, exchange, self.attempt(round, clients, start))

    def require(self, round: int, turns: Iterable[PlannedRelease], dropped: Collection[int] | None = None) -> None:
        """Refuses a ledger in which a finished round was not charged: an epsilon without it would be too small.

        The attempt that finished the round has a line for every exchange, because a client that missed the first
        exchange of
        its pass is charged by a later one. Older ledgers have lines only for exchanges that cost something.

        Args:
            round: The round.
            turns: Its exchanges as planned, each with the clients that take part.
            dropped: Participants that were left out of some of the sums, by the record of the round; None if not known.

        Raises:
            RunError: Charges are missing, or a line charges other clients than those whose updates were in the sum.
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
                    f"{self._folder / LEDGER}: round {round} is finished and not charged: lines are missing. "
                    "Put the file back; what was spent cannot be known without it."
                )
            if every and dropped is not None:
                self._require_clients([entry for entry in last if entry.exchange == exchange], clients, dropped)

    def _require_clients(
        self, entries: Sequence[LedgerEntry], planned: Sequence[int], dropped: Collection[int]
    ) -> None:
        """Refuses lines that leave out a client that stayed, or name one that was not asked."""
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
        """Refuses a ledger whose epsilon is below the epsilon on record after the last finished round.

        Args:
            recorded: The epsilon on record; None if there is none.

        Raises:
            RunError: The ledger counts less, so lines are missing.
        """
        counted = self.epsilon() or 0.0
        if recorded is not None and counted < recorded * (1 - 1e-6):
            raise RunError(
                f"{self._folder / LEDGER}: counts epsilon {counted:.4g}, the last finished round recorded "
                f"{recorded:.4g}: lines are missing. Put the file back; what was spent cannot be known without it."
            )

    def charge(self, entry: LedgerEntry) -> None:
        """Charges the clients of one exchange; the charge is on disk when this returns.

        Args:
            entry: What is about to be released; nothing happens if the ledger has this exchange with this attempt.

        Raises:
            RunError: The charge cannot be written. The exchange must not be released then.
        """
        if not self._mechanism.noisy or self._has(entry.round, entry.exchange, entry.attempt):
            return
        entry = replace(entry, arithmetic=self._arithmetic)
        append_entry(self._folder / LEDGER, entry)
        self._count(entry)

    def affords(self, turns: Iterable[PlannedRelease]) -> bool:
        """Checks whether the budget, if there is one, allows further exchanges.

        Args:
            turns: The exchanges, each with the clients that take part.

        Returns:
            Whether the largest epsilon of any client stays within the limit.
        """
        limit = self._mechanism.limit
        if limit is None:
            return True
        ahead = self._spending.copy()
        ahead.take(turns, self._mechanism.expenses)
        worst = ahead.worst(self._mechanism.delta, self._mechanism.adjacency)
        return worst is None or worst.epsilon <= limit

    def epsilon(self) -> float | None:
        """Computes the largest epsilon that any client has spent.

        Returns:
            Epsilon at the mechanism's delta; None where nothing was charged.
        """
        if not self._entries:
            return None
        worst = self._spending.worst(self._mechanism.delta, self._mechanism.adjacency)
        return worst.epsilon if worst else None

    def conclude(self) -> str:
        """Writes the last statement, with the bound of opacus and every client's epsilon.

        Returns:
            A line if opacus disagrees; "" if it agrees or nothing was charged.
        """
        delta, adjacency, candidates = self._mechanism.delta, self._mechanism.adjacency, self._spending.candidates()
        others = [opacus_epsilon(expenses, delta, adjacency) for expenses in candidates]
        each = {client: spent for _, clients, spent in self._spending.bounds(delta, adjacency) for client in clients}
        self.state({"opacus": max(others, default=math.inf)}, each)
        pairs = zip(candidates, others, strict=True)
        lines = (describe_disagreement(epsilon(one, delta, adjacency).epsilon, other) for one, other in pairs)
        return next(filter(None, lines), "")

    def state(self, others: Mapping[str, float] | None = None, each: Mapping[int, float] | None = None) -> None:
        """Writes the statement: what the run has spent, by which accountant, and what each client was charged.

        Args:
            others: Bounds of other accountants, by name.
            each: Epsilon of each client, by client; the run's epsilon is the largest of them.
        """
        if not self._entries:
            return
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
        if entry.round != self._round:  # other rounds need no pass counter, their lines are enough
            self._passes, self._round = PassCounter(self._mechanism), entry.round
            for earlier in self._entries.get(entry.round, []):
                self._costs(earlier)
        self._entries.setdefault(entry.round, []).append(entry)
        for client, expenses in self._costs(entry):
            self._spending.add(client, expenses)

    def _costs(self, entry: LedgerEntry) -> list[tuple[int, Iterable[AnyPrivacyEvent]]]:
        return [(client, self._passes.take(client, entry.exchange)) for client in entry.clients]
