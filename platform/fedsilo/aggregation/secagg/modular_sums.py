"""The common part of aggregations that add whole numbers modulo 2^32: the encoding of an exchange, and its inverse."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fedsilo.aggregation.secagg.modular_vectors import Residues
from fedsilo.aggregation.secagg.update_vectors import ModularEncoding
from fedsilo.core import FINEST_SHARE, Aggregation, ClientTask, Exchange, Mechanism, SumTerms
from fedsilo.core.config_fields import key
from fedsilo.core.errors import RunError


@dataclass(frozen=True)
class ModularAggregation(Aggregation):
    """Updates are written as whole numbers, and only their sum is used."""

    shows_updates: ClassVar[bool] = False

    weights: str = key(
        "examples", "Weight of a client: its training examples, or equal weights.", "examples", "uniform"
    )
    bound: float = key(
        8.0,
        "Largest change of a coordinate that can be sent, where no mechanism clips; a larger change stops the run.",
        within="> 0",
    )

    def unknown(self, clients: int) -> int:
        """Counts the updates in an opened sum that remain unknown to every party, so that their noise must suffice.

        Args:
            clients: Number of clients in the sum.

        Returns:
            The number of unknown updates: all of them, in the base class.
        """
        return clients

    def encode_tasks(self, exchange: Exchange) -> tuple[ModularEncoding, dict[int, ClientTask]]:
        """Fixes the encoding of an exchange and adds it to the tasks.

        Args:
            exchange: The exchange.

        Returns:
            The encoding, and the participants' tasks with it.

        Raises:
            RunError: This number of clients does not fit the ring, or the noise is too fine for it.
        """
        terms = SumTerms(
            clients=len(exchange.tasks),
            uniform=exchange.uniform,
            largest=exchange.largest,
            attempt=exchange.attempt,
            coordinates=sum(math.prod(tensor.shape) for tensor in exchange.reference.values()),
        )
        encoding = self.encoding(exchange.mechanism, terms)
        return encoding, {client: replace(task, encoding=encoding) for client, task in exchange.tasks.items()}

    def encoding(self, mechanism: Mechanism, terms: SumTerms) -> ModularEncoding:
        """Fixes how clients write their updates; coordinator and clients compute it independently.

        Args:
            mechanism: The fitted privacy mechanism.
            terms: What else the encoding depends on.

        Returns:
            The encoding, with shares of noise where the mechanism adds them.

        Raises:
            RunError: As `encode_tasks`.
        """
        coordinate_bound = mechanism.coordinate_bound
        plain = ModularEncoding(
            clients=terms.clients,
            bound=self.bound if coordinate_bound is None else coordinate_bound,
            clamp=coordinate_bound is not None,
            uniform=terms.uniform or self.weights == "uniform",
            largest=terms.largest,
            tells_loss=mechanism.trusts_coordinator,
            attempt=terms.attempt,
        )
        return self._with_noise(plain, mechanism, terms.coordinates)

    def _with_noise(self, plain: ModularEncoding, mechanism: Mechanism, coordinates: int) -> ModularEncoding:
        noise = mechanism.shares
        if noise is None:
            return plain
        needed, honest = noise.multiplier * noise.sensitivity, self.unknown(plain.clients)
        # 2 % above what is needed leave room for what rounding adds to the sensitivity; the codec refuses more.
        room = replace(plain, deviation=1.02 * needed * math.sqrt(plain.clients / honest), seeded=noise.seeded)
        share = noise.multiplier * room.values.sensitivity(noise.sensitivity, coordinates) / math.sqrt(honest)
        if share < FINEST_SHARE:
            raise RunError(
                f"privacy.noise_multiplier: {noise.multiplier:g} gives shares of {share:.3g} ring units, at least "
                f"{FINEST_SHARE:g} are needed. Take more noise or fewer clients."
            )
        return replace(room, share=share, honest=honest)

    def mean(self, exchange: Exchange, encoding: ModularEncoding, total: Residues) -> tuple[dict[str, Tensor], float]:
        """Decodes a sum.

        Args:
            exchange: The exchange.
            encoding: Its encoding.
            total: The sum of the clients' vectors.

        Returns:
            The mean upload by tensor, in fp64, and the mean loss.
        """
        shapes = {name: tuple(tensor.shape) for name, tensor in exchange.reference.items()}
        change, loss = encoding.decode(total, shapes)
        known = {name: tensor.double().numpy() for name, tensor in exchange.reference.items()}
        return {name: torch.from_numpy(known[name] + change[name]) for name in change}, loss
