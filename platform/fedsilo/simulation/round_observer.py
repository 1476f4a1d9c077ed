"""The book-keeping of one round: stages, bytes, losses, drop-outs and metrics, written to the run's journals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from fedsilo.core import ClientScore, EvaluationTask, Gathered, RoundRecord, State
from fedsilo.core.state import sha256
from fedsilo.simulation.cohort import Cohort
from fedsilo.simulation.evaluation import measured, score_line, unmeasured
from fedsilo.simulation.federation_plan import FederationPlan
from fedsilo.simulation.stage_timer import StageTimer, slowest
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, TIMELINE, WIRE, Journals
from fedsilo.storage.wire_log import record_scores


class RoundObserver:
    """Sees every step of one attempt at a round; decides nothing and computes nothing that the round uses.

    Attributes:
        round: The round's number.
        notices: What the user should know of the round, one line each.
    """

    def __init__(self, plan: FederationPlan, journals: Journals, round: int, attempts: int) -> None:
        """Begins an empty record; the clock of the round starts here.

        Args:
            plan: What the federation does.
            journals: Where lines go.
            round: The round's number.
            attempts: How often the round was attempted, this attempt included, from 1.
        """
        self.round, self.notices = round, list[str]()
        self._plan, self._journals = plan, journals
        self._timer = StageTimer()
        self._losses, self._dropped = list[float](), set[int]()
        self._upload_bytes = self._download_bytes = 0
        self._train_seconds = Counter[int]()
        self._record = _begin_record(plan, plan.schedule.cohort(round), round, attempts)

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Times a stage of the round.

        Args:
            name: "train", "aggregate" or "evaluate".

        Returns:
            A context that counts the seconds spent in it.
        """
        return self._timer.stage(name)

    def on_gathered(self, exchange: int, gathered: Gathered) -> None:
        """Counts what one exchange sent, and names what went wrong in it.

        Args:
            exchange: Exchange within the round.
            gathered: What the aggregation returned.
        """
        for line in gathered.crossings:
            self._journals.add(WIRE, line)
        where = f"round {self.round}, exchange {exchange}"
        self.notices += [f"{where}: {line}." for line in gathered.notices]
        missing = missing_clients(self._record.participants, gathered)
        if missing:
            self.notices.append(f"{where}: without client{'s'[: len(missing) > 1]} {', '.join(map(str, missing))}.")
        self._dropped.update(missing)
        self._train_seconds.update(gathered.seconds)
        self._losses.append(gathered.loss)
        self._upload_bytes += gathered.upload_bytes
        self._download_bytes += gathered.download_bytes
        self._timer.work("train", gathered.began, gathered.seconds)

    def on_trained(self, exchanges: int) -> None:
        """Sums up the training of the round.

        Args:
            exchanges: Exchanges that the round had.
        """
        known = [loss for loss in self._losses if math.isfinite(loss)]  # nan where clients hide their loss
        self._record = replace(
            self._record,
            exchanges=exchanges,
            loss=sum(known) / len(known) if known else math.nan,
            upload_bytes=self._upload_bytes,
            download_bytes=self._download_bytes,
            dropped=tuple(sorted(self._dropped)),
            slowest=slowest(self._train_seconds),
        )

    def on_evaluated(self, tasks: Mapping[int, EvaluationTask], scores: Sequence[ClientScore]) -> None:
        """Writes one line per client, and computes the metrics of the round.

        Args:
            tasks: What each client was asked.
            scores: What each client measured.

        Raises:
            ClientError: No client that trains has a test image.
        """
        plan = self._plan
        self._timer.work("evaluate", {s.client: s.began for s in scores}, {s.client: s.seconds for s in scores})
        record_scores(self._journals, tasks, scores)
        for score in scores:
            self._journals.add(CLIENTS, {"round": self.round, **score_line(score, plan.task)})
        self._record = measured(self._record, scores, plan.task, plan.unseen)

    def finish(self, shared: State, epsilon: float | None) -> RoundRecord:
        """Writes the round's record and timeline to disk.

        Args:
            shared: The shared state after the round.
            epsilon: The epsilon that the ledger counts; None where nothing is guaranteed.

        Returns:
            The record.
        """
        self._record = replace(self._record, shared_sha256=sha256(shared), epsilon=epsilon, seconds=self._timer.seconds)
        self._journals.add(ROUNDS, self._record.line())
        for line in self._timer.lines(self.round):
            self._journals.add(TIMELINE, line)
        self._journals.commit(sync=True)
        return self._record


def missing_clients(participants: Sequence[int], gathered: Gathered) -> tuple[int, ...]:
    """Finds the clients that should be in a sum and are not.

    Args:
        participants: Clients of the round's cohort.
        gathered: What the aggregation returned.

    Returns:
        Their numbers, ascending.
    """
    return tuple(sorted(set(participants) - set(gathered.clients)))


def _begin_record(plan: FederationPlan, cohort: Cohort, round: int, attempts: int) -> RoundRecord:
    return RoundRecord(
        round,
        cohort.participants,
        loss=math.nan,
        metrics=unmeasured(plan.task),
        late=cohort.late,
        offline=cohort.offline,
        staleness=cohort.staleness(round),
        simulated_s=cohort.seconds,
        clock_s=cohort.ends,
        attempts=attempts,
    )
