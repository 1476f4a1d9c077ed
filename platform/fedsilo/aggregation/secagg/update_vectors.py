"""An update as whole numbers that can be added up modulo 2^32, with its weight and loss in the same vector.

Layout: every coordinate of the upload's change, tensors in the order of their names; then the client's weight; and, if
the loss is reported, the part of the weight that has a loss, and the loss times that part. Weight and loss would reveal
one client as much as the update itself, so they are summed in the same vector.
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
"""Larger losses are summed as this; a cross-entropy of 64 nats is far beyond chance for any number of classes."""


@dataclass(frozen=True, slots=True)
class ModularEncoding:
    """How the clients of one exchange write their updates.

    Attributes:
        clients: Most updates in one sum.
        bound: Bound on every coordinate of a change.
        clamp: Whether coordinates beyond the bound are cut to it; they are refused otherwise.
        uniform: Whether clients count equally; by training examples otherwise.
        largest: Training examples of the largest client, by which weights are scaled to at most 1.
        tells_loss: Whether the training loss is summed as well.
        deviation: Deviation of the noise in a sum of all clients' shares, in the upload's units.
        share: Deviation of one client's share of it, in ring units; 0: no noise.
        honest: Fewest honest clients in a sum that is opened, whose shares suffice.
        seeded: Whether shares come from the scenario's seed.
        attempt: How often the exchange was begun before; each attempt has new noise.
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
        """The codec of a change's coordinates."""
        return RingCodec(self.clients, self.bound, self.deviation)

    @property
    def ending(self) -> bytes:
        """The end of a secure sum's context, so that clients with different encodings are never in one sum.

        A coordinator that asked one client for finer steps, or the others for smaller weights, could read that client's
        update.
        """
        return f"|{self}".encode()

    def dim(self, shapes: Shapes) -> int:
        """Computes the length of the vector.

        Args:
            shapes: Shapes of the upload, by tensor.

        Returns:
            Coordinates, weight and loss included.
        """
        return _coordinates(shapes) + len(self._tail(1.0, 0.0))

    def encode(self, change: Mapping[str, NDArray[Any]], examples: int, loss: float, key: bytes) -> Residues:
        """Encodes a client's update, with its share of the noise.

        Args:
            change: The upload minus what the coordinator knows of it, by tensor.
            examples: The client's training examples.
            loss: Its training loss; nan where it has none.
            key: 32 bytes that decide the noise.

        Returns:
            (d,) residues.

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
        """Decodes a sum of updates.

        Args:
            total: (d,) residues: the sum of the clients' vectors.
            shapes: Shapes of the upload, by tensor.

        Returns:
            The mean change over the clients in the sum, in fp64, and their mean loss; nan where it is not reported.
        """
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
