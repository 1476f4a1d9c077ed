"""Aggregation: how the coordinator comes to the mean of the clients' uploads in one exchange."""

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
    """One exchange as an aggregation carries it out.

    Attributes:
        tasks: What each participant is sent.
        backend: Where the clients are.
        reference: What clients know of their upload's tensors before: their change is sent; zeros for gradients.
        uniform: Whether clients count alike; by training examples otherwise.
        largest: Training examples of the largest client.
        mechanism: The fitted mechanism.
        charge: Called with the clients whose release is about to become known, before it does.
        run: Name of the run and the federation, for keys that shall serve no other one.
        attempt: How often this exchange was begun before.
        settle: What is made of an update before it is added to others, where it began from an older shared state; None
            where none did. Only for aggregations that allow it.
        barred: Clients whose messages are not heard, because their secrets could not be opened in an attempt before.
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
        clients: Most updates that are added up.
        uniform: Whether clients count alike; by training examples otherwise.
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
    """What came of an exchange.

    Attributes:
        mean: The mean upload over `clients`, in fp64: it is rounded once noise is in it.
        clients: Whose uploads are in it, ascending.
        loss: Mean training loss, weighted as the mean is; nan where it is not told.
        updates: Each client's upload; empty where the coordinator does not see it.
        crossings: What crossed, as lines of the wire log.
        upload_bytes: Bytes of all messages that left clients.
        download_bytes: Bytes of all messages that went to clients.
        silent: Clients whose upload is in the mean and who were lost afterwards.
        seconds: How long each client trained; empty where it is not told.
        began: When each began, by its own clock, seconds since 1970; empty where it is not told.
        notices: What clients sent that was wrong, one line each.
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
    """How the coordinator comes to the mean of the clients' uploads.

    Attributes:
        shows_updates: Whether the coordinator can use each client's update by itself.
        masks: Whether it sees nothing of an update but the sum that it is in.
        allows_stale: Whether it settles updates that began from an older shared state (`Exchange.weight_by_staleness`).
    """

    kind = "aggregation"
    shows_updates: ClassVar[bool] = True
    masks: ClassVar[bool] = False
    allows_stale: ClassVar[bool] = False

    def refusals(self, clients: int) -> list[str]:
        """Returns why it cannot add up the updates of so many clients, as 'key: why. What to do.' lines."""
        return []

    def encoding(self, mechanism: Mechanism, terms: SumTerms) -> UpdateEncoding | None:
        """Returns how clients write their updates under a fitted mechanism; None: they send them as they are.

        Both sides ask this: the coordinator for what it says to clients, each client for what it agrees to.
        """
        return None

    def parameters(self, clients: tuple[int, ...], dim: int) -> Any:
        """Returns what all sides of a masked sum of vectors agree on; None where nothing is masked."""
        return None

    def signer(self, client: int, clients: int) -> Any:
        """Returns what a client signs its keys with, one of so many; None: it does not. Raises ScenarioError."""
        return None

    def located(self) -> Aggregation:
        """Returns the same with paths that do not depend on the current folder: actors have another one."""
        return self

    def identity_problems(self, clients: int) -> list[str]:
        """Returns what is wrong with the keys of so many clients, as 'key: why. What to do.' lines."""
        return []

    def identity_notices(self, clients: int) -> list[str]:
        """Returns what the user should know of files with keys, one line each: nothing by default."""
        return []

    def identities_sha256(self, clients: int) -> str:
        """Returns the hash of the public keys of so many clients, "" where they do not sign. Raises ScenarioError."""
        return ""

    @abstractmethod
    def gather(self, exchange: Exchange) -> Gathered:
        """Returns the mean upload of one exchange.

        Raises:
            ClientLost: A client was lost, and the exchange cannot do without.
            RoundAborted: Too few clients are left; nothing was learnt of any upload.
        """
