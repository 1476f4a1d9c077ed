"""The last blocks of a ViT image tower, exact, from plain named tensors: for learners that begin in front of a block.

The numbers are those of the tower that the activations come from, forward and backward, up to rounding. The module
needs no open_clip, and no weight is ever written.

Dimensions: b images, T tokens (the class token, M patches), n rows, W width of the image tower, D joint width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.models.clip.tower_attention import FullAttention
from fedsilo.models.clip.transformer_blocks import Beside, Blocks

_FULL_ATTENTION = FullAttention()


@dataclass(frozen=True, slots=True)
class TailMeta:
    """The facts that the tensors do not contain.

    Attributes:
        heads: Attention heads.
        first: Number of the tail's first block, from 0.
        layers: Blocks of the whole tower; the last one is `layers - 1`.
        activation: Key of `transformer_blocks.ACTIVATIONS`.
        epsilon: Epsilon of every layer norm.
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

    Its tensors: those of its blocks (`Blocks`); `norm.weight`, `norm.bias`; `projection` (W, D), absent where W is D
    and features are not projected.
    """

    def __init__(self, meta: TailMeta, tensors: Mapping[str, Tensor]) -> None:
        """Builds a tail on the given tensors, without a copy.

        Args:
            meta: The facts that the tensors do not contain.
            tensors: Weights by name.
        """
        super().__init__(tensors, meta.heads, meta.activation, meta.epsilon)
        self.meta = meta

    def to(self, device: str | torch.device) -> ImageTail:
        """Copies the tail to a device.

        Args:
            device: A torch device, for example "cuda:0".

        Returns:
            The tail on the device.
        """
        return ImageTail(self.meta, {name: tensor.to(device) for name, tensor in self._tensors.items()})

    @property
    def width(self) -> int:
        """Returns W, the length of a token's vector."""
        return int(self._tensors["norm.weight"].shape[0])

    def block(self, number: int, rows: Tensor, beside: Beside | None = None) -> Tensor:
        """Runs one block; there may be more rows than the tower's own tokens.

        Args:
            number: Number of the block in the whole tower.
            rows: (b, n, W), differentiable.
            beside: What is added beside each half of the block, as adapters are; None: nothing.

        Returns:
            (b, n, W).
        """
        return self._block(number, rows, _FULL_ATTENTION, beside)

    def run(self, rows: Tensor, first: int, beside: Beside | None = None) -> Tensor:
        """Runs the blocks from `first` to the last.

        Args:
            rows: (b, n, W) activations in front of block `first`.
            first: Number of the block in the whole tower.
            beside: What is added beside each half of a block; None: nothing.

        Returns:
            (b, n, W) activations behind the last block.
        """
        for number in range(first, self.meta.layers):
            rows = self.block(number, rows, beside)
        return rows

    def read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Computes features from the activations behind the last block.

        Args:
            rows: (b, 1 + M, W), the class token first and only the tower's own tokens.

        Returns:
            Pooled features (b, D) and patch tokens (b, M, D), not normalised.
        """
        rows = self._norm("norm", rows)
        pooled = rows[:, 1:].mean(dim=1) if self.meta.averages else rows[:, 0]
        projection = self._tensors.get("projection")
        return (pooled, rows[:, 1:]) if projection is None else (pooled @ projection, rows[:, 1:] @ projection)
