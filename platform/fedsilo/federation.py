"""The federation: rounds of training, aggregation and evaluation, readable from top to bottom.

It runs in the coordinator. It sees shared state, updates and scores; never an image, a feature or a private state.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fedsilo.checkpoints import Checkpoint, Checkpoints
from fedsilo.contracts import (
    Aggregation,
    Arrays,
    Backend,
    ClientScore,
    ClientTask,
    ClientUpdate,
    EvaluationTask,
    Mechanism,
    Method,
    Release,
    RoundRecord,
    State,
)
from fedsilo.errors import ClientError, ClientLost
from fedsilo.records import CLIENTS, ROUNDS, Journals, read_lines
from fedsilo.seeds import numpy_generator, torch_generator
from fedsilo.state import sha256, to_arrays, to_tensors
from fedsilo.training import ServerWork, Training
from fedsilo.wire import record_exchange, record_scores


@dataclass(frozen=True, slots=True)
class Plan:
    """What a federation does.

    Attributes:
        method: The method.
        training: The scenario's section.
        evaluate_every: Rounds between evaluations; the last round is always evaluated.
        neighbour_rounds: Evaluated rounds at the end that measure all other clients' test images as well.
        mechanism: The privacy mechanism, fitted to the method.
        aggregation: How updates are added up.
        seed: The scenario's seed.
        sizes: Training examples of each client, in client order.
        initial: The shared state before round 0.
        retries: How often a round is tried again after a client was lost.
    """

    method: Method
    training: Training
    evaluate_every: int
    mechanism: Mechanism
    aggregation: Aggregation
    seed: int
    sizes: tuple[int, ...]
    initial: Arrays
    neighbour_rounds: int = 0
    retries: int = 2

    @property
    def rounds(self) -> int:
        """Returns the number of rounds; a method that has nothing to learn is only evaluated."""
        return self.training.rounds if self.method.trains else 1

    @property
    def clients(self) -> range:
        """Returns all client numbers."""
        return range(len(self.sizes))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a federation ended.

    Attributes:
        records: Every round's record, as in rounds.jsonl.
        scores: The last evaluation, as in clients.jsonl.
        shared_sha256: Hash of the final shared state.
        private_sha256: Hash of each client's final private state, in client order.
        notices: What the user should know, one line each.
    """

    records: tuple[Mapping[str, object], ...]
    scores: tuple[Mapping[str, object], ...]
    shared_sha256: str
    private_sha256: tuple[str, ...]
    notices: tuple[str, ...]


Watch = Callable[[RoundRecord], None]


