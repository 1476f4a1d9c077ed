"""What a federation does, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import (
    Aggregation,
    Arrays,
    Availability,
    Mechanism,
    Method,
    Task,
)
from fedsilo.core.training_settings import Training
from fedsilo.simulation.availability.none import AlwaysAvailable
from fedsilo.simulation.client_sampling import traffic_of
from fedsilo.simulation.schedule import Schedule


@dataclass(frozen=True)
class FederationPlan:
    """What a federation does.

    Attributes:
        method: The method.
        task: What is predicted.
        training: The scenario's section.
        evaluate_every: Rounds between evaluations; the last round is always evaluated.
        neighbour_rounds: Evaluated rounds at the end that measure all other clients' test images as well.
        mechanism: The privacy mechanism, fitted to the method.
        aggregation: How the mean of the updates is come by.
        seed: The scenario's seed.
        sizes: Training examples of each client, in client order.
        initial: The shared state before round 0.
        retries: How often a round is tried again after a client was lost.
        unseen: Clients that never train and are measured by themselves; their size is 0.
        stragglers: The scenario's section.
        availability: When clients are there and how long they take, simulated.
        on_cpus: Whether all clients compute on CPUs, where the same work gives the same bits again.
    """

    method: Method
    task: Task
    training: Training
    evaluate_every: int
    mechanism: Mechanism
    aggregation: Aggregation
    seed: int
    sizes: tuple[int, ...]
    initial: Arrays
    neighbour_rounds: int = 0
    retries: int = 2
    unseen: frozenset[int] = frozenset()
    stragglers: StragglerPolicy = field(default_factory=StragglerPolicy)
    availability: Availability = field(default_factory=AlwaysAvailable)
    on_cpus: bool = True

    @property
    def repeats(self) -> bool:
        """Returns whether a round that is done again with the same clients gives the same bits."""
        return self.on_cpus and not self.aggregation.masks  # of a masked sum any client may be left out

    @cached_property
    def schedule(self) -> Schedule:
        """Who trains when."""
        traffic = traffic_of(self.method, self.initial)
        return Schedule(self.method, self.training, self.sizes, self.seed, self.stragglers, self.availability, traffic)

    @cached_property
    def clients(self) -> range:
        """All client numbers."""
        return range(len(self.sizes))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a federation ended.

    Attributes:
        records: Every round's record, as in rounds.jsonl.
        scores: The last evaluation, as in clients.jsonl.
        shared_sha256: Hash of the final shared state.
        private_sha256: Hash of each client's final private state, in client order.
        notices: What the user should know, one line each.
        epsilon: What the ledger counts in the end; None where nothing is promised.
    """

    records: tuple[Mapping[str, object], ...]
    scores: tuple[Mapping[str, object], ...]
    shared_sha256: str
    private_sha256: tuple[str, ...]
    notices: tuple[str, ...]
    epsilon: float | None = None
