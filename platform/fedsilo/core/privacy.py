"""Privacy mechanisms: what they must know of a run, what they are asked, what they promise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from fedsilo.core.data import Component
from fedsilo.core.keyed_draws import KeyedGenerator
from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.core.types import State

FINEST_SHARE = 256.0
"""Least deviation of a share of noise, in steps of the ring: sums of such shares are all but Gaussian."""

PlannedRelease = tuple[int, tuple[int, ...]]
"""One exchange of a run that is planned: its number within its round, and the clients that take part."""


@dataclass(frozen=True, slots=True)
class PrivacyContext:
    """What a mechanism must know of a run before it can say how much noise it takes.

    All of it is public: the sizes of clients as well.

    Attributes:
        rounds: Federated rounds.
        clients: Clients in the federation that train.
        batch_size: Largest batch that any client steps on.
        personal: Whether clients also learn parameters of their own, which never leave them.
        gradients: Whether clients send the gradient of one batch in each exchange.
        streams: Gradients that one batch is turned into, own parameters' included.
        federation: Which of a run's federations it is, by its method.
        local_epochs: Passes over a client's data in each round.
        sizes: Training examples of each client, in client order.
        turns: The exchanges of the run, in order; needed to fit, not kept afterwards.
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
    """What a run has spent.

    Attributes:
        epsilon: The epsilon.
        delta: The delta it is stated at.
        guaranteed: False for a published calibration whose proof does not hold: the epsilon is then nominal.
        unit: Whose presence is hidden: "client" or "example".
        note: What a reader must know, one line; "" when nothing.
    """

    epsilon: float
    delta: float
    guaranteed: bool
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """One thing that is about to leave its place.

    Attributes:
        reference: What the receiver knows already and an upload is a change of; zeros for a gradient.
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
        norm: Largest L2 norm of one example's gradient, by all that it is taken by together.
        batch: The public number that the sum over a batch is divided by.
        poisson: Whether each example is in a batch by a draw of its own; shuffled batches otherwise.
        tolerance: Share of what an example asks of the class features that may be moved to classes that matter more.
    """

    norm: float
    batch: int
    poisson: bool
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class NoiseShares:
    """The noise that a sum shall carry, of which every client adds a share.

    Attributes:
        multiplier: Deviation over sensitivity of the sum, of the fewest honest clients' shares.
        sensitivity: By how much, in L2 norm, the sum of the uploads changes with the protected unit.
        seeded: Whether the shares come from the scenario's seed; from the operating system otherwise.
    """

    multiplier: float
    sensitivity: float
    seeded: bool


class Mechanism(Component):
    """A privacy mechanism: hooks on what a client learns, on what it uploads, and on the aggregate.

    As it stands it protects nothing and promises nothing.
    """

    kind = "mechanism"

    uniform: ClassVar[bool] = False
    """Whether clients must count equally (sensitivity is not bounded otherwise)."""
    trusts_coordinator: ClassVar[bool] = True
    """Whether the coordinator may see what is not protected yet."""
    adds_shares: ClassVar[bool] = False
    """Whether clients add noise in shares that hide nothing alone: they must be masked."""
    noisy: ClassVar[bool] = True
    """Whether anything is drawn: the exchanges of a run are on record then, so that no draw serves two of them."""
    allows_stale: bool = False
    """Whether the accounting holds where an update began from an older shared state and counts less (buffered)."""
    delta: float = 1e-5
    """Delta that the budget is stated at."""
    adjacency: Adjacency = "zero_out"
    """What the presence of the unit is compared with."""
    federation: str = ""
    """Which of a run's federations it is fitted to: noise is drawn for one and no other."""
    on_budget: str = "stop"
    """"stop" or "warn": what happens before a round that would exceed the limit."""

    def fit(self, facts: PrivacyContext) -> Mechanism:
        """Returns the mechanism with its noise fixed for a run; before that no hook is called."""
        return self

    @property
    def examples(self) -> ExampleClipping | None:
        """Returns how gradients are clipped example by example; None: they are those of a batch's mean."""
        return None

    @property
    def seeded(self) -> bool:
        """Returns whether noise and samples come from the scenario's seed; from the operating system otherwise."""
        return True

    @property
    def coordinate_bound(self) -> float | None:
        """Returns a bound on every coordinate of an upload's change, beyond which it may be cut; None: none known."""
        return None

    @property
    def shares(self) -> NoiseShares | None:
        """Returns the noise that clients add in the ring, share by share; None: none."""
        return None

    @property
    def by_example(self) -> bool:
        """Returns whether single examples are protected, not whole clients."""
        return False

    @property
    def per_batch(self) -> bool:
        """Returns whether it is stated for one gradient per exchange only."""
        return False

    @property
    def limit(self) -> float | None:
        """Returns the epsilon that a run may not exceed; None: none."""
        return None

    def protect_private(self, gradients: State, release: Release) -> State:
        """Returns gradients that a client steps along itself as it may use them: by default as they are."""
        return gradients

    def protect_client(self, upload: State, release: Release) -> State:
        """Returns the upload as it may leave the client: by default as it is."""
        return upload

    def protect_mean(self, mean: State, release: Release) -> State:
        """Returns the aggregate as it may be published: by default as it is."""
        return mean

    def expenses(self, client: int, exchange: int) -> tuple[AnyPrivacyEvent, ...]:
        """Returns what one exchange costs a client that takes part in all of the run; nothing if nothing is promised.

        A plan adds these up. The ledger charges them too, except that a pass is charged when the client is in the
        first sum of it that is opened, whichever that is.

        Args:
            client: The client's number.
            exchange: Exchange within the round.
        """
        return ()

    def pass_start(self, client: int, exchange: int) -> int:
        """Returns the exchange of the round whose `expenses` cover this one as well: the first of a pass.

        In a pass over a client's shuffled data each example is in one batch only, so what one exchange costs is enough
        for all. By default every exchange is charged by itself.

        Args:
            client: The client's number.
            exchange: Exchange within the round.
        """
        return exchange

    def guarantee(self, epsilon: float) -> Budget | None:
        """Returns the statement for the epsilon that the ledger counts; None where nothing is promised."""
        return None
