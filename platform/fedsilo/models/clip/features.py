"""Image features of a split: cut in chunks, encoded once, cached, and handed out by the batch.

A chunk is the unit of the cache and of an encoder's work: at most 256 images in one view. Its key says all that its
numbers depend on. `CachedFeatures` holds every view in memory, `StoredFeatures` reads it from the cache,
`OnlineFeatures` encodes when asked; the same view of the same image is the same feature from all of them.

"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from fedsilo.core import Examples, Indices
from fedsilo.core.batch import IMAGE, PIXELS, block_of
from fedsilo.core.prefetch import cores, prefetch
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.feature_cache import Array
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.pixels import Pixels

__all__ = [
    "CachedFeatures",
    "Chunk",
    "Encode",
    "EncodedChunk",
    "OnlineFeatures",
    "Viewing",
    "chunks",
    "encode_chunk",
    "encode_chunks",
]

CHUNK = 256
_FORWARD = 64
"""Images per forward pass: bounds memory, and fixed, since the bits may depend on it."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Viewing:
    """Which views of a split are wanted.

    Attributes:
        views: Numbers of the views: 0 the plain one, the others random ones.
        seed: What random views are drawn from.
        columns: What is wanted of them, one group of `core.batch.group_encoded_columns`.
    """

    views: tuple[int, ...] = (0,)
    seed: int = 0
    columns: tuple[str, ...] = (IMAGE,)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Images [start, stop) of a split in one view.

    Attributes:
        key: SHA-256 of all that the features depend on; the same with patch tokens and without.
        start: First image.
        stop: One past the last image.
        view: Number of the view.
        seed: What a random view is drawn from.
        columns: What is wanted.
    """

    key: str
    start: int
    stop: int
    view: int
    seed: int
    columns: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class EncodedChunk:
    """A chunk and its features.

    Attributes:
        chunk: What was encoded.
        columns: (stop - start, ...) by name, not normalised.
    """

    chunk: Chunk
    columns: Mapping[str, Array]


Encode = Callable[[Sequence[Chunk]], Iterable[EncodedChunk]]
"""Encodes chunks, anywhere and in any order."""


def chunks(encoder: ImageEncoder, examples: Examples, viewing: Viewing) -> list[Chunk]:
    """Returns all chunks of a split, view by view."""
    found = []
    for view in viewing.views:
        for start in range(0, len(examples), CHUNK):
            stop = min(start + CHUNK, len(examples))
            key = _key(encoder, examples.digests[start:stop], view, viewing)
            found.append(Chunk(key, start, stop, view, viewing.seed, viewing.columns))
    return found


def _key(encoder: ImageEncoder, digests: Sequence[str], view: int, viewing: Viewing) -> str:
    # The kind of device and torch's version are in it: other kernels, other bits.
    device = torch.device(encoder.device).type
    facts = {
        "format": _FORMAT,
        "backbone": encoder.fingerprint,
        "preprocessing": asdict(encoder.preprocessing),
        "arithmetic": [encoder.precision, device, torch.__version__, *([encoder.tf32] if device == "cuda" else [])],
        "view": [view, viewing.seed] if view else [0],
        "images": list(digests),
    }
    blocks = [block for block in map(block_of, viewing.columns) if block is not None]
    if blocks:
        facts["blocks"] = blocks
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def encode_chunks(
    encoder: ImageEncoder, examples: Examples, wanted: Sequence[Chunk], threads: int = 0
) -> Iterator[EncodedChunk]:
    """Yields the features of chunks in their order, while threads read and prepare the images that come next.

    The bits do not depend on the threads: what goes through the tower together is fixed. No thread is left when it
    ends or is closed.

    Args:
        encoder: The image tower.
        examples: The images.
        wanted: Chunks of these images.
        threads: How many fetch images and make views of them; 0: one per core.

    Raises:
        DataError: An image cannot be read.
        BackboneError: A feature is not finite.
    """

    def prepared(place: tuple[Chunk, int]) -> Tensor:
        return _view(encoder, examples, place[1], place[0].view, place[0].seed)

    places = ((chunk, i) for chunk in wanted for i in range(chunk.start, chunk.stop))
    with closing(prefetch(prepared, places, threads or cores(), 2 * _FORWARD)) as images:
        for chunk in wanted:
            yield _through_tower(encoder, images, chunk, examples.name)


def encode_chunk(encoder: ImageEncoder, examples: Examples, chunk: Chunk, threads: int = 0) -> EncodedChunk:
    """Returns the features of one chunk; depends on nothing but its arguments, which can all be sent elsewhere."""
    (encoded,) = encode_chunks(encoder, examples, [chunk], threads)
    return encoded


def _through_tower(
    encoder: ImageEncoder, images: Iterator[Tensor], chunk: Chunk, name: Callable[[int], str]
) -> EncodedChunk:
    parts = []
    for start in range(chunk.start, chunk.stop, _FORWARD):
        batch = torch.stack(list(islice(images, min(_FORWARD, chunk.stop - start))))
        parts.append(encoder.columns(batch, chunk.columns, partial(_name_after, name, start)))
    return EncodedChunk(chunk, {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]})


def _name_after(name: Callable[[int], str], start: int, i: int) -> str:
    return name(start + i)


def _view(encoder: ImageEncoder, examples: Examples, i: int, view: int, seed: int) -> Tensor:
    return encoder.preprocessing.view(examples.fetch(i), view, examples.digests[i], seed)


@dataclass(frozen=True, eq=False, slots=True)
class OnlineFeatures:
    """Features encoded whenever they are asked for, as the released prompt-learning code does.

    Attributes:
        encoder: The image tower.
        pixels: The images as the tower takes them.
        columns: What is wanted; the pixels themselves may be among it.
    """

    encoder: ImageEncoder
    pixels: Pixels
    columns: tuple[str, ...] = (IMAGE,)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indices: Indices, view: int) -> dict[str, Tensor]:
        """Returns the columns (b, ...) of any number of images."""
        if not len(indices):  # a Poisson sample can be empty; the shapes are those of any other image
            return {name: column[:0] for name, column in self.batch(np.zeros(1, dtype=np.int64), view).items()}
        seen = self.pixels.batch(indices, view)
        found = self.encoder.columns(seen[PIXELS], self.columns, lambda i: self.pixels.name(int(indices[i])))
        return {**seen, **found} if PIXELS in self.columns else found

    def on(self, device: str) -> OnlineFeatures:
        """Returns the source with its tower on a device."""
        return replace(self, encoder=replace(self.encoder, device=device))

    def only(self, columns: Collection[str]) -> OnlineFeatures:
        """Returns the source without the columns that are not among these; itself where that would leave none."""
        return replace(self, columns=tuple(name for name in self.columns if name in columns) or self.columns)
