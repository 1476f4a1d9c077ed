"""The wire log: name, shape, type and bytes of everything that crosses between clients and coordinator.

One line per exchange, direction and kind of content; clients that sent alike stand in one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedsilo.contracts import ClientScore, ClientTask, ClientUpdate
from fedsilo.records import WIRE, Journals
from fedsilo.state import size

UPDATE_SCALARS = ("weight", "loss", "seconds")
SCORE_SCALARS = ("correct", "examples", "elsewhere_correct", "elsewhere_examples", "loss")


def record_down(journals: Journals, task: ClientTask, clients: Sequence[int]) -> None:
    """Notes the shared state on its way to the participants."""
    journals.add(WIRE, _line(_when(task, "down"), clients, task.shared))


def record_up(journals: Journals, task: ClientTask, updates: Sequence[ClientUpdate]) -> None:
    """Notes the updates that came back; one line for all clients whose tensors have the same names and shapes."""
    alike: dict[str, list[ClientUpdate]] = {}
    for update in updates:
        alike.setdefault(str(_shapes(update.tensors)), []).append(update)
    for group in alike.values():
        clients = [update.client for update in group]
        journals.add(WIRE, _line(_when(task, "up"), clients, group[0].tensors, UPDATE_SCALARS))


def record_scores(
    journals: Journals, round: int, shared: Mapping[str, NDArray[np.float32]], scores: Sequence[ClientScore]
) -> None:
    """Notes an evaluation: shared state down, counts up."""
    clients, when = [score.client for score in scores], {"round": round, "stage": "evaluate"}
    journals.add(WIRE, _line({**when, "direction": "down"}, clients, shared))
    journals.add(WIRE, _line({**when, "direction": "up"}, clients, {}, SCORE_SCALARS))


def _when(task: ClientTask, direction: str) -> dict[str, object]:
    return {"round": task.round, "stage": "train", "exchange": task.exchange, "direction": direction}


def _line(
    when: Mapping[str, object],
    clients: Sequence[int],
    tensors: Mapping[str, NDArray[np.float32]],
    scalars: Sequence[str] = (),
) -> dict[str, object]:
    return {
        **when,
        "clients": list(clients),
        "tensors": _shapes(tensors),
        "scalars": list(scalars),
        "bytes_per_client": size(tensors) + 8 * len(scalars),
    }


def _shapes(tensors: Mapping[str, NDArray[np.float32]]) -> dict[str, list[object]]:
    return {name: [list(array.shape), str(array.dtype)] for name, array in tensors.items()}
