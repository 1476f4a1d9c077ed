"""What crosses between coordinator and clients, and what is recorded of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fedsilo.secagg.updates import Encoding

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ClientTask:
    """What the coordinator sends one client for one exchange.

    Attributes:
        round: Round number, from 0.
        exchange: Exchange within the round, from 0.
        shared: What the client receives of the shared state, as read-only arrays.
        encoding: How the upload is written as whole numbers that can be added up; None: it is sent as it is.
        attempt: The number of this attempt at the round: noise and samples of different attempts are independent.
    """

    round: int
    exchange: int
    shared: Arrays
    encoding: Encoding | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """What the coordinator sends one client for one evaluation.

    Attributes:
        round: Round number, from 0.
        shared: What the client receives of the shared state, as read-only arrays.
        neighbours: Whether to measure on all other clients' test images as well.
        timed: Whether the coordinator may be told how long it took.
    """

    round: int
    shared: Arrays
    neighbours: bool = False
    timed: bool = True


@dataclass(frozen=True, slots=True)
class ClientUpdate:
    """What one client sends back for one exchange.

    Attributes:
        client: The client's number.
        tensors: The upload, as arrays.
        weight: Number of training examples, the weight in FedAvg.
        loss: Mean training loss of the exchange; nan where it is not told.
        seconds: Time spent in training; nan where it is not told.
        began: When training began by the client's own clock, seconds since 1970; nan where it is not told.
    """

    client: int
    tensors: Arrays
    weight: int
    loss: float
    seconds: float
    began: float = field(default=float("nan"), compare=False)


def times_of(updates: Sequence[ClientUpdate]) -> tuple[dict[int, float], dict[int, float]]:
    """Returns how long the clients that tell it trained, seconds, and when they began; see `Gathered`."""
    told = [update for update in updates if math.isfinite(update.seconds)]
    return {update.client: update.seconds for update in told}, {update.client: update.began for update in told}


@dataclass(frozen=True, slots=True)
class ClientScore:
    """How one client's model does on test images.

    Attributes:
        client: The client's number.
        correct: Correctly classified images of its own test share.
        examples: Size of its own test share.
        elsewhere_correct: Correctly classified test images of all other clients; -1 when not measured.
        elsewhere_examples: Number of those images.
        loss: Mean cross-entropy on its own test share.
        new_correct: Correctly classified test images of classes that nobody trains on; -1 when there are none.
        new_examples: Number of those images.
        seconds: Time spent in evaluation; nan where it is not told.
        began: When it began by the client's own clock, seconds since 1970; nan where it is not told.
    """

    client: int
    correct: int
    examples: int
    elsewhere_correct: int = -1
    elsewhere_examples: int = 0
    loss: float = float("nan")
    new_correct: int = -1
    new_examples: int = 0
    seconds: float = field(default=float("nan"), compare=False)
    began: float = field(default=float("nan"), compare=False)


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One line of rounds.jsonl. Accuracies are in [0, 1] and None where not measured.

    Attributes:
        round: Round number, from 0.
        participants: Client numbers that trained, ascending.
        loss: Mean training loss, weighted as updates are; nan where it is not told.
        local_accuracy: Unweighted mean over the clients that train of the accuracy on their own test share.
        local_spread: Standard deviation of these over clients.
        worst_accuracy: The lowest of these.
        accuracy: Accuracy over all test images, each judged by its own client's model.
        neighbour_accuracy: Mean over clients of the accuracy on all other clients' test images.
        global_accuracy: Mean over clients of the accuracy on all clients' test images.
        unseen_accuracy: Mean over the clients that never train of the accuracy on their own test share.
        new_accuracy: Mean over clients of the accuracy on classes that nobody trains on, among these.
        harmonic_accuracy: Harmonic mean of local and new accuracy.
        upload_bytes: Bytes that left clients.
        download_bytes: Bytes that went to clients.
        exchanges: Exchanges in the round, each of which published one aggregate.
        dropped: Clients whose update is missing in at least one of them, ascending.
        late: Clients that were asked, were there and do not count, by the scenario's pace: too late, not needed any
            more, or of a round that was given up.
        offline: Clients that were asked and were not there, or went away before they answered, by the scenario's trace.
        staleness: Rounds since each participant's update began, in their order; empty where all began in this one.
        simulated_s: How long the round takes, simulated seconds; None where time is not simulated.
        clock_s: When it ends, simulated seconds since the run began.
        epsilon: What the ledger counts after the round; None where nothing is promised.
        shared_sha256: Hash of the shared state after the round.
        seconds: Wall time by stage.
        slowest: The client that trained longest over all exchanges, its seconds, and the median of all clients'; empty
            where clients do not tell.
        attempts: How often the round was begun until it was finished, >= 1.
    """

    round: int
    participants: tuple[int, ...]
    loss: float
    local_accuracy: float | None = None
    local_spread: float | None = None
    worst_accuracy: float | None = None
    accuracy: float | None = None
    neighbour_accuracy: float | None = None
    global_accuracy: float | None = None
    unseen_accuracy: float | None = None
    new_accuracy: float | None = None
    harmonic_accuracy: float | None = None
    upload_bytes: int = 0
    download_bytes: int = 0
    exchanges: int = 0
    dropped: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    offline: tuple[int, ...] = ()
    staleness: tuple[int, ...] = ()
    simulated_s: float | None = None
    clock_s: float | None = None
    epsilon: float | None = None
    shared_sha256: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    slowest: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 1
