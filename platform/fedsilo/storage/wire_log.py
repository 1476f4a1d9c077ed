"""The wire log: name, shape, type and bytes of everything that crosses between clients and coordinator.

One line per exchange, direction and kind of content; clients that sent alike stand in one line. Of secure aggregation
every stage has its lines: together they are what the coordinator saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsilo.core import Arrays, ClientScore, ClientTask, ClientUpdate, EvaluationTask, collect_times
from fedsilo.core.state import size
from fedsilo.storage.run_folder import WIRE, Journals

UPDATE_SCALARS = ("weight", "loss", "seconds")


Line = dict[str, object]


def exchange_lines(tasks: Mapping[int, ClientTask], updates: Sequence[ClientUpdate]) -> list[Line]:
    """Returns the lines of what participants received, and of what they sent in the clear."""
    received = {update.client: update.tensors for update in updates}
    seconds, _ = collect_times(updates)
    scalars = [name for name in UPDATE_SCALARS if name != "seconds" or seconds]
    if next(iter(tasks.values())).encoding is not None:
        scalars = []
    return task_lines(tasks) + _lines({**_when(tasks), "direction": "up"}, received, scalars)


def task_lines(tasks: Mapping[int, ClientTask]) -> list[Line]:
    """Returns the lines of what participants received."""
    return _lines({**_when(tasks), "direction": "down"}, {client: task.shared for client, task in tasks.items()})


def message_lines(tasks: Mapping[int, ClientTask], kind: str, direction: str, sent: Mapping[int, bytes]) -> list[Line]:
    """Returns the lines of one stage of secure aggregation: messages of one kind, clients by the bytes of theirs."""
    alike: dict[int, list[int]] = {}
    for client, message in sorted(sent.items()):
        alike.setdefault(len(message), []).append(client)
    when = {**_when(tasks), "direction": direction, "message": kind}
    return [{**when, "clients": clients, "bytes_per_client": count} for count, clients in alike.items()]


def crossed(lines: Iterable[Mapping[str, Any]], direction: str) -> int:
    """Returns the bytes that crossed in one direction."""
    return sum(line["bytes_per_client"] * len(line["clients"]) for line in lines if line["direction"] == direction)


def _when(tasks: Mapping[int, ClientTask]) -> Line:
    first = next(iter(tasks.values()))
    return {"round": first.round, "stage": "train", "exchange": first.exchange}


def record_scores(journals: Journals, tasks: Mapping[int, EvaluationTask], scores: Sequence[ClientScore]) -> None:
    """Notes an evaluation: shared state down, counts up."""
    when = {"round": next(iter(tasks.values())).round, "stage": "evaluate"}
    down = _lines({**when, "direction": "down"}, {client: task.shared for client, task in tasks.items()})
    up = _counts({**when, "direction": "up"}, scores)
    for line in down + up:
        journals.add(WIRE, line)


def _counts(when: Line, scores: Sequence[ClientScore]) -> list[Line]:
    """One line for all clients whose counts have the same names and sizes."""
    alike: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for score in scores:
        parts = {"": score.own, "elsewhere_": score.elsewhere, "new_": score.new}
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
    for client, tensors in sent.items():
        alike.setdefault(str(_shapes(tensors)), []).append(client)
    return [_line(when, clients, sent[clients[0]], scalars) for clients in alike.values()]


def _line(
    when: Mapping[str, object],
    clients: Sequence[int],
    tensors: Arrays,
    scalars: Sequence[str],
) -> dict[str, object]:
    return {
        **when,
        "clients": list(clients),
        "tensors": _shapes(tensors),
        "scalars": list(scalars),
        "bytes_per_client": size(tensors) + 8 * len(scalars),
    }


def _shapes(tensors: Arrays) -> dict[str, list[object]]:
    return {name: [list(array.shape), str(array.dtype)] for name, array in tensors.items()}
