"""Features in memory, the only kind that a client of a cached run needs: arrays, no image tower, no open_clip.

Dimensions: V views, n images.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedsilo.core import Indices
from fedsilo.core.errors import DataError
from fedsilo.models.clip.feature_cache import Array


@dataclass(frozen=True, eq=False, slots=True)
class CachedFeatures:
    """Features in memory: plain arrays, so Ray shares them between processes without a copy.

    Attributes:
        views: Number of the view in each row.
        columns: (V, n, ...) by the name of the column (`core.batch`), at least one; features are not normalised.
    """

    views: tuple[int, ...]
    columns: Mapping[str, Array]

    def __len__(self) -> int:
        return int(next(iter(self.columns.values())).shape[1])

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        """Returns the columns (b, ...) in one view.

        Raises:
            DataError: The view is not among those extracted.
        """
        row = row_of(view, self.views)
        return {name: torch.from_numpy(array[row, indices]) for name, array in self.columns.items()}

    def on(self, device: str) -> CachedFeatures:
        """Returns itself: everything is encoded."""
        return self

    def only(self, columns: Collection[str]) -> CachedFeatures:
        """Returns the features without the columns that are not among these; itself where that would leave none."""
        wanted = {name: array for name, array in self.columns.items() if name in columns}
        return replace(self, columns=wanted or self.columns)


def row_of(view: int, views: tuple[int, ...]) -> int:
    """Returns the place of a view among those extracted. Raises DataError where it is not one of them."""
    if view not in views:
        raise DataError(f"features: view {view} was not extracted, only {views}. Extract it, or use online.")
    return views.index(view)
