"""Features that stay in the files of the cache: a batch reads its rows, the system keeps in memory what is often used.

For splits whose features would be too large to gather. All processes of a machine read the same files, so what the
system holds of them it holds once. Pickled, such a source is a folder and names: a machine that does not see the
folder cannot use it.

Dimensions: V views, n images.
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
from fedsilo.models.clip.cached_encoding import row_of
from fedsilo.models.clip.feature_cache import ENVIRONMENT, Array, file_of, on_disk


@dataclass(frozen=True, eq=False, slots=True)
class StoredFeatures:
    """Features of a split in the chunks that the cache has of it.

    Attributes:
        views: Number of the view in each row of `keys`.
        images: n.
        span: Images in a chunk; the last of a view may have fewer.
        folder: The cache's folder.
        keys: (V, chunks) keys of the chunks.
        shapes: What an image has of each column, by name, without the number of images.
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
        """Returns the columns (b, ...) in one view.

        Raises:
            DataError: The view is not among those extracted, or a file is gone.
        """
        row = row_of(view, self.views)
        wanted = {name: np.empty((len(indices), *shape), dtype=np.float32) for name, shape in self.shapes.items()}
        numbers = indices // self.span
        for number in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == number)
            self._fill(wanted, places, indices[places] - number * self.span, self.keys[row][number])
        return {name: torch.from_numpy(array) for name, array in wanted.items()}

    def on(self, device: str) -> StoredFeatures:
        """Returns itself: everything is encoded."""
        return self

    def only(self, columns: Collection[str]) -> StoredFeatures:
        """Returns the features without the columns that are not among these; itself where that would leave none."""
        wanted = {name: shape for name, shape in self.shapes.items() if name in columns}
        return replace(self, shapes=wanted or self.shapes)

    def _fill(self, wanted: dict[str, Array], places: Indices, rows: Indices, key: str) -> None:
        """Reads rows of one chunk to their places, those that follow each other at once."""
        runs = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1)
        path = file_of(self.folder, key)
        try:
            with safe_open(path, framework="numpy") as file:
                for name, array in wanted.items():
                    part = file.get_slice(on_disk(name))
                    for run in runs:
                        array[places[run]] = part[int(rows[run[0]]) : int(rows[run[-1]]) + 1]
        except (OSError, SafetensorError, ValueError) as error:
            raise DataError(
                f"features: {path} cannot be read any more ({error}). Was the cache cleared? Resuming the run makes it "
                f"again. Clients on other machines need a folder that all of them share: name it in {ENVIRONMENT}."
            ) from error
