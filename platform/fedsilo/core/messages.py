"""Messages between coordinator and clients, and the record of a round."""

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

    The only one is `fedsilo.aggregation.secagg.update_vectors.ModularEncoding`.
    """

    @property
    def attempt(self) -> int:
        """Returns how often the exchange was begun before."""
        ...

    @property
    def clients(self) -> int:
        """Returns the largest number of updates that are added up."""
        ...

    @property
    def largest(self) -> int:
        """Returns the training examples of the largest client; weights are divided by it, so that none exceeds 1."""
        ...

    @property
    def ending(self) -> bytes:
        """Returns the last bytes of a sum's context: clients with another encoding cannot take part in the sum."""
        ...

    @property
    def honest(self) -> int:
        """Returns the smallest number of honest clients in a sum that is opened."""
        ...

    @property
    def seeded(self) -> bool:
        """Returns whether shares of noise come from the scenario's seed."""
        ...

    def encode(self, change: Mapping[str, NDArray[Any]], examples: int, loss: float, key: bytes) -> NDArray[np.uint32]:
        """Writes a client's update as a vector, with the client's share of the noise.

        Args:
            change: The change of each tensor of the upload, by name.
            examples: The client's training examples.
            loss: Its mean training loss.
            key: 32 bytes that determine the noise and the rounding.

        Returns:
            The vector, uint32.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClientTask:
    """What the coordinator sends to one client for one exchange.

    Attributes:
        round: Round number, from 0.
        exchange: Exchange within the round, from 0.
        shared: The client's part of the shared state, as read-only arrays.
        encoding: How the upload is written as whole numbers that can be added up; None where it is sent as it is.
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
    """What the coordinator sends to one client for one evaluation.

    Attributes:
        round: Round number, from 0.
        shared: The client's part of the shared state, as read-only arrays.
        neighbours: Whether to measure on all other clients' test images as well.
        timed: Whether the client may report how long the evaluation took.
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
        loss: Mean training loss of the exchange; nan where the client does not report it.
        seconds: Training time, seconds; nan where the client does not report it.
        began: Start of training by the client's own clock, seconds since 1970; nan where the client does not report it.
    """

    client: int
    tensors: Arrays
    weight: int
    loss: float
    seconds: float
    began: float = field(default=float("nan"), compare=False)


def collect_times(updates: Sequence[ClientUpdate]) -> tuple[dict[int, float], dict[int, float]]:
    """Collects the training times that clients report.

    Args:
        updates: Updates of an exchange.

    Returns:
        Training time in seconds and start of training in seconds since 1970, each by client; see `Gathered`.
    """
    timed = [update for update in updates if math.isfinite(update.seconds)]
    return {update.client: update.seconds for update in timed}, {update.client: update.began for update in timed}


@dataclass(frozen=True, slots=True)
class ClientScore:
    """How one client's model performs on test images.

    Attributes:
        client: The client's number.
        own: Counts on its own test share, which may be empty.
        elsewhere: Counts on the test images of all other clients; None where that was not measured.
        new: Counts on test images of classes that are not trained on; None where there are none.
        validation: Counts on the validation images; None where the data set has none.
        seconds: Evaluation time, seconds; nan where it is not known.
        began: Start by the client's own clock, seconds since 1970; nan where it is not known.
    """

    client: int
    own: Tally
    elsewhere: Tally | None = None
    new: Tally | None = None
    validation: Tally | None = None
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
        participants: Numbers of the clients that trained, ascending.
        loss: Mean training loss, weighted as updates are; nan where clients do not report it.
        metrics: Measured values by name (see `core.metrics`); empty where no client was evaluated.
        upload_bytes: Bytes that left clients.
        download_bytes: Bytes that went to clients.
        exchanges: Exchanges in the round, each of which published one aggregate.
        dropped: Clients whose update is missing in at least one exchange, ascending.
        late: Clients that were asked and available and do not count by the section `stragglers`: too late, not needed
            any more, or of a round that was given up.
        offline: Clients that were asked and not available, or that left before they answered, by the section
            `availability`.
        staleness: Rounds since each participant's update began, in their order; empty where all began in this round.
        simulated_s: Duration of the round, simulated seconds; None where time is not simulated.
        clock_s: End of the round, simulated seconds since the run began.
        epsilon: Epsilon in the ledger after the round; None where no guarantee is given.
        shared_sha256: Hash of the shared state after the round.
        seconds: Wall time by stage, seconds.
        slowest: The client that trained longest over all exchanges, its seconds, and the median of all clients; empty
            where clients do not report times.
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
        """Returns the line of rounds.jsonl as a mapping, with the metrics beside the other numbers."""
        line = asdict(self)
        metrics = line.pop("metrics")
        return {**line, **metrics}
