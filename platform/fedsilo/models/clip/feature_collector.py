"""Collects a split's features chunk by chunk: in memory, or in the cache where they are too large for memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fedsilo.core.errors import DataError
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.feature_cache import ENVIRONMENT, Array, FeatureCache
from fedsilo.models.clip.features import Chunk, EncodedChunk, Viewing
from fedsilo.models.clip.stored_features import StoredFeatures

Progress = Callable[[int, int], None]
"""progress(done, total): finished images and all images, over all views."""


class FeatureCollector:
    """Collects chunks; the first chunk gives the shapes, and so the size of all features.

    The features are arrays in memory. Where these would be larger than the cache's `in_memory`, chunks stay in the
    cache and only their keys are kept; if a chunk cannot be stored (full disk), the stored ones are read back and
    collection continues in memory.
    """

    def __init__(self, viewing: Viewing, images: int, cache: FeatureCache | None, progress: Progress) -> None:
        """Starts an empty collection.

        Args:
            viewing: The views and the columns.
            images: Images in each view.
            cache: Cache where chunks may stay; None collects in memory.
            progress: Called with the numbers of finished images and of all images.
        """
        self._viewing, self._images, self._cache, self._progress = viewing, images, cache, progress
        self._done = 0
        self._left: list[Chunk] | None = None
        self._arrays: dict[str, Array] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}

    def add(self, encoded: EncodedChunk, stored: bool) -> None:
        """Adds a chunk.

        Args:
            encoded: The chunk with its features.
            stored: Whether the cache has the chunk.

        Raises:
            DataError: Neither the disk nor the memory has room for all features.
        """
        if not self._shapes:
            self._begin(encoded.columns)
        if self._left is not None and not stored:
            self._take_back(self._left)
        if self._left is None:
            self._place(encoded.chunk, encoded.columns)
        else:
            self._left.append(encoded.chunk)
        self._done += encoded.chunk.stop - encoded.chunk.start
        self.report()

    def report(self) -> None:
        """Reports the number of finished images; before the first chunk too, which can take long."""
        self._progress(self._done, self._total)

    def features(self) -> CachedFeatures | StoredFeatures:
        """Returns all features; raises DataError where some are missing."""
        if self._done != self._total:
            raise DataError(
                f"features: {self._total - self._done} of {self._total} images were not encoded. Run again."
            )
        if self._left is None or self._cache is None:
            return CachedFeatures(self._viewing.views, self._arrays)
        rows = [
            sorted((c for c in self._left if c.view == view), key=lambda c: c.start) for view in self._viewing.views
        ]
        return StoredFeatures(
            views=self._viewing.views,
            images=self._images,
            span=rows[0][0].stop,
            folder=self._cache.folder.absolute(),
            keys=tuple(tuple(chunk.key for chunk in row) for row in rows),
            shapes=self._shapes,
        )

    @property
    def _total(self) -> int:
        return len(self._viewing.views) * self._images

    @property
    def _bytes(self) -> int:
        return sum(4 * self._total * int(np.prod(shape)) for shape in self._shapes.values())

    def _begin(self, first: Mapping[str, Array]) -> None:
        self._shapes = {name: array.shape[1:] for name, array in first.items()}
        limit = None if self._cache is None else self._cache.in_memory
        if limit is not None and self._bytes > limit:
            self._left = []
        else:
            self._make_room()

    def _make_room(self) -> None:
        try:
            for name, shape in self._shapes.items():
                self._arrays[name] = np.empty((len(self._viewing.views), self._images, *shape), dtype=np.float32)
        except MemoryError:
            raise DataError(
                f"features: {self._bytes / 1e9:.1f} GB fit neither in memory nor, below the cache folder, on disk. "
                f"Set a larger folder in {ENVIRONMENT}, or encode on demand: training.online: true."
            ) from None

    def _take_back(self, left: list[Chunk]) -> None:
        assert self._cache is not None  # only a cache can hold chunks
        self._cache.notices.append(f"features: {self._bytes / 1e9:.1f} GB are held in memory, the cache has no room.")
        self._left = None
        self._make_room()
        for chunk in left:
            found = self._cache.read(chunk.key, chunk.columns)
            if found is None:  # another process cleared the cache
                self._done -= chunk.stop - chunk.start
            else:
                self._place(chunk, found)

    def _place(self, chunk: Chunk, columns: Mapping[str, Array]) -> None:
        rows = self._viewing.views.index(chunk.view), slice(chunk.start, chunk.stop)
        for name, array in columns.items():
            self._arrays[name][rows] = array
