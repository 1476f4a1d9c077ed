"""What crosses between coordinator and clients, and what is recorded of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.task import EXAMPLES, Tally
from fedsilo.core.types import Arrays


class UpdateEncoding(Protocol):
    """How clients write their updates as whole numbers.

    The only one is `fedsilo.aggregation.secagg.update_vectors.UpdateEncoding`.
    """

    @property
    def attempt(self) -> int:
        """Returns how often the exchange was begun before."""
        ...

    @property
    def clients(self) -> int:
        """Returns the most updates that are added up."""
        ...

    @property
    def largest(self) -> int:
        """Returns the training examples of the largest client, by which weights are scaled to at most 1."""
        ...

    @property
    def ending(self) -> bytes:
        """Returns what the context of a sum ends with: clients that encode otherwise are in none of it."""
        ...

    @property
    def honest(self) -> int:
        """Returns the fewest honest clients in a sum that is opened."""
        ...

    @property
    def seeded(self) -> bool:
        """Returns whether shares of noise come from the scenario's seed."""
        ...

    def encode(self, change: Mapping[str, NDArray[Any]], examples: int, loss: float, key: bytes) -> NDArray[np.uint32]:
        """Returns a client's update as a vector, its share of the noise included."""
        ...


@dataclass(frozen=True, slots=True)
class ClientTask:
    """What the coordinator sends one client for one exchange.

    Attributes:
        round: Round number, from 0.
        exchange: Exchange within the round, from 0.
        shared: What the client receives of the shared state, as read-only arrays.
        encoding: How the upload is written as whole numbers that can be added up; None: it is sent as it is.
        exchanges: Exchanges of the round, for learning rates that change inside it.
        attempt: The number of this attempt at the round: noise and samples of different attempts are independent.
    """

    round: int
    exchange: int
    shared: Arrays
    encoding: UpdateEncoding | None = None
    exchanges: int = 1
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


def collect_times(updates: Sequence[ClientUpdate]) -> tuple[dict[int, float], dict[int, float]]:
    """Returns how long the clients that tell it trained, seconds, and when they began; see `Gathered`."""
    told = [update for update in updates if math.isfinite(update.seconds)]
    return {update.client: update.seconds for update in told}, {update.client: update.began for update in told}


@dataclass(frozen=True, slots=True)
class ClientScore:
    """How one client's model does on test images.

    Attributes:
        client: The client's number.
        own: What was counted on its own test share, which may be empty.
        elsewhere: The same on the test images of all other clients; None where that was not measured.
        new: The same on test images of classes that are not trained on; None where there are none.
        seconds: Time spent in evaluation; nan where it is not known.
        began: When it began by the client's own clock, seconds since 1970; nan where it is not known.
    """

    client: int
    own: Tally
    elsewhere: Tally | None = None
    new: Tally | None = None
    seconds: float = field(default=float("nan"), compare=False)
    began: float = field(default=float("nan"), compare=False)

    @property
    def examples(self) -> int:
        """Returns the size of its own test share."""
        return int(self.own[EXAMPLES])


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One line of rounds.jsonl.

    Attributes:
        round: Round number, from 0.
        participants: Client numbers that trained, ascending.
        loss: Mean training loss, weighted as updates are; nan where it is not told.
        metrics: What was measured, by name (`rounds.measuring` says which); empty where no client was evaluated.
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
    metrics: Mapping[str, float | None] = field(default_factory=dict)
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

    def line(self) -> dict[str, Any]:
        """Returns the line of rounds.jsonl: the metrics stand beside the other numbers."""
        line = asdict(self)
        metrics = line.pop("metrics")
        return {**line, **metrics}
