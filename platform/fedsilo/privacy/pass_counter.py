"""Counts what the releases of one round cost each client, where a pass over shuffled data costs once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fedsilo.core import Mechanism
from fedsilo.core.privacy_events import AnyPrivacyEvent


class PassCounter:
    """The passes that were charged in one round.

    In a pass over a client's shuffled data, an example is in the batch of one exchange, and in every attempt at the
    round
    in the same one. So the example is in as many releases of the pass as that exchange was released with the client in
    it.
    A pass is therefore charged as often as the exchange that was released most often; this is enough for every example.
    Exchanges without the client count nothing, and it does not matter which exchanges these are.
    """

    def __init__(self, mechanism: Mechanism) -> None:
        """Begins a round in which nothing was released.

        Args:
            mechanism: The fitted mechanism.
        """
        self._mechanism = mechanism
        self._released: Counter[tuple[int, int]] = Counter()  # by client and exchange
        self._charged: Counter[tuple[int, int]] = Counter()  # by client and first exchange of the pass

    def take(self, client: int, exchange: int) -> Iterable[AnyPrivacyEvent]:
        """Counts one more release of an exchange with a client in it.

        Args:
            client: The client's number.
            exchange: Exchange within the round.

        Returns:
            The privacy events that this release costs; none where the pass was charged before.
        """
        start = self._mechanism.pass_start(client, exchange)
        self._released[client, exchange] += 1
        if self._released[client, exchange] <= self._charged[client, start]:
            return ()
        self._charged[client, start] += 1
        return self._mechanism.expenses(client, start)
