"""Features in the files of the cache, for splits too large for memory: a batch reads its rows.

All processes of a machine read the same files, so the system's file cache holds them once. A pickled source is a folder
and names: a machine that does not see the folder cannot use it.

Dimensions: V views, n images, b images of a batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fedsilo.core import Indices
from fedsilo.core.errors import DataError
from fedsilo.models.clip.cached_encoding import find_row
from fedsilo.models.clip.feature_cache import ENVIRONMENT, Array, locate_entry, rename_on_disk


@dataclass(frozen=True, eq=False, slots=True)
class StoredFeatures:
    """Features of a split in chunks of the cache.

    Attributes:
        views: Number of the view in each row of `keys`.
        images: n.
        span: Images in a chunk; the last of a view may have fewer.
        folder: The cache's folder.
        keys: (V, chunks) keys of the chunks.
        shapes: Shape of one image's values in each column, by name.
    """

    views: tuple[int, ...]
    images: int
    span: int
    folder: Path
    keys: tuple[tuple[str, ...], ...]
    shapes: Mapping[str, tuple[int, ...]]

    def __len__(self) -> int:
        return self.images

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        """Reads the features of some images in one view.

        Args:
            indices: (b,) numbers of images in the split.
            view: Number of the view; 0 is the plain one.

        Returns:
            Columns (b, ...) by name.

        Raises:
            DataError: The view was not extracted, or a file is gone.
        """
        row = find_row(view, self.views)
        wanted = {name: np.empty((len(indices), *shape), dtype=np.float32) for name, shape in self.shapes.items()}
        numbers = indices // self.span
        for number in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == number)
            self._fill(wanted, places, indices[places] - number * self.span, self.keys[row][number])
        return {name: torch.from_numpy(array) for name, array in wanted.items()}

    def on(self, device: str) -> StoredFeatures:
        """Returns the source itself: all features are encoded already.

        Args:
            device: A torch device, for example "cuda:0".

        Returns:
            The source.
        """
        return self

    def only(self, columns: Collection[str]) -> StoredFeatures:
        """Drops the other columns.

        Args:
            columns: Names of columns to keep.

        Returns:
            The source with these columns; the source itself where none would be left.
        """
        wanted = {name: shape for name, shape in self.shapes.items() if name in columns}
        return replace(self, shapes=wanted or self.shapes)

    def _fill(self, wanted: dict[str, Array], places: Indices, rows: Indices, key: str) -> None:
        """Reads rows of one chunk into their places, consecutive rows at once."""
        runs = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1)
        path = locate_entry(self.folder, key)
        try:
            with safe_open(path, framework="numpy") as file:
                for name, array in wanted.items():
                    part = file.get_slice(rename_on_disk(name))
                    for run in runs:
                        array[places[run]] = part[int(rows[run[0]]) : int(rows[run[-1]]) + 1]
        except (OSError, SafetensorError, ValueError) as error:
            raise DataError(
                f"features: {path} cannot be read any more ({error}). Was the cache cleared? Resume the run to encode "
                f"it again. Clients on other machines need a folder that all of them share: set it in {ENVIRONMENT}."
            ) from error
