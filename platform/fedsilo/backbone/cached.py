"""Features in memory, the only kind that a client of a cached run needs: arrays, no image tower, no open_clip.

Dimensions: V views, n images, M patches, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.backbone.cache import Array
from fedsilo.core import Indices
from fedsilo.core.batch import IMAGE, PATCHES
from fedsilo.errors import DataError


@dataclass(frozen=True, eq=False, slots=True)
class CachedFeatures:
    """Features in memory: plain arrays, so Ray shares them between processes without a copy.

    Attributes:
        views: Number of the view in each row.
        pooled: (V, n, D) not normalised.
        tokens: (V, n, M, D) not normalised, or None.
    """

    views: tuple[int, ...]
    pooled: Array
    tokens: Array | None = None

    def __len__(self) -> int:
        return int(self.pooled.shape[1])

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        """Returns the pooled features (b, D), and the patch tokens (b, M, D) if there are any, in one view.

        Raises:
            DataError: The view is not among those extracted.
        """
        if view not in self.views:
            raise DataError(f"features: view {view} was not extracted, only {self.views}. Extract it, or use online.")
        row = self.views.index(view)
        arrays = {IMAGE: self.pooled, PATCHES: self.tokens}
        return {name: torch.from_numpy(array[row, indices]) for name, array in arrays.items() if array is not None}

    def on(self, device: str) -> CachedFeatures:
        """Returns itself: everything is encoded."""
        return self

    def take(self, indices: Indices) -> CachedFeatures:
        """Returns the features of some images only, as one client holds them."""
        tokens = None if self.tokens is None else self.tokens[:, indices]
        return CachedFeatures(self.views, self.pooled[:, indices], tokens)
