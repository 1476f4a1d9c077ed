"""The contract of privacy mechanisms: what they know of a run, what they protect, and what they guarantee."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fedsilo.core.data import Component
from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.core.seeds import KeyedGenerator
from fedsilo.core.types import State

FINEST_SHARE = 256.0
"""Smallest deviation of a share of noise, in steps of the ring; sums of such shares are almost Gaussian."""

PlannedRelease = tuple[int, tuple[int, ...]]
"""One exchange of a planned run: its number within its round, and its participants."""


@dataclass(frozen=True, slots=True)
class PrivacyContext:
    """What a mechanism needs to know of a run to compute its noise.

    All of it is public, the sizes of clients too.

    Attributes:
        rounds: Federated rounds.
        clients: Clients in the federation that train.
        batch_size: Largest batch of any client.
        personal: Whether clients also train parameters of their own, which never leave them.
        gradients: Whether clients send the gradient of one batch in each exchange.
        streams: Gradients that are made of one batch, those of private parameters included.
        federation: Which of a run's federations it is, by its method.
        local_epochs: Passes over a client's data in each round.
        sizes: Training examples of each client, in client order.
        turns: The exchanges of the run, in order; used to fit the noise, and not kept afterwards.
    """

    rounds: int
    clients: int
    batch_size: int
    personal: bool
    gradients: bool
    streams: int = 1
    federation: str = ""
    local_epochs: int = 1
    sizes: tuple[int, ...] = ()
    turns: tuple[PlannedRelease, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Budget:
    """The privacy that a run has spent.

    Attributes:
        epsilon: The epsilon.
        delta: The delta of that epsilon.
        guaranteed: False for a published calibration whose proof does not hold: the epsilon is then nominal.
        unit: Whose presence is hidden: "client" or "example".
        note: What a reader must know, one line; "" for nothing.
    """

    epsilon: float
    delta: float
    guaranteed: bool
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """Something that is about to be released.

    Attributes:
        reference: What the receiver knows already, of which an upload is a change; zeros for a gradient.
        participants: Clients in the mean; 1 for a client's own upload.
        generator: The only source of noise.
    """

    reference: State
    participants: int
    generator: KeyedGenerator


@dataclass(frozen=True, slots=True)
class ExampleClipping:
    """How a batch's gradient is taken where single examples are protected.

    Attributes:
        norm: Largest L2 norm of one example's gradient, by all parameters together.
        batch: The public number by which the sum over a batch is divided.
        poisson: Whether each example is drawn into a batch independently; batches are shuffled otherwise.
        tolerance: Share of an example's gradient of the class features that may be moved to classes with larger ones.
    """

    norm: float
    batch: int
    poisson: bool
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class NoiseShares:
    """The noise of a sum, of which every client adds a share.

    Attributes:
        multiplier: Deviation over sensitivity of the sum, with the shares of the fewest honest clients.
        sensitivity: Largest change of the sum of the uploads with the protected unit, L2 norm.
        seeded: Whether the shares come from the scenario's seed; from the operating system otherwise.
    """

    multiplier: float
    sensitivity: float
    seeded: bool


class Mechanism(Component):
    """A privacy mechanism: hooks on a client's gradients, on its upload, and on the aggregate.

    The base class protects nothing and guarantees nothing.
    """

    kind = "mechanism"

    uniform: ClassVar[bool] = False
    """Whether clients must count equally (sensitivity is not bounded otherwise)."""
    trusts_coordinator: ClassVar[bool] = True
    """Whether the coordinator may see what is not protected yet."""
    adds_shares: ClassVar[bool] = False
    """Whether clients add noise in shares that hide nothing alone: they must be masked."""
    noisy: ClassVar[bool] = True
    """Whether noise is drawn: exchanges are recorded then, so that no draw is used for two of them."""
    allows_stale: bool = False
    """Whether the accounting holds where an update began from an older shared state and counts less (buffered)."""
    delta: float = 1e-5
    """Delta that the budget is stated at."""
    adjacency: Adjacency = "zero_out"
    """The neighbouring data set: the unit is replaced by zero, or by another unit."""
    federation: str = ""
    """The federation of the run that it is fitted to; its noise is drawn for this one only."""
    on_budget: str = "stop"
    """"stop" or "warn": what happens before a round that would exceed the limit."""

    def fit(self, facts: PrivacyContext) -> Mechanism:
        """Computes the noise for a run; no hook may be called before.

        Args:
            facts: What is known of the run.

        Returns:
            The mechanism with its noise.
        """
        return self

    @property
    def examples(self) -> ExampleClipping | None:
        """Returns how gradients are clipped by example; None where a batch's mean gradient is used."""
        return None

    @property
    def seeded(self) -> bool:
        """Returns whether noise and samples come from the scenario's seed; from the operating system otherwise."""
        return True

    @property
    def coordinate_bound(self) -> float | None:
        """Returns a bound on the change of each coordinate of an upload, which may be clipped to it; or None."""
        return None

    @property
    def shares(self) -> NoiseShares | None:
        """Returns the noise that clients add in shares, in modular arithmetic; None for none."""
        return None

    @property
    def by_example(self) -> bool:
        """Returns whether single examples are protected, not whole clients."""
        return False

    @property
    def per_batch(self) -> bool:
        """Returns whether it is defined for one gradient per exchange only."""
        return False

    @property
    def limit(self) -> float | None:
        """Returns the largest epsilon that a run may spend; None for no limit."""
        return None

    def protect_private(self, gradients: State, release: Release) -> State:
        """Protects gradients with which a client steps its own parameters.

        Args:
            gradients: Gradients by name.
            release: Source of the noise.

        Returns:
            The gradients that may be used; unchanged by default.
        """
        return gradients

    def protect_client(self, upload: State, release: Release) -> State:
        """Protects a client's upload.

        Args:
            upload: Tensors by name.
            release: Known reference and source of the noise.

        Returns:
            The upload that may leave the client; unchanged by default.
        """
        return upload

    def protect_mean(self, mean: State, release: Release) -> State:
        """Protects the aggregate.

        Args:
            mean: Mean upload by name.
            release: Known reference, number of clients and source of the noise.

        Returns:
            The aggregate that may be published; unchanged by default.
        """
        return mean

    def expenses(self, client: int, exchange: int) -> tuple[AnyPrivacyEvent, ...]:
        """Lists the privacy events of one exchange for a client that takes part in the whole run.

        A plan adds these up. The ledger charges them too, with one difference: a pass is charged when the first sum of
        it that contains the client is opened, whichever exchange that is.

        Args:
            client: The client's number.
            exchange: Exchange within the round.

        Returns:
            The events; empty where no guarantee is given.
        """
        return ()

    def pass_start(self, client: int, exchange: int) -> int:
        """Finds the exchange of the round whose `expenses` cover this exchange too: the first of a pass.

        In a pass over a client's shuffled data each example is in one batch only, so the cost of one exchange covers
        all of them. By default every exchange is charged by itself.

        Args:
            client: The client's number.
            exchange: Exchange within the round.

        Returns:
            An exchange of the same round, not after this one.
        """
        return exchange

    def guarantee(self, epsilon: float) -> Budget | None:
        """States the guarantee for the epsilon in the ledger.

        Args:
            epsilon: The epsilon in the ledger.

        Returns:
            The statement; None where no guarantee is given.
        """
        return None
