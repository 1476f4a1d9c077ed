"""Log lines of actors: one logger, `fedsilo`, on the standard error of the actor's process.

Ray keeps standard error in a file per process, which the dashboard shows in the actor's log tab; nothing of it reaches
the user's terminal. Log lines reveal no more than updates do: a client that reports no loss to the coordinator writes
none into the log.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, Measures, RoundRecord, Task

LOG = logging.getLogger("fedsilo")
FORM = "%(asctime)s %(levelname)-7s %(message)s"


def start_logging(level: str) -> None:
    """Has this process write log lines; a second call only changes the level.

    Args:
        level: Lowest level: "debug", "info" or "warning".
    """
    if not LOG.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORM))
        LOG.addHandler(handler)
        LOG.propagate = False  # otherwise other handlers in this process write each line again
    LOG.setLevel(level.upper())


def log_training(tasks: Mapping[int, ClientTask], updates: Sequence[ClientUpdate], domains: Mapping[int, str]) -> None:
    """Logs how clients trained: the first exchange of a round at level info, others at level debug.

    Args:
        tasks: The tasks of the exchange, by client.
        updates: The clients' updates.
        domains: Domain of each client, "" when mixed.
    """
    for update in updates:
        task = tasks[update.client]
        loss = f", loss {update.loss:.3g}" if math.isfinite(update.loss) else ""
        LOG.log(_level(task), "%s: trained%s%s", _where(update.client, task, domains), _took(update.seconds), loss)


def log_masked_training(tasks: Mapping[int, ClientTask], domains: Mapping[int, str]) -> None:
    """Logs that clients trained whose updates are masked: neither the time nor the loss.

    Args:
        tasks: The tasks of the exchange, by client.
        domains: Domain of each client, "" when mixed.
    """
    for client, task in tasks.items():
        LOG.log(_level(task), "%s: trained, its update will be masked", _where(client, task, domains))


def log_scores(round: int, scores: Sequence[ClientScore], task: Task, domains: Mapping[int, str]) -> None:
    """Logs clients' scores on their own test images.

    Args:
        round: The round.
        scores: The scores.
        task: What is measured.
        domains: Domain of each client, "" when mixed.
    """
    metric = task.measured.headline
    for score in scores:
        found = f", {metric.words} {metric.shown(task.measures(score.own).get(metric.name))}" if score.examples else ""
        who = client_title(score.client, domains)
        LOG.info("%s, round %d: evaluated%s%s", who, round, _took(score.seconds), found)


def log_round(part: str, record: RoundRecord, measures: Measures, planned: int) -> None:
    """Logs a round as the coordinator sees it.

    Args:
        part: Name of the federation.
        record: The round's record.
        measures: The task's metrics.
        planned: Number of rounds.
    """
    facts = [f"{len(record.participants)} clients"]
    if math.isfinite(record.loss):
        facts.append(f"loss {record.loss:.3g}")
    if (local := record.metrics.get(measures.local)) is not None:
        facts.append(f"local {measures.headline.words} {measures.headline.shown(local)}")
    if record.epsilon is not None:
        facts.append(f"epsilon {record.epsilon:.3g}")
    facts.append(f"{sum(record.seconds.values()):.2f} s")
    LOG.info("coordinator, %s, round %d of %d: %s", part, record.round, planned, ", ".join(facts))
    if record.attempts > 1:
        LOG.warning("coordinator, %s, round %d: took %d attempts", part, record.round, record.attempts)
    if record.dropped:
        dropped = ", ".join(map(str, record.dropped))
        LOG.warning("coordinator, %s, round %d: without clients %s", part, record.round, dropped)


def client_title(client: int, domains: Mapping[int, str]) -> str:
    """Names a client for people.

    Args:
        client: The client's number.
        domains: Domain of each client, "" when mixed.

    Returns:
        Such as "client 03 photo"; without the domain where it is mixed.
    """
    return f"client {client:02d} {domains.get(client, '')}".rstrip()


def _took(seconds: float) -> str:
    """Such as " in 0.52 s"; empty where the time is not reported."""
    return f" in {seconds:.2f} s" if math.isfinite(seconds) else ""


def _where(client: int, task: ClientTask, domains: Mapping[int, str]) -> str:
    exchange = f", exchange {task.exchange}" if task.exchange else ""
    return f"{client_title(client, domains)}, round {task.round}{exchange}"


def _level(task: ClientTask) -> int:
    return logging.DEBUG if task.exchange else logging.INFO
