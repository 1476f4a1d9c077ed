"""All features of a split: what the cache has is read, what it lacks is encoded and stored."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from fedsilo.backbone.cache import Array, FeatureCache
from fedsilo.backbone.features import CachedFeatures, Chunk, Encode, EncodedChunk, Viewing, chunks, encode_chunks
from fedsilo.backbone.images import ImageEncoder
from fedsilo.contracts import Examples
from fedsilo.errors import DataError

Told = Callable[[int, int], None]
"""told(done, total): images whose features are at hand, over all views."""


def extract(
    encoder: ImageEncoder,
    examples: Examples,
    viewing: Viewing,
    cache: FeatureCache | None = None,
    encode: Encode | None = None,
    told: Told = lambda done, total: None,
) -> CachedFeatures:
    """Returns the features of a whole split in the wanted views.

    Args:
        encoder: The image tower.
        examples: The images.
        viewing: Which views, and whether with patch tokens.
        cache: Where encoded chunks are kept; None keeps none.
        encode: Encodes missing chunks, for example in actors; by default one after the other in this process.
        told: Is told of progress.

    Raises:
        BackboneError: Tokens are wanted of a tower that gives none.
        DataError: There are no images, or one cannot be read.
    """
    if not len(examples):
        raise DataError("features: there are no images to encode. Check the data section.")
    if viewing.tokens:
        encoder.require_tokens()
    gathered = _Gathered(viewing.views, len(examples), told)
    missing = [chunk for chunk in chunks(encoder, examples, viewing) if not _read(chunk, cache, gathered)]
    with _closed(iter((encode or _encode_here(encoder, examples))(missing))) as arriving:
        for encoded in arriving:
            if cache is not None:
                cache.write(encoded.chunk.key, encoded.pooled, encoded.tokens)
            gathered.add(encoded)
    return gathered.features()


@contextmanager
def _closed(arriving: Iterator[EncodedChunk]) -> Iterator[Iterator[EncodedChunk]]:
    """Ends whoever encodes together with who waits for it: an error or Ctrl-C here leaves no thread and no actor."""
    try:
        yield arriving
    finally:
        if isinstance(arriving, Generator):
            arriving.close()


def _encode_here(encoder: ImageEncoder, examples: Examples) -> Encode:
    def encode(missing: Sequence[Chunk]) -> Iterator[EncodedChunk]:
        return encode_chunks(encoder, examples, missing)

    return encode


def _read(chunk: Chunk, cache: FeatureCache | None, gathered: _Gathered) -> bool:
    found = None if cache is None else cache.read(chunk.key, chunk.tokens)
    if found is None or len(found[0]) != chunk.stop - chunk.start:
        return False
    gathered.add(EncodedChunk(chunk, *found))
    return True


class _Gathered:
    """Arrays that fill up chunk by chunk; made when the first one tells its widths."""

    def __init__(self, views: tuple[int, ...], images: int, told: Told) -> None:
        self._views, self._images, self._told = views, images, told
        self._done = 0
        self._pooled: Array | None = None
        self._tokens: Array | None = None

    def add(self, encoded: EncodedChunk) -> None:
        chunk = encoded.chunk
        rows = self._views.index(chunk.view), slice(chunk.start, chunk.stop)
        self._pooled = self._room(self._pooled, encoded.pooled)
        self._pooled[rows] = encoded.pooled
        if encoded.tokens is not None:
            self._tokens = self._room(self._tokens, encoded.tokens)
            self._tokens[rows] = encoded.tokens
        self._done += chunk.stop - chunk.start
        self._told(self._done, len(self._views) * self._images)

    def features(self) -> CachedFeatures:
        total = len(self._views) * self._images
        if self._pooled is None or self._done != total:
            raise DataError(f"features: {total - self._done} of {total} images were not encoded. Run again.")
        return CachedFeatures(self._views, self._pooled, self._tokens)

    def _room(self, array: Array | None, like: Array) -> Array:
        if array is not None:
            return array
        return np.empty((len(self._views), self._images, *like.shape[1:]), dtype=np.float32)
