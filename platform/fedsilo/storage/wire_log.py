"""The wire log: name, shape, type and bytes of everything that crosses between clients and coordinator.

There is one line per exchange, direction and kind of content; clients that sent the same shapes share a line. Every
stage of secure aggregation has its lines: together they are what the coordinator saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsilo.core import Arrays, ClientScore, ClientTask, ClientUpdate, EvaluationTask
from fedsilo.core.state import size
from fedsilo.storage.run_folder import WIRE, Journals

Line = dict[str, object]


def make_exchange_lines(tasks: Mapping[int, ClientTask], updates: Sequence[ClientUpdate]) -> list[Line]:
    """Describes what participants received, and what they sent in the clear.

    Args:
        tasks: The tasks, by client.
        updates: The updates that came back.

    Returns:
        Lines of the wire log, downloads first.
    """
    scalars = ["weight", "loss"]
    if any(math.isfinite(update.seconds) for update in updates):
        scalars.append("seconds")
    if next(iter(tasks.values())).encoding is not None:  # they are coordinates of the vector
        scalars = []
    received = {update.client: update.tensors for update in updates}
    return make_task_lines(tasks) + _lines({**_when(tasks), "direction": "up"}, received, scalars)


def make_task_lines(tasks: Mapping[int, ClientTask]) -> list[Line]:
    """Describes what participants received.

    Args:
        tasks: The tasks, by client.

    Returns:
        Lines of the wire log.
    """
    return _lines({**_when(tasks), "direction": "down"}, {client: task.shared for client, task in tasks.items()})


def make_message_lines(
    tasks: Mapping[int, ClientTask], kind: str, direction: str, sent: Mapping[int, bytes]
) -> list[Line]:
    """Describes one stage of secure aggregation: messages of one kind.

    Args:
        tasks: The tasks of the exchange, by client.
        kind: Name of the kind of message.
        direction: "up" or "down".
        sent: The messages, by client.

    Returns:
        Lines of the wire log, one for all clients whose messages have the same size.
    """
    alike: dict[int, list[int]] = {}
    for client, message in sorted(sent.items()):
        alike.setdefault(len(message), []).append(client)
    when = {**_when(tasks), "direction": direction, "message": kind}
    return [{**when, "clients": clients, "bytes_per_client": count} for count, clients in alike.items()]


def count_bytes(lines: Iterable[Mapping[str, Any]], direction: str) -> int:
    """Adds up the bytes that crossed in one direction.

    Args:
        lines: Lines of the wire log.
        direction: "up" or "down".

    Returns:
        Bytes, over all clients.
    """
    return sum(line["bytes_per_client"] * len(line["clients"]) for line in lines if line["direction"] == direction)


def _when(tasks: Mapping[int, ClientTask]) -> Line:
    first = next(iter(tasks.values()))
    return {"round": first.round, "stage": "train", "exchange": first.exchange}


def record_scores(journals: Journals, tasks: Mapping[int, EvaluationTask], scores: Sequence[ClientScore]) -> None:
    """Records an evaluation: shared state down, counts up.

    Args:
        journals: Gets the lines, to be written with the next commit.
        tasks: The evaluation's tasks, by client.
        scores: What the clients sent back.
    """
    when = {"round": next(iter(tasks.values())).round, "stage": "evaluate"}
    down = _lines({**when, "direction": "down"}, {client: task.shared for client, task in tasks.items()})
    up = _counts({**when, "direction": "up"}, scores)
    for line in down + up:
        journals.add(WIRE, line)


def _counts(when: Line, scores: Sequence[ClientScore]) -> list[Line]:
    """One line for all clients whose counts have the same names and sizes."""
    alike: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for score in scores:
        parts = {"": score.own, "elsewhere_": score.elsewhere, "new_": score.new, "validation_": score.validation}
        counted = [(view + name, np.size(v)) for view, tally in parts.items() for name, v in (tally or {}).items()]
        alike.setdefault(tuple(counted), []).append(score.client)
    return [
        {**when, "clients": clients, "tensors": {}, "scalars": [n for n, _ in counted]}
        | {"bytes_per_client": 8 * sum(size for _, size in counted)}
        for counted, clients in alike.items()
    ]


def _lines(when: Line, sent: Mapping[int, Arrays], scalars: Sequence[str] = ()) -> list[Line]:
    """One line for all clients whose tensors have the same names and shapes."""
    alike: dict[str, list[int]] = {}
    lines = []
    for client, tensors in sent.items():
        shapes = {name: [list(array.shape), str(array.dtype)] for name, array in tensors.items()}
        if str(shapes) in alike:
            alike[str(shapes)].append(client)
            continue
        alike[str(shapes)] = clients = [client]
        count = size(tensors) + 8 * len(scalars)
        lines.append({**when, "clients": clients, "tensors": shapes, "scalars": scalars, "bytes_per_client": count})
    return lines
