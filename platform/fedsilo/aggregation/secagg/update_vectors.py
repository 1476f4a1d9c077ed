"""An update as whole numbers that can be added up modulo 2^32, with what must not travel beside it in the clear.

Layout: every coordinate of the upload's change, tensors in the order of their names; then how much the client counts,
and, if the loss is told, the share of that which has a loss, and the loss. What an update weighs and how it did would
reveal one client as much as the update itself, so they are summed in the same vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsilo.aggregation.secagg.modular_vectors import Residues, RingCodec
from fedsilo.core.errors import ClientError
from fedsilo.core.types import Arrays
from fedsilo.privacy.accounting.discrete_gaussian import DiscreteGaussian

Shapes = Mapping[str, tuple[int, ...]]

LARGEST_LOSS = 64.0
"""Losses above are summed as this; a cross-entropy of as many nats is far beyond chance for any number of classes."""


@dataclass(frozen=True, slots=True)
class UpdateEncoding:
    """How the clients of one exchange write their updates.

    Attributes:
        clients: Most updates that are added up.
        bound: Bound on every coordinate of a change.
        clamp: Whether coordinates beyond are cut to the bound; they are refused otherwise.
        uniform: Whether clients count alike; by training examples otherwise.
        largest: Training examples of the largest client, by which weights are scaled to at most 1.
        tells_loss: Whether the training loss is summed as well.
        deviation: Deviation of the noise in a sum of all clients' shares, in the upload's units.
        share: Deviation of one client's share of it, in ring units; 0: no noise.
        honest: Fewest honest clients in a sum that is opened, for which the shares suffice.
        seeded: Whether shares come from the scenario's seed.
        attempt: How often the exchange was begun before: noise is drawn anew then.
    """

    clients: int
    bound: float
    clamp: bool = False
    uniform: bool = False
    largest: int = 1
    tells_loss: bool = True
    deviation: float = 0.0
    share: float = 0.0
    honest: int = 0
    seeded: bool = True
    attempt: int = 0

    @property
    def values(self) -> RingCodec:
        """Returns how coordinates of a change become whole numbers."""
        return RingCodec(self.clients, self.bound, self.deviation)

    @property
    def ending(self) -> bytes:
        """Returns what the context of a secure sum ends with: so clients that encode otherwise are in no sum together.

        A coordinator that asked one of them for finer steps, or the others for smaller weights, could read it.
        """
        return f"|{self}".encode()

    def dim(self, shapes: Shapes) -> int:
        """Returns the length of the vector for an upload of these shapes."""
        return _coordinates(shapes) + len(self._tail(1.0, 0.0))

    def encode(self, change: Mapping[str, NDArray[Any]], examples: int, loss: float, key: bytes) -> Residues:
        """Returns a client's update as a vector, its share of the noise included.

        Args:
            change: The upload less what the coordinator knows of it.
            examples: The client's training examples.
            loss: Its training loss; nan where it has none.
            key: 32 bytes that decide the noise.

        Raises:
            ClientError: A coordinate is beyond the bound and is not to be cut.
        """
        weight = 1.0 if self.uniform else examples / self.largest
        flat = np.concatenate([change[name].astype(np.float64).ravel() for name in sorted(change)])
        try:
            vector = self.values.encode(weight * flat, clamp=self.clamp)
        except ValueError:
            raise ClientError(
                f"aggregation.bound: a coordinate of an update has changed by {np.abs(flat).max():.3g}, the bound is "
                f"{self.bound:g}. Raise it, or lower the learning rate."
            ) from None
        if self.share:
            vector += DiscreteGaussian(self.share).sample(len(vector), key).astype(np.uint32)
        return np.concatenate([vector, self._metrics.encode(np.array(self._tail(weight, loss)))])

    def decode(self, total: Residues, shapes: Shapes) -> tuple[Arrays, float]:
        """Returns the mean change over the clients in a sum, in fp64, and their mean loss, nan where it is not told."""
        count = _coordinates(shapes)
        tail = self._metrics.decode(total[count:])
        flat = self.values.decode(total[:count]) / tail[0]
        pieces = np.split(flat, np.cumsum([math.prod(shapes[name]) for name in sorted(shapes)])[:-1])
        mean = {name: piece.reshape(shapes[name]) for name, piece in zip(sorted(shapes), pieces, strict=True)}
        loss = tail[2] / tail[1] if self.tells_loss and tail[1] > 0 else math.nan
        return mean, float(loss)

    @property
    def _metrics(self) -> RingCodec:
        return RingCodec(self.clients, LARGEST_LOSS)

    def _tail(self, weight: float, loss: float) -> list[float]:
        if not self.tells_loss:
            return [weight]
        has = 0.0 if math.isnan(loss) else weight
        return [weight, has, has * min(max(loss, 0.0), LARGEST_LOSS) if has else 0.0]


def _coordinates(shapes: Shapes) -> int:
    return sum(math.prod(shape) for shape in shapes.values())
