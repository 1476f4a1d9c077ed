"""One vector that is added to all tokens in front of a block of the image tower; the rest of the tower is frozen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.batch import Columns, hidden
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.types import State


@dataclass(frozen=True)
class Shifted(Learner):
    """A shift inside the image tower, under hand-written prompts."""

    block: int = key(1, "Block in front of which is added.", within=">= 0")

    @property
    def reads(self) -> frozenset[str]:
        """Returns the activations in front of the block."""
        return frozenset({hidden(self.block)})

    @property
    def needs_image_blocks(self) -> int:
        """Returns the block."""
        return self.block

    def names(self) -> tuple[str, ...]:
        """Returns the name of the vector."""
        return ("shift",)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns zeros."""
        return {"shift": torch.zeros(frozen.image.tensors()["norm.weight"].shape)}

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Returns the scaled cosines (b, K) of the images and the hand-written prompts."""
        rows = frozen.image.run(inputs[hidden(self.block)] + params["shift"], self.block)
        pooled, _ = frozen.image.read(rows)
        return frozen.score(pooled, frozen.zero_shot)
