"""Plain aggregation: the coordinator sees every update and takes the mean.

Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedsilo.contracts import Aggregation, ClientUpdate
from fedsilo.fields import key


@dataclass(frozen=True)
class Plain(Aggregation):
    """The mean of the clients' uploads."""

    weights: str = key(
        "examples", "What a client counts by: its training examples, or all alike.", "examples", "uniform"
    )

    def combine(self, updates: Sequence[ClientUpdate], uniform: bool) -> dict[str, Tensor]:
        """Returns the weighted mean, summed in fp64 in the order given, rounded to fp32 once."""
        alike = uniform or self.weights == "uniform"
        weights = np.array([1.0 if alike else update.weight for update in updates], dtype=np.float64)
        weights /= weights.sum()
        return {
            name: torch.from_numpy(
                sum(w * update.tensors[name].astype(np.float64) for w, update in zip(weights, updates, strict=True))
                .astype(np.float32)
            )
            for name in updates[0].tensors
        }  # fmt: skip
