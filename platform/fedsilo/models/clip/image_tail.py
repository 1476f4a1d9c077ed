"""The last blocks of a ViT image tower, exact, from plain named tensors: for learners that begin in front of a block.

The numbers are those of the tower that the activations come from, forward and backward, up to rounding. Nothing here
needs open_clip, and no weight is ever written.

Dimensions: b images, T tokens (the class token, M patches), W width of the image tower, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.models.clip.tower_attention import Everything
from fedsilo.models.clip.transformer_blocks import Blocks

_EVERYTHING = Everything()


@dataclass(frozen=True, slots=True)
class TailMeta:
    """What the tensors alone do not say.

    Attributes:
        heads: Attention heads.
        first: Number of the first block that is there, from 0.
        layers: Blocks of the whole tower; the last one is `layers - 1`.
        activation: Key of `blocks.ACTIVATIONS`.
        epsilon: Of every layer norm.
        averages: Whether the pooled feature is the mean of the patches; it is the class token otherwise.
    """

    heads: int
    first: int
    layers: int
    activation: str
    epsilon: float
    averages: bool = False


class ImageTail(Blocks):
    """Frozen blocks `first` to the last, the norm behind them and the projection into the joint space.

    Its tensors: those of its blocks (`Blocks`); `norm.weight`, `norm.bias`; `projection` (W, D), absent when features
    are the width themselves.
    """

    def __init__(self, meta: TailMeta, tensors: Mapping[str, Tensor]) -> None:
        """Makes a tail on the given tensors, which it uses as they are."""
        super().__init__(tensors, meta.heads, meta.activation, meta.epsilon)
        self.meta = meta

    def to(self, device: str | torch.device) -> ImageTail:
        """Returns the tail on a device."""
        return ImageTail(self.meta, {name: tensor.to(device) for name, tensor in self._tensors.items()})

    def block(self, number: int, rows: Tensor) -> Tensor:
        """Returns what a block makes of rows (b, n, W); there may be more rows than the tower's own tokens.

        Args:
            number: Of the block, in the whole tower.
            rows: Differentiable.
        """
        return self._block(number, rows, _EVERYTHING)

    def run(self, rows: Tensor, first: int) -> Tensor:
        """Returns the activations (b, n, W) behind the last block, of those (b, n, W) in front of block `first`."""
        for number in range(first, self.meta.layers):
            rows = self.block(number, rows)
        return rows

    def read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the features of the activations behind the last block.

        Args:
            rows: (b, 1 + M, W), the class token first and nothing but the tower's own tokens.

        Returns:
            Pooled (b, D) and patch tokens (b, M, D), not normalised.
        """
        rows = self._norm("norm", rows)
        pooled = rows[:, 1:].mean(dim=1) if self.meta.averages else rows[:, 0]
        projection = self._tensors.get("projection")
        return (pooled, rows[:, 1:]) if projection is None else (pooled @ projection, rows[:, 1:] @ projection)
