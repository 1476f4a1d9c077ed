"""Log lines of actors: one logger, `fedsilo`, on the standard error of the actor's process.

Ray keeps that in a file per process, which the dashboard shows in the actor's log tab; nothing of it reaches the
terminal of whoever started the run. What a privacy mode hides is not in it: a client that tells the coordinator no
loss tells the log none.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, Measures, RoundRecord, Task

LOG = logging.getLogger("fedsilo")
FORM = "%(asctime)s %(levelname)-7s %(message)s"


def start_logging(level: str) -> None:
    """Has this process write lines of a level ("debug", "info", "warning") and above; again changes the level only."""
    if not LOG.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORM))
        LOG.addHandler(handler)
        LOG.propagate = False  # or whatever else is set up in this process writes each line once more
    LOG.setLevel(level.upper())


def log_training(tasks: Mapping[int, ClientTask], updates: Sequence[ClientUpdate], domains: Mapping[int, str]) -> None:
    """Tells how clients trained: the first exchange of a round as information, others for who looks for faults."""
    for update in updates:
        task = tasks[update.client]
        loss = f", loss {update.loss:.3g}" if math.isfinite(update.loss) else ""
        LOG.log(_level(task), "%s: trained%s%s", _where(update.client, task, domains), _took(update.seconds), loss)


def log_masked_training(tasks: Mapping[int, ClientTask], domains: Mapping[int, str]) -> None:
    """Tells that clients trained whose updates are masked: neither how long it took nor how well it went."""
    for client, task in tasks.items():
        LOG.log(_level(task), "%s: trained, its update will be masked", _where(client, task, domains))


def log_scores(round: int, scores: Sequence[ClientScore], task: Task, domains: Mapping[int, str]) -> None:
    """Tells how clients did on their own test images."""
    metric = task.measured.headline
    for score in scores:
        found = f", {metric.words} {metric.shown(task.measures(score.own)[metric.name])}" if score.examples else ""
        who = client_title(score.client, domains)
        LOG.info("%s, round %d: evaluated%s%s", who, round, _took(score.seconds), found)


def log_round(part: str, record: RoundRecord, measures: Measures, planned: int) -> None:
    """Tells of a round as the coordinator sees it."""
    told = [f"{len(record.participants)} clients"]
    if math.isfinite(record.loss):
        told.append(f"loss {record.loss:.3g}")
    if (local := record.metrics.get(measures.local)) is not None:
        told.append(f"local {measures.headline.words} {measures.headline.shown(local)}")
    if record.epsilon is not None:
        told.append(f"epsilon {record.epsilon:.3g}")
    told.append(f"{sum(record.seconds.values()):.2f} s")
    LOG.info("coordinator, %s, round %d of %d: %s", part, record.round, planned, ", ".join(told))
    if record.attempts > 1:
        LOG.warning("coordinator, %s, round %d: took %d attempts", part, record.round, record.attempts)
    if record.dropped:
        dropped = ", ".join(map(str, record.dropped))
        LOG.warning("coordinator, %s, round %d: without clients %s", part, record.round, dropped)


def client_title(client: int, domains: Mapping[int, str]) -> str:
    """Returns "client 03 photo", or without the domain where images are mixed."""
    return f"client {client:02d} {domains.get(client, '')}".rstrip()


def _took(seconds: float) -> str:
    """Such as " in 0.52 s"; empty where it is not told."""
    return f" in {seconds:.2f} s" if math.isfinite(seconds) else ""


def _where(client: int, task: ClientTask, domains: Mapping[int, str]) -> str:
    exchange = f", exchange {task.exchange}" if task.exchange else ""
    return f"{client_title(client, domains)}, round {task.round}{exchange}"


def _level(task: ClientTask) -> int:
    return logging.DEBUG if task.exchange else logging.INFO
