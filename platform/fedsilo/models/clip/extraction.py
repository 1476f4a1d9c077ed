"""All features of a split: what the cache has is read, what it lacks is encoded and stored."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from fedsilo.core import Examples
from fedsilo.core.errors import DataError
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.feature_cache import FeatureCache
from fedsilo.models.clip.features import Chunk, Encode, EncodedChunk, Viewing, chunks, encode_chunks
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.node_gathering import Gathering, Told
from fedsilo.models.clip.stored_features import StoredFeatures


def extract(
    encoder: ImageEncoder,
    examples: Examples,
    viewing: Viewing,
    cache: FeatureCache | None = None,
    encode: Encode | None = None,
    told: Told = lambda done, total: None,
) -> CachedFeatures | StoredFeatures:
    """Returns the features of a whole split in the wanted views: in memory, or in the cache where they are large.

    Args:
        encoder: The image tower.
        examples: The images.
        viewing: Which views, and which columns.
        cache: Where encoded chunks are kept, and what may be gathered in memory; None keeps none and gathers all.
        encode: Encodes missing chunks, for example in actors; by default one after the other in this process.
        told: Is told of progress.

    Raises:
        BackboneError: The tower does not give what is wanted.
        DataError: There are no images, one cannot be read, or there is no room for the features.
    """
    if not len(examples):
        raise DataError("features: there are no images to encode. Check the data section.")
    encoder.require(viewing.columns)
    gathered = Gathering(viewing, len(examples), cache, told)
    missing = [chunk for chunk in chunks(encoder, examples, viewing) if not _read(chunk, cache, gathered)]
    if missing:
        gathered.tell()
    with _closed(iter((encode or _encode_here(encoder, examples))(missing))) as arriving:
        for encoded in arriving:
            stored = cache is not None and cache.write(encoded.chunk.key, encoded.columns)
            gathered.add(encoded, stored)
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


def _read(chunk: Chunk, cache: FeatureCache | None, gathered: Gathering) -> bool:
    found = None if cache is None else cache.read(chunk.key, chunk.columns)
    if found is None or any(len(array) != chunk.stop - chunk.start for array in found.values()):
        return False
    gathered.add(EncodedChunk(chunk, found), stored=True)
    return True
