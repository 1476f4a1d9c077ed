"""The rounds of one method: start or resume, run each round as a transaction, stop at the privacy budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedsilo.core import Backend, RoundRecord, State
from fedsilo.core.errors import ClientLost, RoundAborted, RunError
from fedsilo.core.state import sha256, to_tensors
from fedsilo.privacy.ledger import Ledger
from fedsilo.simulation.client_recovery import ClientRecovery
from fedsilo.simulation.cohort import describe_absences
from fedsilo.simulation.federation_plan import FederationPlan, Outcome
from fedsilo.simulation.privacy_budget import PrivacyBudget
from fedsilo.simulation.round import RoundRunner, RoundStart
from fedsilo.simulation.round_observer import RoundObserver
from fedsilo.simulation.stale_updates import StaleStates
from fedsilo.storage.checkpoints import Checkpoint, Checkpoints, starting_point
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, Journals, read_lines

RoundCallback = Callable[[RoundRecord], None]


class Federation:
    """One method's rounds over the clients of a backend."""

    def __init__(self, plan: FederationPlan, backend: Backend, journals: Journals, checkpoints: Checkpoints) -> None:
        """Makes a federation that has not started.

        Args:
            plan: What the federation does.
            backend: Where the clients are.
            journals: Where records go.
            checkpoints: The checkpoints of its run folder.
        """
        self._plan, self._backend, self._schedule = plan, backend, plan.schedule
        self._journals, self._checkpoints = journals, checkpoints
        training = {client for client, size in enumerate(plan.sizes) if size}
        self._ledger = Ledger(journals.folder, plan.mechanism, plan.repeats, training)
        self._budget = PrivacyBudget(self._ledger, self._schedule, plan.mechanism)
        self._stale: StaleStates | None = None
        if plan.schedule.buffered:
            self._stale = StaleStates(plan.method, plan.stragglers, to_tensors(plan.initial))
        self._limit = plan.mechanism.limit
        self._recovery = ClientRecovery(plan, backend)
        self._rounds = RoundRunner(plan, backend, self._ledger, self._stale, self._budget, self._recovery)
        self._notices: list[str] = []

    def run(self, callback: RoundCallback) -> Outcome:
        """Runs the rounds that are still to do, from the newest checkpoint if there is one.

        Args:
            callback: Called with the record of each finished round.

        Returns:
            The outcome.

        Raises:
            ClientError: A client failed, or was lost more often than the plan's retries allow.
            RoundAborted: Too few clients were left for a sum, more often than that.
            PrivacyBudgetError: The budget does not suffice for one round.
            RunError: The run's folder cannot be written.
        """
        checkpoint = self._start()
        shared = dict(checkpoint.shared) if checkpoint else to_tensors(self._plan.initial)
        round = checkpoint.round + 1 if checkpoint else 0
        while round < self._count_rounds(round, shared, checkpoint):
            finished = self._round_with_retries(round, shared, checkpoint)
            if finished is None:
                break
            record, checkpoint = finished
            shared = dict(checkpoint.shared)
            callback(record)
            round += 1
        assert checkpoint is not None
        return self._outcome(shared, checkpoint)

    def _count_rounds(self, round: int, shared: State, before: Checkpoint | None) -> int:
        """How many rounds there are in all: fewer than planned where the privacy budget does not suffice for them."""
        if self._limit is None:
            return self._budget.end
        return self._budget.rounds(round, starting_point(shared, before))

    def _start(self) -> Checkpoint | None:
        checkpoint, notices = self._checkpoints.newest()
        self._notices += notices
        done = checkpoint.round + 1 if checkpoint else 0
        self._journals.rewind(done)
        records = read_lines(self._journals.folder / ROUNDS) if done else []
        for round, record in enumerate(records):
            self._ledger.require(round, self._schedule.turns_of(round), record.get("dropped"))
        if done:
            self._ledger.hold(records[done - 1].get("epsilon"))
            self._require_cohorts(records)
        if checkpoint:
            checkpoint.require_shared(to_tensors(self._plan.initial))
        self._notices += self._recovery.prepare(checkpoint)
        return checkpoint

    def _require_cohorts(self, records: Sequence[Mapping[str, object]]) -> None:
        """Refuses to continue where availability is not that of the finished rounds, as after a change of its file.

        Raises:
            RunError: It is not.
        """
        for round, record in enumerate(records if self._schedule.timed else ()):
            cohort = self._schedule.cohorts[round]
            if (record["participants"], record.get("clock_s")) != (list(cohort.participants), cohort.ends):
                raise RunError(
                    f"{self._journals.folder / ROUNDS}: round {round} had other participants or another simulated time "
                    "than the section availability gives now. Restore its settings and its file, or start a new run."
                )

    def _round_with_retries(
        self, round: int, shared: State, before: Checkpoint | None
    ) -> tuple[RoundRecord, Checkpoint] | None:
        """Runs a round as one transaction: if it cannot be finished, all of it is repeated from `before`.

        None where the budget does not allow a repetition: what a failed attempt was charged stays spent.
        """
        lost: ClientLost | RoundAborted | None = None
        barred = frozenset[int]()
        for attempt in range(self._plan.retries + 1):
            try:
                if lost:
                    self._notices.append(f"round {round} was tried again: {lost}")
                    self._journals.rewind(round)
                    self._recovery.go_back(before)
                    if round >= self._count_rounds(round, shared, before):
                        return None
                start = RoundStart(round, shared, before, str(self._journals.folder), barred)
                return self._attempt(start, attempt + 1)
            except (ClientLost, RoundAborted) as error:
                lost = error
                barred |= frozenset(error.clients if isinstance(error, RoundAborted) else ())
        assert lost is not None
        raise lost

    def _attempt(self, start: RoundStart, attempts: int) -> tuple[RoundRecord, Checkpoint]:
        """Runs a round once; its record is on disk before its checkpoint, which makes it count."""
        observer = RoundObserver(self._plan, self._journals, start.round, attempts)
        try:
            shared = self._rounds.run(start, observer)
        finally:
            self._notices += observer.notices
        record = observer.finish(shared, self._ledger.epsilon())
        stale = self._stale.of(self._schedule.outstanding(start.round)) if self._stale else None
        checkpoint = self._checkpoints.write(start.round, shared, self._backend.save, stale)
        self._ledger.state()
        return record, checkpoint

    def _outcome(self, shared: State, checkpoint: Checkpoint) -> Outcome:
        folder = self._journals.folder
        scores = read_lines(folder / CLIENTS)[-len(self._plan.clients) :]
        private = tuple(value for _, value in sorted(checkpoint.private.items()))
        records = tuple(read_lines(folder / ROUNDS))
        late = describe_absences(self._schedule.cohorts[: len(records)]) if self._schedule.timed else []
        self._notices += filter(None, [*late, *self._budget.notices, self._ledger.conclude()])
        notices, epsilon = tuple(self._notices), self._ledger.epsilon()
        return Outcome(records, tuple(scores), sha256(shared), private, notices, epsilon)
