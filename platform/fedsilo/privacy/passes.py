"""Counts what the releases of one round cost each client: a pass over its shuffled data once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fedsilo.core import Mechanism
from fedsilo.core.privacy_events import AnyPrivacyEvent


class PassCounter:
    """The passes that were charged in one round.

    In a pass over a client's shuffled data an example is in the batch of one exchange, and in the same one in every
    attempt at the round. So the example is in as many releases of the pass as that exchange was opened times with the
    client in it, and a pass that was charged as often as the most opened of its exchanges is charged often enough, for
    each example. Exchanges that the client is missing in count for nothing, and it does not matter which these are.
    """

    def __init__(self, mechanism: Mechanism) -> None:
        """Begins a round in which nothing was released."""
        self._mechanism = mechanism
        self._released: Counter[tuple[int, int]] = Counter()  # by client and exchange
        self._charged: Counter[tuple[int, int]] = Counter()  # by client and first exchange of the pass

    def take(self, client: int, exchange: int) -> Iterable[AnyPrivacyEvent]:
        """Returns what one more release of an exchange costs a client that is in it."""
        start = self._mechanism.pass_start(client, exchange)
        self._released[client, exchange] += 1
        if self._released[client, exchange] <= self._charged[client, start]:
            return ()
        self._charged[client, start] += 1
        return self._mechanism.expenses(client, start)
