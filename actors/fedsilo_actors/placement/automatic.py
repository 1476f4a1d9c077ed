"""`actors.gpus_per_client: auto`: each client's share of a GPU, from what one client was measured to need.

The shares are as large as the cluster's GPUs allow, and no smaller than a client's memory needs. Where the GPUs have no
room for an actor per client, clients share actors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fedsilo.config.sections import Actors
from fedsilo_actors.encoder import STEPS
from fedsilo_actors.placement import labels
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.probing import ClientFootprint
from fedsilo_actors.placement.reservation import count_gpus
from fedsilo_actors.placement.resources import Resources

MARGIN = 1.25
"""Memory that is given, over memory that was measured: batches differ, and torch's memory gets fragmented."""

MOST = 8
"""Most processes on one GPU. Each has a CUDA context of its own (some hundred MB), and they take turns. Where eight do
not keep a GPU busy, clients that share an actor cost less. apple/pfl-research finds one to five best."""

Measure = Callable[[Host], ClientFootprint]


@dataclass(frozen=True, slots=True)
class GPUShares:
    """The result of `auto`.

    Attributes:
        asked: Resources of each client, in client order.
        per_actor: Most clients in one actor; 1 where all have room on a GPU.
        notices: What was measured and decided, a line for each kind of node.
    """

    asked: list[Resources]
    per_actor: int
    notices: list[str]


def choose_gpu_shares(
    section: Actors, asked: Sequence[Resources], left: Sequence[int], work: Sequence[int], measure: Measure | None
) -> GPUShares:
    """Chooses each client's share of a GPU.

    Args:
        section: The scenario's `actors`, with `auto`.
        asked: Each client's other resources, in client order.
        left: The clients whose share is chosen here.
        work: Each client's work.
        measure: Measures a client on a whole GPU; None where no client computes on one.

    Returns:
        The shares.

    Raises:
        FedsiloError: The measurement failed.
    """
    result, notices, most = list(asked), [], section.clients_per_actor or 1
    for own in sorted({asked[client].labels for client in left}):
        kind = [client for client in left if asked[client].labels == own]
        if measure is None or not (_gpus(own) or section.wait_for_nodes):
            notices.append(_line(own, "is 0: " + ("clients compute on the CPU." if _gpus(own) else "there is no GPU.")))
            continue
        largest = max(kind, key=lambda client: (work[client], -client))
        measured = measure(Host((largest,), replace(asked[largest], gpus=1.0), work[largest]))
        taken = count_gpus([demand.gpus for demand in asked if demand.labels == own])
        gpus = max(int(_gpus(own)) - taken, 1)
        room = most_on_one(measured)
        most = max(most, 1 if section.clients_per_actor else math.ceil(len(kind) / (room * gpus)))
        on_one = min(room, math.ceil(math.ceil(len(kind) / most) / gpus))
        share = (STEPS // on_one) / STEPS
        for client in kind:
            result[client] = replace(asked[client], gpus=share)
        notices.append(_line(own, _measured(measured, share, room, math.ceil(len(kind) / most))))
    return GPUShares(result, most, notices)


def most_on_one(measured: ClientFootprint) -> int:
    """Computes how many actors with such a client fit a GPU.

    Args:
        measured: What the client needs.

    Returns:
        At least one, at most `MOST`.
    """
    return max(min(int(measured.there_is // (MARGIN * measured.memory)), MOST), 1)


def _gpus(own: labels.Labels) -> float:
    return labels.sum_resources(own).get("GPU", 0.0)


def _line(own: labels.Labels, what: str) -> str:
    return f"actors.gpus_per_client: auto{f' with {labels.format_labels(own)}' if own else ''} {what}"


def _measured(measured: ClientFootprint, share: float, room: int, actors: int) -> str:
    return (
        f"is {share:g}: client {measured.client}, which has the most work, took {measured.memory / 2**30:.2f} of "
        f"{measured.there_is / 2**30:.2f} GiB, {measured.train_s:.2f} s for an exchange and "
        f"{measured.evaluate_s:.2f} s for an evaluation, so a GPU has room for {room}; there are {actors} actors."
    )
