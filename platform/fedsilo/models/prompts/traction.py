"""Cross-modal traction: text features that attend to the patches of each image.

Source: Huang, Gong, Feng, Zhang, Lv, Wang, "Troika: Multi-Path Cross-Modal Traction for Compositional Zero-Shot
Learning", CVPR 2024, arXiv:2303.15230, and its released code. T' = normalise(T + lambda * CMT(T)), with a number of
layers of cross attention (queries from the texts as they are, keys and values from layer-normed patches) and of an MLP
behind a layer norm. Dropout stands behind the attention, inside the MLP and behind it.

Dimensions: b images, n texts, M patch tokens, D joint width.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize, scaled_dot_product_attention

from fedsilo.models.prompts.decomposition import FeedForward, choose_heads

MOST_HEADS = 12
START = 0.1
"""First value of lambda."""
ROWS_AT_ONCE = 2**15
"""Images times texts that attend together where no gradient is taken: bounds memory in the open world."""


class TractionLayer(nn.Module):
    """x + out(attention(x, patches)), then x + MLP(LN x)."""

    def __init__(self, width: int, dropped: float) -> None:
        """Draws the weights as torch does.

        Args:
            width: D.
            dropped: Share of the numbers behind the attention, inside the MLP and behind it that a step leaves out.
        """
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.feed_forward = FeedForward(width, dropped)
        self._heads, self._dropped = choose_heads(width, MOST_HEADS), dropped

    def forward(self, texts: Tensor, patches: Tensor) -> Tensor:
        """Attends from texts to patches.

        Args:
            texts: (b, n, D), or (1, n, D) where all images have the same.
            patches: (b, M, D).

        Returns:
            (b, n, D).
        """
        queries, keys, values = (
            layer(rows).unflatten(-1, (self._heads, -1)).transpose(1, 2)
            for layer, rows in ((self.query, texts), (self.key, patches), (self.value, patches))
        )
        queries = queries.expand(len(patches), -1, -1, -1)
        mixed = scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)
        texts = texts + dropout(self.out(mixed), self._dropped, self.training)
        return texts + dropout(self.feed_forward(texts), self._dropped, self.training)


class Traction(nn.Module):
    """The layers, the norm of patches and lambda; one for all families of prompts."""

    def __init__(self, width: int, layers: int, dropped: float) -> None:
        """Draws the weights as torch does.

        Args:
            width: D.
            layers: Number of layers.
            dropped: Share of the numbers that layers leave out in training.
        """
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(TractionLayer(width, dropped) for _ in range(layers))
        self.strength = nn.Parameter(torch.full((width,), START))

    def score(self, image: Tensor, texts: Tensor, patches: Tensor) -> Tensor:
        """Computes the cosines of images with the texts that their patches changed.

        Args:
            image: (b, D), not normalised.
            texts: (n, D), not normalised.
            patches: (b, M, D), layer-normed.

        Returns:
            (b, n).
        """
        image, texts = normalize(image, dim=-1), normalize(texts, dim=-1)
        some = len(texts) if torch.is_grad_enabled() else max(1, ROWS_AT_ONCE // max(1, len(image)))
        return torch.cat([self._score(image, chunk, patches) for chunk in torch.split(texts, some)], dim=1)

    def _score(self, image: Tensor, texts: Tensor, patches: Tensor) -> Tensor:
        rows = texts.unsqueeze(0)
        for layer in self.layers:
            rows = cast(Tensor, layer(rows, patches))
        changed = normalize(texts + self.strength * rows, dim=-1)
        return torch.einsum("bd,bnd->bn", image, changed.expand(len(image), -1, -1))
