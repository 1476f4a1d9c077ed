"""The contract of aggregations: the coordinator computes the mean of the clients' uploads in one exchange."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from fedsilo.core.backend import Backend
from fedsilo.core.data import Component
from fedsilo.core.messages import ClientTask, ClientUpdate, UpdateEncoding
from fedsilo.core.privacy import Mechanism
from fedsilo.core.types import Arrays, State

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange, as an aggregation receives it.

    Attributes:
        tasks: The task of each participant, by client.
        backend: Where the clients run.
        reference: Values of the upload's tensors that clients and coordinator know before; only the change is sent.
            Zeros for gradients.
        uniform: Whether clients have equal weights; the weights are numbers of training examples otherwise.
        largest: Training examples of the largest client.
        mechanism: The fitted mechanism.
        charge: Charges the ledger. It is called with the clients of a release before the release becomes known.
        run: Name of the run and the federation; keys of cryptography are bound to it.
        attempt: How often this exchange was begun before.
        weight_by_staleness: Scales an update that began from an older shared state, before updates are added; None
            where no update did. Only for aggregations with `allows_stale`.
        barred: Clients whose messages are ignored, because their secrets could not be opened in an earlier attempt.
    """

    tasks: Mapping[int, ClientTask]
    backend: Backend
    reference: State
    uniform: bool
    largest: int
    mechanism: Mechanism
    charge: Callable[[Sequence[int]], None]
    run: str = ""
    attempt: int = 0
    weight_by_staleness: Callable[[ClientUpdate], ClientUpdate] | None = None
    barred: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SumTerms:
    """What an encoding depends on beside mechanism and aggregation; no privacy rests on `largest` and `attempt`.

    Attributes:
        clients: Largest number of updates that are added up.
        uniform: Whether clients have equal weights; the weights are numbers of training examples otherwise.
        largest: Training examples of the largest client.
        attempt: How often the exchange was begun before.
        coordinates: Numbers in an upload.
    """

    clients: int
    uniform: bool
    largest: int
    attempt: int
    coordinates: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """The result of an exchange.

    Attributes:
        mean: Mean upload over `clients`, fp64; it is rounded after noise was added.
        clients: Clients whose uploads are in the mean, ascending.
        loss: Mean training loss, weighted as the mean is; nan where clients do not report it.
        updates: Each client's upload; empty where the coordinator does not see single uploads.
        crossings: What was sent, as lines of the wire log.
        upload_bytes: Bytes of all messages from clients.
        download_bytes: Bytes of all messages to clients.
        silent: Clients whose upload is in the mean and that were lost afterwards.
        seconds: Training time of each client, seconds; empty where clients do not report it.
        began: Start of training of each client by its own clock, seconds since 1970; empty where clients do not report
            it.
        notices: One line for each wrong message of a client.
    """

    mean: dict[str, Tensor]
    clients: tuple[int, ...]
    loss: float
    updates: Mapping[int, Arrays]
    crossings: Sequence[Mapping[str, object]]
    upload_bytes: int
    download_bytes: int
    silent: tuple[int, ...] = ()
    seconds: Mapping[int, float] = field(default_factory=dict)
    began: Mapping[int, float] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class Aggregation(Component, ABC):
    """A way in which the coordinator computes the mean of the clients' uploads.

    Attributes:
        shows_updates: Whether the coordinator can use each client's update by itself.
        masks: Whether the coordinator sees only the sum of the updates.
        allows_stale: Whether it can weight updates that began from an older shared state
            (`Exchange.weight_by_staleness`).
    """

    kind = "aggregation"
    shows_updates: ClassVar[bool] = True
    masks: ClassVar[bool] = False
    allows_stale: ClassVar[bool] = False

    def refusals(self, clients: int) -> list[str]:
        """Lists why it cannot add up the updates of a number of clients.

        Args:
            clients: How many clients.

        Returns:
            Lines 'key: why. What to do.'; empty when it can.
        """
        return []

    def encoding(self, mechanism: Mechanism, terms: SumTerms) -> UpdateEncoding | None:
        """Makes the encoding of updates under a fitted mechanism.

        Coordinator and clients both call this: the coordinator sends the encoding, and a client accepts no other one.

        Args:
            mechanism: The fitted mechanism.
            terms: Size and weights of the sum.

        Returns:
            How clients write their updates as whole numbers; None where they send them as they are.
        """
        return None

    def parameters(self, clients: tuple[int, ...], dim: int) -> Any:
        """Makes the parameters of a masked sum of vectors, which all sides agree on.

        Args:
            clients: The participants, ascending.
            dim: Length of the vectors.

        Returns:
            The parameters; None where nothing is masked.
        """
        return None

    def signer(self, client: int, clients: int) -> Any:
        """Reads the identity with which a client signs its keys.

        Args:
            client: The client's number.
            clients: How many clients there are.

        Returns:
            The signer; None where clients do not sign.

        Raises:
            ScenarioError: The files with keys are missing or do not fit.
        """
        return None

    def with_absolute_paths(self) -> Aggregation:
        """Returns the same aggregation with absolute paths: actors have another current folder."""
        return self

    def identity_problems(self, clients: int) -> list[str]:
        """Lists what is wrong with the clients' keys.

        Args:
            clients: How many clients there are.

        Returns:
            Lines 'key: why. What to do.'; empty when nothing is.
        """
        return []

    def identity_notices(self, clients: int) -> list[str]:
        """Lists what the user should know of the files with keys.

        Args:
            clients: How many clients there are.

        Returns:
            One line each; empty by default.
        """
        return []

    def identities_sha256(self, clients: int) -> str:
        """Hashes the public keys of the clients.

        Args:
            clients: How many clients there are.

        Returns:
            The hash; "" where clients do not sign.

        Raises:
            ScenarioError: The files with keys are missing or do not fit.
        """
        return ""

    @abstractmethod
    def gather(self, exchange: Exchange) -> Gathered:
        """Carries out one exchange.

        Args:
            exchange: Tasks, clients and mechanism.

        Returns:
            The mean upload, and what was sent.

        Raises:
            ClientLost: A client was lost, and the exchange needs it.
            RoundAborted: Too few clients are left; nothing became known of any upload.
        """
