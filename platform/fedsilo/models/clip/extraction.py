"""Extraction of all features of a split: reads them from the cache, encodes and stores the missing ones."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from fedsilo.core import Examples
from fedsilo.core.errors import DataError
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.feature_collector import FeatureCollector, Progress
from fedsilo.models.clip.features import Chunk, Encode, EncodedChunk, Viewing, encode_chunks, split_into_chunks
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.stored_features import StoredFeatures


def extract(
    encoder: ImageEncoder,
    examples: Examples,
    viewing: Viewing,
    cache: FeatureCache | None = None,
    encode: Encode | None = None,
    progress: Progress = lambda done, total: None,
) -> CachedFeatures | StoredFeatures:
    """Extracts the features of a whole split in the wanted views.

    Args:
        encoder: The image tower.
        examples: The images of a split.
        viewing: Which views, and which columns.
        cache: Cache of encoded chunks, with the limit of what is held in memory; None stores nothing and holds
            everything in memory.
        encode: Encodes missing chunks, for example in actors; by default one after the other in this process.
        progress: Called with the numbers of finished images and of all images, over all views.

    Returns:
        The features in memory, or in the cache where they are large.

    Raises:
        BackboneError: The tower does not give a wanted column.
        DataError: There are no images, one cannot be read, or there is no room for the features.
    """
    if not len(examples):
        raise DataError("features: there are no images to encode. Check the data section.")
    encoder.require(viewing.columns)
    gathered = FeatureCollector(viewing, len(examples), cache, progress)
    missing = [chunk for chunk in split_into_chunks(encoder, examples, viewing) if not _read(chunk, cache, gathered)]
    if missing:
        gathered.report()
    with _close_at_end(iter((encode or _encode_here(encoder, examples))(missing))) as arriving:
        for encoded in arriving:
            stored = cache is not None and cache.write(encoded.chunk.key, encoded.columns)
            gathered.add(encoded, stored)
    return gathered.features()


@contextmanager
def _close_at_end(arriving: Iterator[EncodedChunk]) -> Iterator[Iterator[EncodedChunk]]:
    """Closes a generator of encoded chunks at the end: an error or Ctrl-C leaves no thread and no actor."""
    try:
        yield arriving
    finally:
        if isinstance(arriving, Generator):
            arriving.close()


def _encode_here(encoder: ImageEncoder, examples: Examples) -> Encode:
    def encode(missing: Sequence[Chunk]) -> Iterator[EncodedChunk]:
        return encode_chunks(encoder, examples, missing)

    return encode


def _read(chunk: Chunk, cache: FeatureCache | None, gathered: FeatureCollector) -> bool:
    found = None if cache is None else cache.read(chunk.key, chunk.columns)
    if found is None or any(len(array) != chunk.stop - chunk.start for array in found.values()):
        return False
    gathered.add(EncodedChunk(chunk, found), stored=True)
    return True
