"""The scenario's `training` section. Light: every command reads it, and torch takes seconds to import."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedsilo.fields import key

FLOATING_ERROR = 1e-9
"""More than a product of a share and a number of clients is off by, less than anything a user means."""


@dataclass(frozen=True)
class Optimizer:
    """How a client steps: SGD as in CoOp's trainer, or Adam."""

    name: str = key("sgd", "Kind of optimiser.", "sgd", "adam")
    learning_rate: float = key(
        0.001, "Step size. 0.001 is CoOp's with OpenAI's CLIP; fedsilo-tiny wants 0.01 to 0.05.", within="> 0"
    )
    momentum: float = key(0.9, "Momentum of SGD.", within="in [0, 1)")
    weight_decay: float = key(0.0005, "L2 penalty.", within=">= 0")
    persistent: bool = key(
        False,
        "Keep a client's optimiser state from round to round instead of a fresh one; where every batch's gradient is "
        "sent it is always kept.",
    )


@dataclass(frozen=True)
class Training:
    """How long and how clients train."""

    rounds: int = key(10, "Federated rounds.", within=">= 1")
    local_epochs: int = key(1, "Passes over a client's data in each round.", within=">= 1")
    batch_size: int = key(
        32, "Images per step; a last smaller batch is left out, as in CoOp, if a full one exists.", within=">= 1"
    )
    participation: float = key(
        1.0, "Share of the clients that train in a round; in round 0 all do.", within="in (0, 1]"
    )
    views: int = key(
        0, "0: the plain image; K: that many cached random views of each training image, one per epoch.", within=">= 0"
    )
    online: bool = key(False, "A new random view in every epoch, encoded when needed: slow, no cache.")
    optimizer: Optimizer = key(Optimizer, "How a client steps.")

    def batches(self, examples: int) -> int:
        """Returns how many batches an epoch has: a last smaller one counts only where no full one exists."""
        return max(examples // self.batch_size, 1)

    def rate(self, examples: int) -> float:
        """Returns the share of a client's examples that a batch holds, on average where it is a Poisson sample."""
        return min(self.batch_size / examples, 1.0)

    def participants(self, clients: int) -> int:
        """Returns how many of so many clients train in a round: max(int(participation * clients), 1).

        0.29 * 100 is 28.999999999999996 in floating point and means 29.
        """
        return max(math.floor(self.participation * clients + FLOATING_ERROR), 1)
