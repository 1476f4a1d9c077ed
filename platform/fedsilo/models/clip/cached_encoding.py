"""Features in memory, the only kind that a client of a cached run needs: arrays, no image tower, no open_clip.

Dimensions: V views, n images, b images of a batch.
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
    """Features in memory, as plain arrays that Ray shares between processes without a copy.

    Attributes:
        views: Number of the view in each row.
        columns: (V, n, ...) by the name of the column (`core.batch`), at least one; features are not normalised.
    """

    views: tuple[int, ...]
    columns: Mapping[str, Array]

    def __len__(self) -> int:
        return int(next(iter(self.columns.values())).shape[1])

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        """Reads the features of some images in one view.

        Args:
            indices: (b,) numbers of images in the split.
            view: Number of the view; 0 is the plain one.

        Returns:
            Columns (b, ...) by name.

        Raises:
            DataError: The view was not extracted.
        """
        row = find_row(view, self.views)
        return {name: torch.from_numpy(array[row, indices]) for name, array in self.columns.items()}

    def on(self, device: str) -> CachedFeatures:
        """Returns the source itself: all features are encoded already.

        Args:
            device: A torch device, for example "cuda:0".

        Returns:
            The source.
        """
        return self

    def only(self, columns: Collection[str]) -> CachedFeatures:
        """Drops the other columns.

        Args:
            columns: Names of columns to keep.

        Returns:
            The source with these columns; the source itself where none would be left.
        """
        wanted = {name: array for name, array in self.columns.items() if name in columns}
        return replace(self, columns=wanted or self.columns)


def find_row(view: int, views: tuple[int, ...]) -> int:
    """Finds the row of a view.

    Args:
        view: Number of the view; 0 is the plain one.
        views: Numbers of the views that were extracted.

    Returns:
        The row.

    Raises:
        DataError: The view was not extracted.
    """
    if view not in views:
        raise DataError(f"features: view {view} was not extracted, only {views}. Extract it, or use online.")
    return views.index(view)
