"""Ring aggregation: updates as whole numbers, added up in the clear. What `secure` must equal bit for bit.

It is there to compare with: it rounds as secure aggregation does and hides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.aggregation.secagg.modular_sums import RingAggregation
from fedsilo.core import Exchange, Gathered, collect_times
from fedsilo.core.state import size
from fedsilo.storage.wire_log import exchange_lines


@dataclass(frozen=True)
class Ring(RingAggregation):
    """The sum of encoded updates, which the coordinator sees one by one."""

    def gather(self, exchange: Exchange) -> Gathered:
        """Returns the mean of what all participants send. Raises ClientLost where one does not."""
        encoding, tasks = self.encoded(exchange)
        exchange.charge(list(tasks))
        updates = exchange.backend.train(tasks)
        total = np.stack([update.tensors["ring"] for update in updates]).sum(axis=0, dtype=np.uint32)
        mean, loss = self.mean(exchange, encoding, total)
        seconds, began = collect_times(updates)
        return Gathered(
            mean=mean,
            clients=tuple(tasks),
            loss=loss,
            updates={},
            crossings=exchange_lines(tasks, updates),
            upload_bytes=sum(size(update.tensors) for update in updates),
            download_bytes=sum(size(task.shared) for task in tasks.values()),
            seconds=seconds,
            began=began,
        )
