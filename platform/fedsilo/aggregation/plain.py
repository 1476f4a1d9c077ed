"""Plain aggregation: the coordinator sees every update and averages them.

Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedsilo.core import Aggregation, ClientUpdate, Exchange, Gathered, collect_times
from fedsilo.core.config_fields import key
from fedsilo.core.state import size
from fedsilo.storage.wire_log import make_exchange_lines


@dataclass(frozen=True)
class Plain(Aggregation):
    """The mean of the clients' uploads."""

    allows_stale = True

    weights: str = key(
        "examples", "Weight of a client: its training examples, or equal weights.", "examples", "uniform"
    )

    def gather(self, exchange: Exchange) -> Gathered:
        """Has the participants train and averages their uploads.

        Args:
            exchange: The exchange.

        Returns:
            The mean, every client's upload, and what crossed.

        Raises:
            ClientLost: A participant sent nothing.
        """
        tasks = exchange.tasks
        exchange.charge(list(tasks))  # before clients send anything: some mechanisms release right there
        updates = exchange.backend.train(tasks)
        seconds, began = collect_times(updates)
        return Gathered(
            mean=self.combine(
                [*map(exchange.weight_by_staleness, updates)] if exchange.weight_by_staleness else updates,
                exchange.uniform,
            ),
            clients=tuple(tasks),
            loss=self._mean_loss(updates, exchange.uniform),
            updates={update.client: update.tensors for update in updates},
            crossings=make_exchange_lines(tasks, updates),
            upload_bytes=sum(size(update.tensors) for update in updates),
            download_bytes=sum(size(task.shared) for task in tasks.values()),
            seconds=seconds,
            began=began,
        )

    def combine(self, updates: Sequence[ClientUpdate], uniform: bool) -> dict[str, Tensor]:
        """Averages uploads in fp64, summed in the order given.

        Args:
            updates: The updates, at least one.
            uniform: Whether clients count equally, whatever the scenario says.

        Returns:
            The weighted mean, by tensor.
        """
        weights = self._weights(updates, uniform)
        weights /= weights.sum()
        return {
            name: torch.from_numpy(
                sum(w * update.tensors[name].astype(np.float64) for w, update in zip(weights, updates, strict=True))
            )
            for name in updates[0].tensors
        }

    def _weights(self, updates: Sequence[ClientUpdate], uniform: bool) -> NDArray[np.float64]:
        alike = uniform or self.weights == "uniform"
        return np.array([1.0 if alike else update.weight for update in updates], dtype=np.float64)

    def _mean_loss(self, updates: Sequence[ClientUpdate], uniform: bool) -> float:
        """The mean over clients that report a loss: an empty batch has none."""
        finite = [update for update in updates if isfinite(update.loss)]
        weights = self._weights(finite, uniform)
        return float(weights @ [update.loss for update in finite] / weights.sum()) if finite else nan
