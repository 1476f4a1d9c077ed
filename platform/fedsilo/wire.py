"""The wire log: name, shape, type and bytes of everything that crosses between clients and coordinator.

One line per exchange, direction and kind of content; clients that sent alike stand in one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedsilo.contracts import Arrays, ClientScore, ClientTask, ClientUpdate, EvaluationTask
from fedsilo.records import WIRE, Journals
from fedsilo.state import size

UPDATE_SCALARS = ("weight", "loss", "seconds")
SCORE_SCALARS = ("correct", "examples", "elsewhere_correct", "elsewhere_examples", "loss")


def record_exchange(
    journals: Journals, tasks: Mapping[int, ClientTask], updates: Sequence[ClientUpdate]
) -> tuple[int, int]:
    """Notes what participants received and sent; returns the bytes of tensors that went up and down."""
    first = next(iter(tasks.values()))
    when = {"round": first.round, "stage": "train", "exchange": first.exchange}
    sent = {client: task.shared for client, task in tasks.items()}
    received = {update.client: update.tensors for update in updates}
    _note(journals, {**when, "direction": "down"}, sent)
    _note(journals, {**when, "direction": "up"}, received, UPDATE_SCALARS)
    return sum(map(size, received.values())), sum(map(size, sent.values()))


def record_scores(journals: Journals, tasks: Mapping[int, EvaluationTask], scores: Sequence[ClientScore]) -> None:
    """Notes an evaluation: shared state down, counts up."""
    when = {"round": next(iter(tasks.values())).round, "stage": "evaluate"}
    _note(journals, {**when, "direction": "down"}, {client: task.shared for client, task in tasks.items()})
    _note(journals, {**when, "direction": "up"}, {score.client: {} for score in scores}, SCORE_SCALARS)


def _note(
    journals: Journals, when: Mapping[str, object], crossed: Mapping[int, Arrays], scalars: Sequence[str] = ()
) -> None:
    """One line for all clients whose tensors have the same names and shapes."""
    alike: dict[str, list[int]] = {}
    for client, tensors in crossed.items():
        alike.setdefault(str(_shapes(tensors)), []).append(client)
    for clients in alike.values():
        journals.add(WIRE, _line(when, clients, crossed[clients[0]], scalars))


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
