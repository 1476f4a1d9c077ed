"""Adapters in all blocks of a frozen image tower: two small networks beside each block, one for each half.

An adapter reads the rows that enter its half of a block, before the layer norm, and what it gives is added:
`x <- x + Attn(LN1 x) + Ad_l(x); x <- x + MLP(LN2 x) + Ad_{n+l}(x)`, Ad(x) = 0.1 up(dropout(relu(down x))). Before
training `up` is 0, and the tower is the frozen one.

Source: Chen et al., "AdaptFormer: Adapting Vision Transformers for Scalable Visual Recognition", NeurIPS 2022,
arXiv:2205.13535; in this place Huang et al., "Troika", CVPR 2024, arXiv:2303.15230.

The weights of all adapters are stacked, so that their names do not depend on the tower.

Dimensions: n blocks, W width of the image tower, H width inside an adapter.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, relu

from fedsilo.models.clip.transformer_blocks import Beside

FACTOR = 0.1


class ImageAdapters(nn.Module):
    """The 2n adapters of a tower: those beside the attention of blocks 0 to n - 1, then those beside their MLPs."""

    def __init__(self, width: int, blocks: int, inner: int, dropped: float) -> None:
        """Draws the weights: `down` as `torch.nn.Linear` draws them, its bias and all of `up` 0.

        Args:
            width: W.
            blocks: n.
            inner: H.
            dropped: Share of the numbers inside an adapter that a step leaves out.
        """
        super().__init__()
        bound = 1 / math.sqrt(max(width, 1))
        self.down = nn.Parameter(torch.empty(2 * blocks, inner, width).uniform_(-bound, bound))
        self.down_bias = nn.Parameter(torch.zeros(2 * blocks, inner))
        self.up = nn.Parameter(torch.zeros(2 * blocks, width, inner))
        self.up_bias = nn.Parameter(torch.zeros(2 * blocks, width))
        self._blocks, self._dropped = blocks, dropped

    def beside(self) -> Beside:
        """Makes the function that a tower calls beside each half of a block (`ImageTail.run`).

        Returns:
            (block, half, rows) -> what the adapter adds.
        """
        weights = [parameter.unbind(0) for parameter in (self.down, self.down_bias, self.up, self.up_bias)]

        def add(block: int, half: int, rows: Tensor) -> Tensor:
            down, down_bias, up, up_bias = (each[half * self._blocks + block] for each in weights)
            inner = dropout(relu(linear(rows, down, down_bias)), self._dropped, self.training)
            return FACTOR * linear(inner, up, up_bias)

        return add
