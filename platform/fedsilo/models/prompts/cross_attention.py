"""Attention and a gated feed-forward layer as modules that draw their weights from a given generator.

Weights are U(-1/sqrt(n), 1/sqrt(n)) for n inputs, as `torch.nn.Linear` draws them, biases 0.

Dimensions: Q queries, S sources, E width of the layer, C width of the sources, h heads, d = E / h.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu


def draw(layers: nn.Module, generator: torch.Generator) -> None:
    """Draws the weights of all linear layers of a module, in their order, and sets their biases to 0.

    Args:
        layers: The module, changed in place.
        generator: Source of the draws.
    """
    for layer in layers.modules():
        if isinstance(layer, nn.Linear):
            with torch.no_grad():
                drawn = torch.rand(layer.weight.shape, generator=generator)
                layer.weight.copy_((2 * drawn - 1) / math.sqrt(layer.in_features))
                if layer.bias is not None:
                    layer.bias.zero_()


class Attention(nn.Module):
    """Multi-head attention of queries to sources, as `torch.nn.MultiheadAttention` defines it.

    Keys have no bias: softmax would cancel it.
    """

    def __init__(self, width: int, source: int, heads: int, scaling: float | None = None) -> None:
        """Builds the layer.

        Args:
            width: Width of queries and of the result, E.
            source: Width of the sources, C.
            heads: h, a divisor of E.
            scaling: Factor of the products of queries and keys in front of the softmax; 1 / sqrt(d) by default.
        """
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(source, width, bias=False)
        self.value = nn.Linear(source, width)
        self.out = nn.Linear(width, width)
        self._heads, self._scaling = heads, scaling

    def forward(self, queries: Tensor, sources: Tensor) -> Tensor:
        """Attends from queries to sources; leading dimensions broadcast.

        Args:
            queries: (..., Q, E).
            sources: (..., S, C).

        Returns:
            (..., Q, E).
        """
        asked, keys, values = (
            layer(rows).view(*rows.shape[:-1], self._heads, -1)
            for layer, rows in ((self.query, queries), (self.key, sources), (self.value, sources))
        )
        # einsum and not the fused attention: it broadcasts many queries over many sets of sources without copying.
        products = torch.einsum("...qhd,...shd->...hqs", asked, keys)
        fit = products / math.sqrt(asked.shape[-1]) if self._scaling is None else products * self._scaling
        mixed = torch.einsum("...hqs,...shd->...qhd", fit.softmax(dim=-1), values)
        result: Tensor = self.out(mixed.flatten(-2))
        return result


class GatedFeedForward(nn.Module):
    """A feed-forward layer with GEGLU: out(a * gelu(b)), (a, b) = in(rows).

    Source: Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202.
    """

    def __init__(self, width: int, inner: int) -> None:
        """Builds the layer.

        Args:
            width: Width of rows, E.
            inner: Width between the two products.
        """
        super().__init__()
        self.add_module("in", nn.Linear(width, 2 * inner))
        self.out = nn.Linear(inner, width)

    def forward(self, rows: Tensor) -> Tensor:
        """Applies the layer.

        Args:
            rows: (..., E).

        Returns:
            (..., E).
        """
        value, gate = self.get_submodule("in")(rows).chunk(2, dim=-1)
        result: Tensor = self.out(value * gelu(gate))
        return result
