"""What aggregations that add whole numbers modulo 2^32 have in common: the encoding of an exchange and its way back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fedsilo.contracts import FINEST_SHARE, Aggregation, ClientTask, Exchange
from fedsilo.errors import RunError
from fedsilo.fields import key
from fedsilo.secagg.updates import Encoding, Ring


@dataclass(frozen=True)
class RingAggregation(Aggregation):
    """Updates are written as whole numbers, and only their sum is used."""

    shows_updates: ClassVar[bool] = False

    weights: str = key(
        "examples", "What a client counts by: its training examples, or all alike.", "examples", "uniform"
    )
    bound: float = key(
        8.0,
        "Largest change of a coordinate that can be sent, where no mechanism clips; a larger one stops the run.",
        within="> 0",
    )

    def encoded(self, exchange: Exchange, honest: int) -> tuple[Encoding, dict[int, ClientTask]]:
        """Returns the encoding of this exchange, and the participants' tasks with it.

        Args:
            exchange: The exchange.
            honest: Fewest honest clients in a sum that becomes known; their shares of noise must suffice.

        Raises:
            RunError: So many clients do not fit the ring, or the noise is too fine for it.
        """
        clients, reach = len(exchange.tasks), exchange.mechanism.reach
        plain = Encoding(
            clients=clients,
            bound=self.bound if reach is None else reach,
            clamp=reach is not None,
            uniform=exchange.uniform or self.weights == "uniform",
            largest=exchange.largest,
            tells_loss=exchange.mechanism.trusts_coordinator,
            attempt=exchange.attempt,
        )
        encoding = self._with_noise(plain, exchange, honest)
        return encoding, {client: replace(task, encoding=encoding) for client, task in exchange.tasks.items()}

    def _with_noise(self, plain: Encoding, exchange: Exchange, honest: int) -> Encoding:
        noise = exchange.mechanism.shares
        if noise is None:
            return plain
        needed = noise.multiplier * noise.sensitivity
        # Two per cent more than needed leave room for what rounding adds to the sensitivity; the codec refuses more.
        room = replace(plain, deviation=1.02 * needed * math.sqrt(plain.clients / honest), seeded=noise.seeded)
        dim = sum(math.prod(tensor.shape) for tensor in exchange.reference.values())
        share = noise.multiplier * room.values.sensitivity(noise.sensitivity, dim) / math.sqrt(honest)
        if share < FINEST_SHARE:
            raise RunError(
                f"privacy.noise_multiplier: {noise.multiplier:g} gives shares of {share:.3g} ring units, at least "
                f"{FINEST_SHARE:g} are needed. Take more noise or fewer clients."
            )
        return replace(room, share=share, honest=honest)

    def mean(self, exchange: Exchange, encoding: Encoding, total: Ring) -> tuple[dict[str, Tensor], float]:
        """Returns the mean upload and the mean loss that a sum stands for."""
        shapes = {name: tuple(tensor.shape) for name, tensor in exchange.reference.items()}
        change, loss = encoding.decode(total, shapes)
        known = {name: tensor.double().numpy() for name, tensor in exchange.reference.items()}
        return {name: torch.from_numpy((known[name] + change[name]).astype(np.float32)) for name in change}, loss