class Federation:
    """One method's rounds over the clients of a backend."""

    def __init__(self, plan: Plan, backend: Backend, journals: Journals, checkpoints: Checkpoints) -> None:
        """Makes a federation that has not started; clients are in the backend, records go to the journals."""
        self._plan, self._backend = plan, backend
        self._journals, self._checkpoints = journals, checkpoints
        self._notices: list[str] = []

    def run(self, watch: Watch) -> Outcome:
        """Runs the rounds that are still to do, from the newest checkpoint if there is one, and returns the outcome.

        Args:
            watch: Told of each finished round.

        Raises:
            ClientError: A client failed, or was lost more often than the plan's retries allow.
            RunError: The run's folder cannot be written.
        """
        checkpoint = self._start()
        shared = dict(checkpoint.shared) if checkpoint else to_tensors(self._plan.initial)
        for round in range(checkpoint.round + 1 if checkpoint else 0, self._plan.rounds):
            record, checkpoint = self._round_with_retries(round, shared, checkpoint)
            shared = dict(checkpoint.shared)
            watch(record)
        assert checkpoint is not None
        folder = self._journals.folder
        scores = read_lines(folder / CLIENTS)[-len(self._plan.clients) :]
        private = tuple(value for _, value in sorted(checkpoint.private.items()))
        records = tuple(read_lines(folder / ROUNDS))
        return Outcome(records, tuple(scores), sha256(shared), private, tuple(self._notices))

    def _start(self) -> Checkpoint | None:
        self._backend.enter(self._plan.method)
        checkpoint, notices = self._checkpoints.newest()
        self._notices += notices
        self._journals.rewind(checkpoint.round + 1 if checkpoint else 0)
        if checkpoint:
            self._backend.restore(checkpoint.folder, checkpoint.private)
        return checkpoint

    def _round_with_retries(
        self, round: int, shared: State, before: Checkpoint | None
    ) -> tuple[RoundRecord, Checkpoint]:
        """A round is one transaction: a client lost anywhere in it has all of it done again from `before`."""
        lost: ClientLost | None = None
        for _ in range(self._plan.retries + 1):
            try:
                if lost:
                    self._notices.append(f"round {round} was tried again: {lost}")
                    self._journals.rewind(round)
                    self._go_back(before)
                return self._round(round, shared)
            except ClientLost as error:
                lost = error
        assert lost is not None
        raise lost

    def _go_back(self, before: Checkpoint | None) -> None:
        """Lost clients are there again, and every client has the private state that it had before the round."""
        self._backend.revive(self._plan.method)
        if before:
            self._backend.restore(before.folder, before.private)
        else:
            self._backend.enter(self._plan.method)

    def _round(self, round: int, shared: State) -> tuple[RoundRecord, Checkpoint]:
        clock = _Clock()
        record = RoundRecord(round, tuple(self._participants(round)), loss=math.nan)
        if self._plan.method.trains:
            shared, record = self._train(record, shared, clock)
        if self._due(round):
            record = self._evaluate(record, shared, clock)
        record = replace(record, shared_sha256=sha256(shared), seconds=clock.seconds)
        self._journals.add(ROUNDS, record)
        self._journals.commit(sync=True)
        return record, self._checkpoints.write(round, shared, self._backend.save)

    def _train(self, record: RoundRecord, shared: State, clock: _Clock) -> tuple[State, RoundRecord]:
        losses, up, down = [], 0, 0
        exchanges = self._exchanges(record.participants)
        for exchange in range(exchanges):
            tasks = {c: ClientTask(record.round, exchange, self._download(shared, c)) for c in record.participants}
            with clock.stage("train"):
                updates = self._backend.train(tasks)
            with clock.stage("aggregate"):
                shared = self._server_step(shared, updates, record.round, exchange)
            sent, received = record_exchange(self._journals, tasks, updates)
            losses.append(_mean_loss(updates))
            up, down = up + sent, down + received
        loss = sum(losses) / len(losses)
        return shared, replace(record, loss=loss, upload_bytes=up, download_bytes=down, exchanges=exchanges)

    def _server_step(self, shared: State, updates: Sequence[ClientUpdate], round: int, exchange: int) -> State:
        plan, method = self._plan, self._plan.method
        if not method.uploads:
            return shared
        mean = plan.aggregation.combine(updates, plan.mechanism.uniform or method.uniform)
        noise = torch_generator(plan.seed, "central noise", round=round, step=exchange)
        mean = dict(plan.mechanism.protect_mean(mean, Release(shared, len(updates), noise)))
        clear = {u.client: to_tensors(u.tensors) for u in updates} if method.reads_updates else {}
        return method.server_step(ServerWork(shared, mean, clear, plan.sizes, plan.training, round, exchange))

    def _download(self, shared: State, client: int) -> Arrays:
        return to_arrays(self._plan.method.download(shared, client))

    def _evaluate(self, record: RoundRecord, shared: State, clock: _Clock) -> RoundRecord:
        neighbours = self._due_from_here(record.round) <= self._plan.neighbour_rounds
        tasks = {c: EvaluationTask(record.round, self._download(shared, c), neighbours) for c in self._plan.clients}
        with clock.stage("evaluate"):
            scores = self._backend.evaluate(tasks)
        record_scores(self._journals, tasks, scores)
        for score in scores:
            self._journals.add(CLIENTS, {"round": record.round, **_score_line(score)})
        return _measured(record, scores)

    def _participants(self, round: int) -> Sequence[int]:
        """All clients in round 0 (private states begin there, as in FedOTP's code), then a uniform sample.

        Clients without a training image are there to be measured: they are never among them.
        """
        clients = [client for client in self._plan.clients if self._plan.sizes[client]]
        count = self._plan.training.participants(len(clients))
        if round == 0 or count == len(clients):
            return clients
        chosen = numpy_generator(self._plan.seed, "participation", round=round).choice(
            len(clients), count, replace=False
        )
        return sorted(clients[number] for number in chosen)

    def _exchanges(self, participants: Sequence[int]) -> int:
        training = self._plan.training
        longest = max(training.batches(self._plan.sizes[c]) for c in participants)
        return self._plan.method.exchanges(longest * training.local_epochs)

    def _due(self, round: int) -> bool:
        return (round + 1) % self._plan.evaluate_every == 0 or round == self._plan.rounds - 1

    def _due_from_here(self, round: int) -> int:
        """Evaluations from this round to the end, this one included."""
        return sum(self._due(later) for later in range(round, self._plan.rounds))


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def stage(self, name: str) -> _Stage:
        return _Stage(self.seconds, name)


class _Stage:
    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        elapsed = time.perf_counter() - self._started
        self._seconds[self._name] = round(self._seconds.get(self._name, 0.0) + elapsed, 6)


def _mean_loss(updates: Sequence[ClientUpdate]) -> float:
    total = sum(update.weight for update in updates)
    return sum(update.weight * update.loss for update in updates) / total


def _score_line(score: ClientScore) -> dict[str, object]:
    line: dict[str, object] = {
        "client": score.client,
        "correct": score.correct,
        "examples": score.examples,
        "accuracy": score.correct / score.examples if score.examples else None,
        "loss": score.loss if score.examples else None,
    }
    if score.elsewhere_examples:
        line["neighbour_accuracy"] = score.elsewhere_correct / score.elsewhere_examples
    return line


def _measured(record: RoundRecord, scores: Sequence[ClientScore]) -> RoundRecord:
    """The record with its accuracies over clients that have test images."""
    local = [s.correct / s.examples for s in scores if s.examples]
    elsewhere = [s.elsewhere_correct / s.elsewhere_examples for s in scores if s.elsewhere_examples]
    everywhere = [
        (s.correct + s.elsewhere_correct) / (s.examples + s.elsewhere_examples) for s in scores if s.elsewhere_examples
    ]
    if not local:
        raise ClientError("no client has a test image, nothing can be measured. Check the partition.")
    return replace(
        record,
        local_accuracy=sum(local) / len(local),
        local_spread=statistics.pstdev(local),
        worst_accuracy=min(local),
        accuracy=sum(s.correct for s in scores) / sum(s.examples for s in scores),
        neighbour_accuracy=sum(elsewhere) / len(elsewhere) if elsewhere else None,
        global_accuracy=sum(everywhere) / len(everywhere) if elsewhere else None,
    )
