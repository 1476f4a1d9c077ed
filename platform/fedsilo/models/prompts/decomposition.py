"""Modules that take the attribute and the object apart in an image feature.

Source: the cross attention to the prototypes of attributes or objects, arXiv:2501.13859 and its released code; the
disentangler of a linear layer and a batch norm, Huang et al., "Troika", CVPR 2024, arXiv:2303.15230.

Dimensions: b images, n prototypes, D joint width.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn.functional import dropout, relu, silu

MOST_HEADS = 16
WIDENING = 4
"""Width inside the feed-forward layer over that of its rows."""
DISENTANGLER_DROPOUT = 0.5


def choose_heads(width: int, most: int = MOST_HEADS) -> int:
    """Chooses the number of attention heads.

    Args:
        width: D, >= 1.
        most: Largest number of heads.

    Returns:
        The largest divisor of D up to `most`.
    """
    return max(heads for heads in range(1, most + 1) if width % heads == 0)


def quick_gelu(rows: Tensor) -> Tensor:
    """Computes x sigmoid(1.702 x), by the fused kernel of y sigmoid(y).

    Args:
        rows: (..., D).

    Returns:
        (..., D).
    """
    return silu(1.702 * rows) / 1.702


class FeedForward(nn.Module):
    """proj(Dropout(QuickGELU(fc(LN rows))))."""

    def __init__(self, width: int, dropped: float = 0.0) -> None:
        """Builds the layer.

        Args:
            width: D.
            dropped: Share of the numbers inside that a step leaves out.
        """
        super().__init__()
        self._dropped = dropped
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, WIDENING * width)
        self.proj = nn.Linear(WIDENING * width, width)

    def forward(self, rows: Tensor) -> Tensor:
        """Applies the layer, without the rows themselves.

        Args:
            rows: (..., D).

        Returns:
            (..., D).
        """
        inner = dropout(quick_gelu(self.fc(self.norm(rows))), self._dropped, self.training)
        return cast(Tensor, self.proj(inner))


class CrossDecomposer(nn.Module):
    """Attention of image features to prototypes: h = f + MHA(LN f, LN v), then h + MLP(LN h)."""

    def __init__(self, width: int) -> None:
        """Draws the weights as torch does.

        Args:
            width: D.
        """
        super().__init__()
        self.norm_image, self.norm_prototypes = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.MultiheadAttention(width, choose_heads(width))
        self.feed_forward = FeedForward(width)

    def forward(self, features: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor]:
        """Decomposes image features; images do not meet.

        Args:
            features: (b, D), not normalised.
            prototypes: (n, D), not normalised.

        Returns:
            Features (b, D), and the attention (b, n) averaged over heads, rows sum to 1.
        """
        sources = self.norm_prototypes(prototypes)
        mixed, weights = self.attend(self.norm_image(features), sources, sources)
        rows = features + mixed
        return rows + self.feed_forward(rows), weights


class Disentangler(nn.Module):
    """Dropout(ReLU(BatchNorm(Linear f)))."""

    def __init__(self, width: int) -> None:
        """Draws the weights as torch does.

        Args:
            width: D.
        """
        super().__init__()
        self.linear, self.norm = nn.Linear(width, width), nn.BatchNorm1d(width)

    def forward(self, features: Tensor) -> Tensor:
        """Decomposes image features.

        Args:
            features: (b, D), not normalised.

        Returns:
            (b, D), >= 0.
        """
        return dropout(relu(self.norm(self.linear(features))), DISENTANGLER_DROPOUT, self.training)
