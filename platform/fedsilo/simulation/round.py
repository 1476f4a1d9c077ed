"""The federation: rounds of training, aggregation and evaluation, readable from top to bottom.

It runs in the coordinator. It sees shared states, what `aggregation` shows of updates (each one, or their noisy or
exact sum), and scores of evaluations; also, where it is trusted, losses and seconds of each client. No image, feature
or private state passes through it, but it is their simulator: checkpoints of private states and all scores are in the
same run folder. docs/privacy.md lists what of that folder may be published.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from fedsilo.core import (
    Arrays,
    Backend,
    ClientTask,
    EvaluationTask,
    Exchange,
    Gathered,
    RoundRecord,
    State,
)
from fedsilo.core.errors import ClientLost, RoundAborted, RunError
from fedsilo.core.state import sha256, to_arrays_of, to_tensors
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.simulation.cohort import remarks
from fedsilo.simulation.evaluation import measured, score_line, unmeasured
from fedsilo.simulation.federation_plan import FederationPlan, Outcome
from fedsilo.simulation.privacy_budget import PrivacyBudget
from fedsilo.simulation.server_step import server_step
from fedsilo.simulation.stage_timer import StageTimer, slowest
from fedsilo.simulation.stale_updates import StaleStates
from fedsilo.storage.checkpoints import Checkpoint, Checkpoints, starting_point
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, TIMELINE, WIRE, Journals, read_lines
from fedsilo.storage.wire_log import record_scores

RoundCallback = Callable[[RoundRecord], None]


class Federation:
    """One method's rounds over the clients of a backend."""

    def __init__(self, plan: FederationPlan, backend: Backend, journals: Journals, checkpoints: Checkpoints) -> None:
        """Makes a federation that has not started; clients are in the backend, records go to the journals."""
        self._plan, self._backend, self._schedule = plan, backend, plan.schedule
        self._journals, self._checkpoints = journals, checkpoints
        learning = {client for client, size in enumerate(plan.sizes) if size}
        self._ledger = Ledger(journals.folder, plan.mechanism, plan.repeats, learning)
        self._notices: list[str] = []
        self._barred: frozenset[int] = frozenset()
        self._versions = StaleStates(plan.method, plan.pace, to_tensors(plan.initial))
        self._allowance = PrivacyBudget(self._ledger, self._schedule, plan.mechanism)

    def run(self, watch: RoundCallback) -> Outcome:
        """Runs the rounds that are still to do, from the newest checkpoint if there is one, and returns the outcome.

        Args:
            watch: Told of each finished round.

        Raises:
            ClientError: A client failed, or was lost more often than the plan's retries allow.
            RoundAborted: Too few clients were left for a sum, more often than that.
            PrivacyBudgetError: The budget does not suffice for one round.
            RunError: The run's folder cannot be written.
        """
        checkpoint = self._start()
        shared = dict(checkpoint.shared) if checkpoint else to_tensors(self._plan.initial)
        round = checkpoint.round + 1 if checkpoint else 0
        while round < self._allowance.rounds(round, starting_point(shared, checkpoint)):
            finished = self._round_with_retries(round, shared, checkpoint)
            if finished is None:
                break
            record, checkpoint = finished
            shared = dict(checkpoint.shared)
            watch(record)
            round += 1
        assert checkpoint is not None
        folder = self._journals.folder
        scores = read_lines(folder / CLIENTS)[-len(self._plan.clients) :]
        private = tuple(value for _, value in sorted(checkpoint.private.items()))
        records = tuple(read_lines(folder / ROUNDS))
        remarked = remarks(self._schedule.cohorts[: len(records)]) if self._schedule.paced else []
        self._notices += filter(None, [*remarked, *self._allowance.notices, self._ledger.conclude()])
        notices, epsilon = tuple(self._notices), self._ledger.epsilon()
        return Outcome(records, tuple(scores), sha256(shared), private, notices, epsilon)

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
            self._require_turnouts(records)
        if checkpoint:
            checkpoint.require_shared(to_tensors(self._plan.initial))
        self._take_up(checkpoint)
        return checkpoint

    def _take_up(self, checkpoint: Checkpoint | None) -> None:
        """Every client has the method and its private state, who is lost meanwhile too: nobody began from scratch."""
        lost: ClientLost | None = None
        for _ in range(self._plan.retries + 1):
            try:
                if lost:
                    self._notices.append(f"the method was taken up again: {lost}")
                    self._backend.restart(self._plan.method, self._plan.mechanism)
                self._backend.set_method(self._plan.method, self._plan.mechanism)
                if checkpoint:
                    self._backend.restore(checkpoint.folder, checkpoint.private)
                return
            except ClientLost as error:
                lost = error
        assert lost is not None
        raise lost

    def _require_turnouts(self, records: Sequence[Mapping[str, object]]) -> None:
        """Refuses to go on under a trace that is not the one of the finished rounds, such as a file that was changed.

        Raises:
            RunError: It is not.
        """
        for round, record in enumerate(records if self._schedule.paced else ()):
            cohort = self._schedule.cohort(round)
            if (record["participants"], record.get("clock_s")) != (list(cohort.participants), cohort.ends):
                raise RunError(
                    f"{self._journals.folder / ROUNDS}: round {round} had other participants or another simulated time "
                    "than the scenario's trace says now. Put the trace back, or start a new run."
                )

    def _round_with_retries(
        self, round: int, shared: State, before: Checkpoint | None
    ) -> tuple[RoundRecord, Checkpoint] | None:
        """A round is one transaction: where it cannot be finished, all of it is done again from `before`.

        None where the budget does not allow that: what was charged in an attempt that failed stays spent.
        """
        lost: ClientLost | RoundAborted | None = None
        self._barred = frozenset()
        for attempt in range(self._plan.retries + 1):
            try:
                if lost:
                    self._notices.append(f"round {round} was tried again: {lost}")
                    self._journals.rewind(round)
                    self._go_back(before)
                    if round >= self._allowance.rounds(round, starting_point(shared, before)):
                        return None
                return self._round(round, shared, before, attempt + 1)
            except (ClientLost, RoundAborted) as error:
                lost = error
                self._barred |= frozenset(error.clients if isinstance(error, RoundAborted) else ())
        assert lost is not None
        raise lost

    def _go_back(self, before: Checkpoint | None) -> None:
        """Lost clients are there again, and every client has the private state that it had before the round."""
        self._backend.restart(self._plan.method, self._plan.mechanism)
        if before:
            self._backend.restore(before.folder, before.private)
        else:
            self._backend.set_method(self._plan.method, self._plan.mechanism)

    def _round(
        self, round: int, shared: State, before: Checkpoint | None, attempts: int
    ) -> tuple[RoundRecord, Checkpoint]:
        clock, cohort = StageTimer(), self._schedule.cohort(round)
        record = RoundRecord(
            round,
            cohort.participants,
            loss=math.nan,
            metrics=unmeasured(self._plan.task),
            late=cohort.late,
            offline=cohort.offline,
            staleness=cohort.staleness(round),
            simulated_s=cohort.seconds,
            clock_s=cohort.ends,
            attempts=attempts,
        )
        self._versions.hold(round, shared, before.versions if before else {})
        if self._plan.method.trains and cohort.participants:
            shared, record = self._train(record, shared, before, clock)
        if self._due(round):
            record = self._evaluate(record, shared, clock)
        epsilon = self._ledger.epsilon()
        record = replace(record, shared_sha256=sha256(shared), epsilon=epsilon, seconds=clock.seconds)
        self._journals.add(ROUNDS, record.line())
        for line in clock.lines(round):
            self._journals.add(TIMELINE, line)
        self._journals.commit(sync=True)
        versions = self._versions.of(self._schedule.outstanding(round))
        checkpoint = self._checkpoints.write(round, shared, self._backend.save, versions)
        self._ledger.state()
        return record, checkpoint

    def _train(
        self, record: RoundRecord, shared: State, before: Checkpoint | None, clock: StageTimer
    ) -> tuple[State, RoundRecord]:
        losses, dropped, up, down, took = [], set[int](), 0, 0, Counter[int]()
        record = replace(record, exchanges=self._schedule.exchanges(record.participants))
        start = starting_point(shared, before)
        attempt = self._ledger.begin(record.round, record.participants, start)
        for exchange in range(record.exchanges):
            entry = LedgerEntry(record.round, exchange, attempt, (), start)
            with clock.stage("train"):
                gathered = self._gather(record, entry, shared)
            with clock.stage("aggregate"):
                shared = self._server_step(shared, gathered, record, entry)
            missing = sorted(set(record.participants) - set(gathered.clients))
            self._notices += [f"round {record.round}, exchange {exchange}: {line}." for line in gathered.notices]
            if missing or gathered.silent:
                self._bring_back(missing, gathered.silent, before, f"round {record.round}, exchange {exchange}")
            dropped.update(missing)
            took.update(gathered.seconds)
            clock.work("train", gathered.began, gathered.seconds)
            losses.append(gathered.loss)
            up, down = up + gathered.upload_bytes, down + gathered.download_bytes
        told = [loss for loss in losses if math.isfinite(loss)]
        loss = sum(told) / len(told) if told else math.nan
        record = replace(record, loss=loss, upload_bytes=up, download_bytes=down)
        return shared, replace(record, dropped=tuple(sorted(dropped)), slowest=slowest(took))

    def _gather(self, record: RoundRecord, entry: LedgerEntry, shared: State) -> Gathered:
        plan, round = self._plan, record.round
        origins = self._schedule.origins(round)
        received = self._downloads({c: shared if n == round else self._versions[n] for c, n in origins.items()})
        task = ClientTask(round, entry.exchange, {}, attempt=entry.attempt, exchanges=record.exchanges)
        known: State = {name: shared[name] for name in plan.method.uploads}
        if plan.method.uploads_gradients:  # of which nobody knows anything before
            known = {name: torch.zeros_like(tensor) for name, tensor in known.items()}
        gathered = plan.aggregation.gather(
            Exchange(
                tasks={client: replace(task, shared=arrays) for client, arrays in received.items()},
                backend=self._backend,
                reference=known,
                uniform=plan.mechanism.uniform or plan.method.uniform,
                largest=max(plan.sizes),
                mechanism=plan.mechanism,
                charge=lambda clients: self._ledger.charge(replace(entry, clients=tuple(clients))),
                run=str(self._journals.folder),
                attempt=entry.attempt,
                weight_by_staleness=self._versions.settler(round, origins),
                barred=self._barred,
            )
        )
        for line in gathered.crossings:
            self._journals.add(WIRE, line)
        return gathered

    def _bring_back(self, missing: Sequence[int], silent: Sequence[int], before: Checkpoint | None, where: str) -> None:
        """Clients that dropped out of a sum, or after it, are there for the next, as of the last checkpoint."""
        if missing:
            self._notices.append(f"{where}: without client{'s'[: len(missing) > 1]} {', '.join(map(str, missing))}.")
        back = self._backend.restart(self._plan.method, self._plan.mechanism)
        if before:
            again = sorted({*missing, *silent, *back})
            self._backend.restore(before.folder, {client: before.private[client] for client in again})
        else:  # a client that was left out has learnt what counts nowhere
            self._backend.reset(sorted(set(missing) - back))

    def _server_step(self, shared: State, gathered: Gathered, record: RoundRecord, entry: LedgerEntry) -> State:
        if not self._plan.method.uploads:
            return shared
        return server_step(self._plan, self._versions, shared, gathered, (entry, record.exchanges))

    def _downloads(self, shared: Mapping[int, State]) -> dict[int, Arrays]:
        return to_arrays_of({client: self._plan.method.download(state, client) for client, state in shared.items()})

    def _evaluate(self, record: RoundRecord, shared: State, clock: StageTimer) -> RoundRecord:
        neighbours = self._due_from_here(record.round) <= self._plan.neighbour_rounds
        received = self._downloads(dict.fromkeys(self._plan.clients, shared))
        timed = not self._plan.aggregation.masks  # a client that hides its update hides its seconds as well
        tasks = {client: EvaluationTask(record.round, arrays, neighbours, timed) for client, arrays in received.items()}
        with clock.stage("evaluate"):
            scores = self._backend.evaluate(tasks)
        clock.work("evaluate", {s.client: s.began for s in scores}, {s.client: s.seconds for s in scores})
        record_scores(self._journals, tasks, scores)
        for score in scores:
            self._journals.add(CLIENTS, {"round": record.round, **score_line(score, self._plan.task)})
        return measured(record, scores, self._plan.task, self._plan.unseen)

    def _due(self, round: int) -> bool:
        return (round + 1) % self._plan.evaluate_every == 0 or round == self._allowance.end - 1

    def _due_from_here(self, round: int) -> int:
        """Evaluations from this round to the end, this one included."""
        return sum(self._due(later) for later in range(round, self._allowance.end))
