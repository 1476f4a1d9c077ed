"""Modular aggregation: updates as whole numbers modulo 2^32, added up in the clear. `secure` must give the same bits.

It exists for comparison: it rounds as secure aggregation does, and protects nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.aggregation.secagg.modular_sums import ModularAggregation
from fedsilo.core import Exchange, Gathered, collect_times
from fedsilo.core.state import size
from fedsilo.storage.wire_log import make_exchange_lines


@dataclass(frozen=True)
class Modular(ModularAggregation):
    """The sum of encoded updates; the coordinator sees each of them."""

    def gather(self, exchange: Exchange) -> Gathered:
        """Has the participants train and adds up their encoded updates.

        Args:
            exchange: The exchange.

        Returns:
            The mean and what crossed.

        Raises:
            ClientLost: A participant sent nothing.
        """
        encoding, tasks = self.encode_tasks(exchange)
        exchange.charge(list(tasks))
        updates = exchange.backend.train(tasks)
        total = np.stack([update.tensors["modular"] for update in updates]).sum(axis=0, dtype=np.uint32)
        mean, loss = self.mean(exchange, encoding, total)
        seconds, began = collect_times(updates)
        return Gathered(
            mean=mean,
            clients=tuple(tasks),
            loss=loss,
            updates={},
            crossings=make_exchange_lines(tasks, updates),
            upload_bytes=sum(size(update.tensors) for update in updates),
            download_bytes=sum(size(task.shared) for task in tasks.values()),
            seconds=seconds,
            began=began,
        )
