"""One round: sample the cohort, train, protect, aggregate, step, evaluate.

It runs in the coordinator. The coordinator sees shared states, what `aggregation` shows of updates (each one, or their
exact or noisy sum), and the scores of evaluations; where it is trusted, also the loss and seconds of each client. No
image, feature or private state passes through it. It simulates the clients, however: checkpoints of private states and
all scores are in the same run folder. docs/privacy.md lists what of that folder may be published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from fedsilo.core import Arrays, Backend, ClientTask, ClientUpdate, EvaluationTask, Exchange, Gathered, Release, State
from fedsilo.core.finiteness import locate_faults, require_finite
from fedsilo.core.round_work import ServerWork
from fedsilo.core.seeds import bind_purpose, keyed_generator
from fedsilo.core.state import to_arrays_of, to_tensors
from fedsilo.privacy.ledger import Ledger
from fedsilo.privacy.ledger_lines import LedgerEntry
from fedsilo.simulation.client_recovery import ClientRecovery
from fedsilo.simulation.federation_plan import FederationPlan
from fedsilo.simulation.privacy_budget import PrivacyBudget
from fedsilo.simulation.round_observer import RoundObserver, missing_clients
from fedsilo.simulation.stale_updates import StaleStates
from fedsilo.storage.checkpoints import Checkpoint, starting_point


@dataclass(frozen=True, slots=True)
class RoundStart:
    """What an attempt at a round begins from.

    Attributes:
        round: The round's number.
        shared: The shared state before it.
        before: The checkpoint before it; None before round 0.
        run: Name of the run and the federation, for keys that serve no other one.
        barred: Clients whose messages are ignored, because their secrets could not be opened in an earlier attempt.
    """

    round: int
    shared: State
    before: Checkpoint | None
    run: str
    barred: frozenset[int] = frozenset()


class RoundRunner:
    """Runs one attempt at a round over the clients of a backend."""

    def __init__(
        self,
        plan: FederationPlan,
        backend: Backend,
        ledger: Ledger,
        stale: StaleStates | None,
        budget: PrivacyBudget,
        recovery: ClientRecovery,
    ) -> None:
        """Keeps the parts of the federation that a round needs.

        Args:
            plan: What the federation does.
            backend: Where the clients are.
            ledger: What was released.
            stale: Older shared states that updates may begin from, in buffered rounds; None in others.
            budget: How many rounds the privacy budget allows.
            recovery: Brings lost clients back.
        """
        self._plan, self._backend, self._schedule = plan, backend, plan.schedule
        self._ledger, self._stale, self._budget, self._recovery = ledger, stale, budget, recovery

    def run(self, start: RoundStart, observer: RoundObserver) -> State:
        """Runs one attempt at a round.

        Args:
            start: What the attempt begins from.
            observer: Sees every step.

        Returns:
            The shared state after the round.

        Raises:
            ClientLost: A client was lost, and the aggregation needs it.
            RoundAborted: Too few clients were left for a sum.
            NotFinite: A mean, or the shared state after a step, is not finite.
        """
        shared = start.shared
        if self._stale:
            self._stale.hold(start.round, shared, start.before.versions if start.before else {})
        if self._plan.method.trains and self._schedule.cohorts[start.round].participants:
            shared = self._train(start, observer)
        if (start.round + 1) % self._plan.evaluate_every == 0 or start.round == self._budget.end - 1:
            self._evaluate(start.round, shared, observer)
        return shared

    def _train(self, start: RoundStart, observer: RoundObserver) -> State:
        cohort, exchanges = (
            self._schedule.cohorts[start.round].participants,
            self._schedule.exchange_counts[start.round],
        )
        shared, start_hash = start.shared, ""
        if self._plan.mechanism.noisy:  # without noise the ledger has no lines
            start_hash = starting_point(shared, start.before)
        attempt = self._ledger.begin(start.round, cohort, start_hash)
        for exchange in range(exchanges):
            entry = LedgerEntry(start.round, exchange, attempt, (), start_hash)
            with observer.timer.stage("train"):
                gathered = self._train_and_sum(start, entry, exchanges, shared)
            with observer.timer.stage("aggregate"):
                shared = self._step(shared, gathered, entry, exchanges)
            observer.on_gathered(exchange, gathered)
            missing = missing_clients(cohort, gathered)
            if missing or gathered.silent:
                self._recovery.bring_back(missing, gathered.silent, start.before)
        observer.on_trained(exchanges)
        return shared

    def _train_and_sum(self, start: RoundStart, entry: LedgerEntry, exchanges: int, shared: State) -> Gathered:
        """Has clients train and protect their updates, charges the ledger, and opens the sum of one exchange."""
        plan = self._plan
        received = self._downloads(self._started_from(start.round, shared))
        task = ClientTask(start.round, entry.exchange, {}, attempt=entry.attempt, exchanges=exchanges)
        reference: State = {name: shared[name] for name in plan.method.uploads}
        if plan.method.uploads_gradients:  # a gradient is a change of nothing that is known before
            reference = {name: torch.zeros_like(tensor) for name, tensor in reference.items()}
        return plan.aggregation.gather(
            Exchange(
                tasks={client: replace(task, shared=arrays) for client, arrays in received.items()},
                backend=self._backend,
                reference=reference,
                uniform=plan.mechanism.uniform or plan.method.uniform,
                largest=max(plan.sizes),
                mechanism=plan.mechanism,
                charge=lambda clients: self._ledger.charge(replace(entry, clients=tuple(clients))),
                run=start.run,
                attempt=entry.attempt,
                weight_by_staleness=self._weighting(start.round),
                barred=start.barred,
            )
        )

    def _started_from(self, round: int, shared: State) -> Mapping[int, State]:
        """The shared state that each participant starts from: the newest one, or an older one in a buffered round."""
        cohort = self._schedule.cohorts[round]
        if not self._stale:
            return dict.fromkeys(cohort.participants, shared)
        return {c: shared if origin == round else self._stale[origin] for c, origin in cohort.origins.items()}

    def _weighting(self, round: int) -> Callable[[ClientUpdate], ClientUpdate] | None:
        """How updates are weighted by their age, in buffered rounds."""
        origins = self._schedule.cohorts[round].origins
        return self._stale.staleness_weighting(round, origins) if self._stale else None

    def _step(self, shared: State, gathered: Gathered, entry: LedgerEntry, exchanges: int) -> State:
        """Computes the next shared state: adds central noise to the mean, then has the method step."""
        plan = self._plan
        if not plan.method.uploads:
            return shared
        sections = {"training.optimizer": plan.training.optimizer, "method": plan.method, "privacy": plan.mechanism}
        with locate_faults(f"coordinator, round {entry.round}, exchange {entry.exchange}", sections):
            mean = self._protected_mean(shared, gathered, entry)
            read = gathered.updates if plan.method.reads_updates else {}
            work = ServerWork(
                shared=shared,
                mean=mean,
                updates={client: to_tensors(arrays) for client, arrays in read.items()},
                sizes=plan.sizes,
                training=plan.training,
                round=entry.round,
                exchange=entry.exchange,
                exchanges=exchanges,
                participants=len(gathered.clients),
            )
            stepped = plan.method.server_step(work)
            require_finite(stepped, "the shared state after the server's step")
            return stepped

    def _protected_mean(self, shared: State, gathered: Gathered, entry: LedgerEntry) -> State:
        mechanism = self._plan.mechanism
        purpose = bind_purpose("central noise", entry.attempt, mechanism.federation)
        noise = keyed_generator(self._plan.seed, purpose, round=entry.round, step=entry.exchange)
        protected = mechanism.protect_mean(gathered.mean, Release(shared, len(gathered.clients), noise))
        # Noise first: rounded beside large numbers, a mean could move by more than what one client may move it by.
        mean = {name: tensor.to(shared[name].dtype) for name, tensor in protected.items()}
        require_finite(mean, "the mean upload")
        return self._stale.stepped(shared, mean) if self._stale else mean

    def _evaluate(self, round: int, shared: State, observer: RoundObserver) -> None:
        every, end = self._plan.evaluate_every, self._budget.end
        left = end // every - round // every + bool(end % every)  # evaluations to the end, this one included
        neighbours = left <= self._plan.neighbour_rounds
        received = self._downloads(dict.fromkeys(self._plan.clients, shared))
        timed = not self._plan.aggregation.masks  # a client that hides its update hides its seconds as well
        tasks = {client: EvaluationTask(round, arrays, neighbours, timed) for client, arrays in received.items()}
        with observer.timer.stage("evaluate"):
            scores = self._backend.evaluate(tasks)
        observer.on_evaluated(tasks, scores)

    def _downloads(self, shared: Mapping[int, State]) -> dict[int, Arrays]:
        return to_arrays_of({client: self._plan.method.download(state, client) for client, state in shared.items()})
