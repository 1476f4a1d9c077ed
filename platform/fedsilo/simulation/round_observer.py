"""The book-keeping of one round: stages, bytes, losses, drop-outs and metrics, written to the run's journals.

A line of timeline.jsonl is a stage of a round:

    round, stage       which
    began              seconds from the beginning of the round to the stage's first beginning, seen by the coordinator
    until, seconds     the same to its last end, and how long it took in all: a stage is entered once per exchange
    clients            clients that reported their part, ascending; none where updates are masked
    client_began, client_until, client_seconds      each one's first beginning, last end, and time at work

Clients tell the time by the clocks of their own machines, so theirs is as good as these agree.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from fedsilo.core import ClientScore, EvaluationTask, Gathered, RoundRecord, State, Tally, Task
from fedsilo.core.state import sha256
from fedsilo.simulation.cohort import Cohort
from fedsilo.simulation.evaluation import add_metrics, empty_metrics, score_line, total
from fedsilo.simulation.federation_plan import FederationPlan
from fedsilo.storage.run_folder import CLIENTS, CURVES, ROUNDS, TIMELINE, WIRE, Journals
from fedsilo.storage.wire_log import record_scores


class RoundObserver:
    """Sees every step of one attempt at a round; decides nothing and computes nothing that the round uses.

    Attributes:
        round: The round's number.
        notices: What the user should know of the round, one line each.
        timer: Counts the seconds of its stages "train", "aggregate" and "evaluate".
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
        self.timer = StageTimer()
        self._losses, self._dropped = list[float](), set[int]()
        self._upload_bytes = self._download_bytes = 0
        self._train_seconds = Counter[int]()
        self._record = _begin_record(plan, plan.schedule.cohorts[round], round, attempts)

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
        self.timer.work("train", gathered.began, gathered.seconds)

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
        self.timer.work("evaluate", {s.client: s.began for s in scores}, {s.client: s.seconds for s in scores})
        record_scores(self._journals, tasks, scores)
        curve = _curve(plan.task, [score.own for score in scores if score.client not in plan.unseen])
        if curve is not None:
            self._journals.add(CURVES, {"round": self.round, **curve})
        for score in scores:
            self._journals.add(CLIENTS, {"round": self.round, **score_line(score, plan.task)})
        self._record = add_metrics(self._record, scores, plan.task, plan.unseen)

    def finish(self, shared: State, epsilon: float | None) -> RoundRecord:
        """Writes the round's record and timeline to disk.

        Args:
            shared: The shared state after the round.
            epsilon: The epsilon that the ledger counts; None where nothing is guaranteed.

        Returns:
            The record.
        """
        self._record = replace(self._record, shared_sha256=sha256(shared), epsilon=epsilon, seconds=self.timer.seconds)
        self._journals.add(ROUNDS, self._record.line())
        for line in self.timer.lines(self.round):
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


def _curve(task: Task, tallies: Sequence[Tally]) -> Mapping[str, object] | None:
    """The task's curve over the own test images of all clients that train, each by its own client's model."""
    return task.curve(total(tallies)) if tallies else None


def _begin_record(plan: FederationPlan, cohort: Cohort, round: int, attempts: int) -> RoundRecord:
    empty = empty_metrics(plan.task)
    record = RoundRecord(round, cohort.participants, loss=math.nan, metrics=empty, attempts=attempts)
    if cohort.begins is None:  # time is not simulated
        return record
    return replace(
        record,
        late=cohort.late,
        offline=cohort.offline,
        staleness=cohort.staleness(round),
        simulated_s=cohort.seconds,
        clock_s=cohort.ends,
    )


@dataclass(slots=True)
class _Span:
    """When something began first and ended last, seconds since 1970, and how long it took in all."""

    began: float = math.inf
    until: float = -math.inf
    seconds: float = 0.0

    def add(self, began: float, seconds: float) -> None:
        self.began, self.until = min(self.began, began), max(self.until, began + seconds)
        self.seconds += seconds


class StageTimer:
    """Adds up wall time by stage from the moment that it is made, and keeps what clients tell of theirs."""

    def __init__(self) -> None:
        """Begins at zero."""
        self.seconds: dict[str, float] = {}
        self._began = time.time()
        self._stages: dict[str, tuple[_Span, dict[int, _Span]]] = {}  # the whole stage, and each client's part

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the seconds until the context is left, if no error leaves it.

        Args:
            name: The stage's name.

        Yields:
            Nothing.
        """
        began, started = time.time(), time.perf_counter()
        yield
        took = time.perf_counter() - started
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 6)
        self._stages.setdefault(name, (_Span(), {}))[0].add(began, took)

    def work(self, stage: str, began: Mapping[int, float], seconds: Mapping[int, float]) -> None:
        """Keeps what clients did in a stage that has ended.

        Args:
            stage: Its name.
            began: When each began, seconds since 1970; nan for one that does not tell.
            seconds: How long each took.
        """
        _, clients = self._stages[stage]
        for client, when in began.items():
            if math.isfinite(when) and math.isfinite(seconds[client]):
                clients.setdefault(client, _Span()).add(when, seconds[client])

    def lines(self, round: int) -> Iterator[dict[str, object]]:
        """Builds the round's lines of timeline.jsonl, in the order in which its stages began.

        Args:
            round: The round's number.

        Yields:
            One line per stage.
        """
        for name, (whole, parts) in self._stages.items():
            clients = dict(sorted(parts.items()))
            spans = {f"client_{key}": [each[key] for each in map(self._since_begin, clients.values())] for key in _KEYS}
            yield {"round": round, "stage": name, **self._since_begin(whole), "clients": list(clients), **spans}

    def _since_begin(self, span: _Span) -> dict[str, float]:
        """A span in seconds since the round began, to the microsecond."""
        from_here = (span.began - self._began, span.until - self._began, span.seconds)
        return dict(zip(_KEYS, (round(value, 6) for value in from_here), strict=True))


_KEYS = ("began", "until", "seconds")


def slowest(took: Mapping[int, float]) -> dict[str, float]:
    """Finds the client that took longest; of equal ones the first.

    Args:
        took: Seconds by client.

    Returns:
        The client, its seconds, and the median of all; empty without clients.
    """
    if not took:
        return {}
    client = min(took, key=lambda client: (-took[client], client))
    return {"client": client, "seconds": round(took[client], 6), "median": round(statistics.median(took.values()), 6)}
